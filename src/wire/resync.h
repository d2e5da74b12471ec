/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding the beginning of a message again, on one side of a conversation, after bytes were lost or made no sense: each
 * place where one may begin is tried with the parser's own guess.
 */
#ifndef CPROBE_WIRE_RESYNC_H
#define CPROBE_WIRE_RESYNC_H

#include "wire/parser.h"

#define RESYNC_LINE 64
#define RESYNC_REJECTED_MAX 1000 /* places that begin no message, without a message between them */

/* All zero: in step. */
struct resync {
    bool on;
    bool lines;    /* messages begin behind "\n" only */
    bool at_start; /* the line is, or may become, the beginning of one */
    bool lost;     /* the next message is the first after a loss: resync_lost_take */
    uint8_t used;
    uint16_t rejected; /* places since the last message */
};

typedef enum wire_guess resync_guess(const uint8_t *bytes, size_t length, enum wire_side from);

/* Out of step. `at_start`: the next byte may begin a message. */
void resync_begin(struct resync *r, bool lines, bool at_start);

/* Nothing was found for so long that this must be another protocol. */
static inline bool resync_failed(const struct resync *r)
{
    return r->rejected >= RESYNC_REJECTED_MAX;
}

/*
 * Consumes bytes from `at` until what may be a message begins; true: its first bytes are line[0..r->used), and
 * resync_end is due. What the guess says yes to is parsed from there. `line`: the side's, kept between calls.
 */
bool resync_find(struct resync *r, uint8_t line[RESYNC_LINE], resync_guess *guess, enum wire_side side,
                 const uint8_t **at, const uint8_t *end);

/* In step again: returns how many the first bytes are. */
size_t resync_end(struct resync *r);

/* A message is complete: WIRE_LOST if it is the first after a loss, or 0. */
static inline uint32_t resync_lost_take(struct resync *r)
{
    bool lost = r->lost;
    r->lost = false;
    r->rejected = 0;
    return lost ? WIRE_LOST : 0;
}

#endif
