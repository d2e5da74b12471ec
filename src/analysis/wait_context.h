/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a CONTEXT record adds to the record that follows it. */
#ifndef CPROBE_ANALYSIS_WAIT_CONTEXT_H
#define CPROBE_ANALYSIS_WAIT_CONTEXT_H

#include "trace/reader.h"

struct model_process;

/* Numbers of the record's trace: operations, sets, threads, stacks; 0: not known. */
struct wait_context {
    uint32_t operation; /* what was asked of the endpoint */
    uint32_t serving;   /* what the thread was at work on */
    uint32_t locks;     /* set of locks held (trace_lockset_find) */
    uint32_t owner;     /* waits for a lock: the thread that had it, and the stack where it left it */
    uint32_t owner_stack;
};

/* Takes the next event of the process's stream: what is known of it. A CONTEXT record itself is kept for the next one
   of its thread. */
struct wait_context wait_context_next(struct model_process *process, const union trace_event *event);

#endif
