/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memcached's binary protocol: what its packets of 24 bytes and more say. Source: doc/protocol-binary.xml of
 * memcached 1.4 and protocol_binary.h.
 */
#ifndef CPROBE_WIRE_MEMCACHED_BINARY_H
#define CPROBE_WIRE_MEMCACHED_BINARY_H

#include "wire/frame.h"
#include "wire/parser.h"

#define BINARY_HEADER 24
#define BINARY_REQUEST 0x80
#define BINARY_RESPONSE 0x81
#define BINARY_STAT 0x10

/* How long the packet is that begins with a header; 0: none begins so. `side`: enum wire_side, who sent it. */
uint64_t binary_length(const uint8_t *header, enum wire_side side);

static inline uint8_t binary_opcode(const struct frame *f)
{
    return f->bytes[1];
}

/* Whether an opcode is answered only if something is unusual, or (gets) there is something to give. */
bool binary_is_quiet(uint8_t opcode);
/* Whether it is never answered. */
bool binary_is_silent(uint8_t opcode);

/* Fills what is said of a request; `m` is initialised. */
void binary_request_message(const struct frame *f, struct wire_message *m);

/* A response's status, as the text protocol would say it; empty for success. `failed`: it is an error, and not just a
   miss. Static. */
const char *binary_status(const struct frame *f, bool *failed);

/* The last packet of an answer to STAT has neither key nor value. */
bool binary_is_last(const struct frame *f);

enum wire_guess binary_guess(const uint8_t *bytes, size_t length, enum wire_side from);

#endif
