/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests in flight on a connection whose answers come in order. What a parser wants to know of each stands in an
 * array of its own with WIRE_PENDING places; the queue says which place. A pipeline may be longer: of what is beyond
 * the oldest WIRE_PENDING only the number is known.
 */
#ifndef CPROBE_WIRE_QUEUE_H
#define CPROBE_WIRE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/wire.h"

/* All zero: empty. */
struct wire_queue {
    uint32_t next;   /* sequence of the next request */
    uint32_t oldest; /* sequence of the oldest that is not answered */
    uint64_t known;  /* bit n: place n describes a request in flight */
};

_Static_assert(WIRE_PENDING == 64, "a bit of queue.known for each place");

#define WIRE_QUEUE_NONE (-1)

static inline uint32_t queue_count(const struct wire_queue *q)
{
    return q->next - q->oldest;
}

/* A request was sent: its number is q->next before the call. Returns its place, or WIRE_QUEUE_NONE. */
static inline int queue_push(struct wire_queue *q)
{
    int place = (int)(q->next % WIRE_PENDING);
    bool room = queue_count(q) < WIRE_PENDING;
    q->next++;
    if (!room)
        return WIRE_QUEUE_NONE;
    q->known |= UINT64_C(1) << place;
    return place;
}

/* Where the oldest request is described, or WIRE_QUEUE_NONE: nothing is known of it, or none is in flight. */
static inline int queue_front(const struct wire_queue *q)
{
    int place = (int)(q->oldest % WIRE_PENDING);
    return q->known >> place & 1 ? place : WIRE_QUEUE_NONE;
}

/* The oldest request is answered; false: none is in flight. Its number is q->oldest before the call. */
static inline bool queue_pop(struct wire_queue *q)
{
    if (queue_count(q) == 0)
        return false;
    q->known &= ~(UINT64_C(1) << q->oldest % WIRE_PENDING);
    q->oldest++;
    return true;
}

/* Answers were lost: nothing is in flight any more. Numbers go on. */
static inline void queue_clear(struct wire_queue *q)
{
    q->oldest = q->next;
    q->known = 0;
}

#endif
