/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where conversations are kept: one bounded area of memory, whose places are taken and given back without a lock. Of
   conversation.c; any thread. */
#ifndef CPROBE_CAPTURE_PLACE_H
#define CPROBE_CAPTURE_PLACE_H

#include "base/compiler.h"
#include "capture/conversation.h"

#define PLACE_BITS 16 /* of a conversation's number: its place + 1; its generation is above */

struct places {
    struct conversation *table; /* NULL: none are followed */
    uint32_t size;
    uint32_t fresh; /* any: places below were in use once */
    uint32_t noted; /* any: the note about missing room was written */
    uint64_t free;  /* any: head of the free ones (place.c) */
};
extern HIDDEN struct places places;

/* The conversation with this number; NULL: it has ended. */
static ALWAYS_INLINE struct conversation *conversation_at(uint32_t id)
{
    uint32_t place = (id & ((1u << PLACE_BITS) - 1)) - 1;
    struct conversation *c = likely(place < places.size) ? &places.table[place] : NULL;
    return likely(c && load_acquire(&c->id) == id) ? c : NULL;
}

/* NULL: no room (noted in the trace once), or none are followed. */
struct conversation *place_take(void);
void place_give(struct conversation *c);

#endif
