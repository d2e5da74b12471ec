/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding the next message after bytes were lost, where requests and answers take turns: the first bytes of a side
 * after the other side's begin something. Independent of how the bytes are cut into chunks.
 */
#ifndef CPROBE_WIRE_TURNS_H
#define CPROBE_WIRE_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/wire.h"

/* All zero: nothing is lost. */
struct wire_turns {
    bool lost[2];
    uint8_t last; /* enum wire_side of the latest bytes */
};

/* Bytes of `from` are missing. If they were a client's, what the server says is not understood before the client has
   begun anew. */
static inline void turns_lose(struct wire_turns *t, enum wire_side from)
{
    t->lost[WIRE_SERVER] = true;
    t->lost[WIRE_CLIENT] |= from == WIRE_CLIENT;
    t->last = (uint8_t)from;
}

/* Bytes of `from` have come: whether they can be understood. */
static inline bool turns_understood(struct wire_turns *t, enum wire_side from)
{
    if (t->lost[from] && t->last != from && !(from == WIRE_SERVER && t->lost[WIRE_CLIENT]))
        t->lost[from] = false;
    t->last = (uint8_t)from;
    return !t->lost[from];
}

#endif
