/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names of protocols, apart from their parsers: what reads recordings needs only these. */
#include <string.h>

#include "wire/wire.h"

static const char *const names[WIRE_PROTOCOLS] = {
    "unknown",
#define PROTOCOL(ID, number, name) [number] = #name,
#include "wire/protocols.def"
#undef PROTOCOL
};

const char *wire_protocol_name(enum wire_protocol protocol)
{
    return (unsigned)protocol < WIRE_PROTOCOLS && names[protocol] ? names[protocol] : names[WIRE_UNKNOWN];
}

enum wire_protocol wire_protocol_find(const char *name, size_t length)
{
    for (size_t i = 1; i < WIRE_PROTOCOLS; i++)
        if (names[i] && strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
            return (enum wire_protocol)i;
    return WIRE_UNKNOWN;
}
