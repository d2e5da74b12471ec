/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CPROBE_CAPTURE_CONTEXT_H
#define CPROBE_CAPTURE_CONTEXT_H

#include "capture/thread.h"

/* Numbers as in struct event_context (trace/events.def); 0: not known. */
struct context {
    uint64_t fiber;
    uint32_t operation, serving;
    uint32_t locks, lock, owner, owner_stack;
};

/* Writes what else is known of the record of time `time_ns` that is about to be written to the thread's ring; nothing
   where nothing is known. The thread has entered the recorder and has a slot. */
void context_record(struct thread *t, uint64_t time_ns, const struct context *c);

#endif
