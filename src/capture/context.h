/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CPROBE_CAPTURE_CONTEXT_H
#define CPROBE_CAPTURE_CONTEXT_H

#include "capture/thread.h"

/* Writes what else is known of the record of time `time_ns` that is about to be written to the thread's ring; nothing
   where nothing is known: no operation, request, lock or owner. The header, thread and slot of `known` need not be set.
   The thread has entered the recorder and has a slot. */
void context_record(struct thread *t, uint64_t time_ns, const struct event_context *known);

#endif
