/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a thread was at work on: the task that a task queue's worker runs, as its stack shows it, or the request that
 * the recorder saw it serve. Where neither says so nothing is claimed.
 */
#ifndef CPROBE_ANALYSIS_REQUEST_CONTEXT_H
#define CPROBE_ANALYSIS_REQUEST_CONTEXT_H

#include "analysis/arena.h"
#include "analysis/finding.h"
#include "trace/reader.h"

/* `serving`: number of the operation that was served, 0: not known. `stack` may be NULL. name NULL: not known. Texts
   belong to `arena`, `trace` or the stack. */
struct request_context context_of(const struct trace *trace, uint32_t serving, const struct stack *stack,
                                  struct arena *arena);

/* The contexts that something was seen in, and how much of it. Zero-initialise. */
struct context_tally {
    struct context_weight *list;
    size_t count, capacity;
};

void context_tally_add(struct context_tally *tally, const struct request_context *context, double weight);
void context_tally_join(struct context_tally *tally, const struct context_tally *other);
/* The one with most weight, `others` set; name NULL: none is known. */
struct request_context context_tally_heaviest(const struct context_tally *tally);
void context_tally_free(struct context_tally *tally);

#endif
