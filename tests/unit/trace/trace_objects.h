/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What trace_builder.h writes about watched objects: what they are, who operated on them, and what became of them. */
#ifndef CPROBE_TRACE_OBJECTS_H
#define CPROBE_TRACE_OBJECTS_H

#include "trace/trace_builder.h"

/* Definitions; numbers are the caller's, from 2 on. */
void objects_object(struct trace_builder *b, uint32_t id, uint32_t stack, uint32_t flags, const char *module,
                    const char *class);
void objects_method(struct trace_builder *b, uint32_t id, const char *name, uint32_t flags);

/* An operation that was recorded, and its place in the exact counters of the thread. The thread must have a slot. */
struct event_mutate *objects_mutate(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t duration_ns,
                                    uint32_t object, uint32_t method, uint32_t stack, uint16_t flags);
/* `count` operations that were counted but not recorded. Returns the counter. */
struct trace_counter *objects_count(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t duration_ns,
                                    uint64_t count, uint32_t object, uint32_t method);
/* `tid` began `method` at begin_ns while other_tid was inside other_method. The rest is 0. */
struct event_overlap *objects_overlap(struct trace_builder *b, uint64_t begin_ns, uint32_t object, uint32_t tid,
                                      uint32_t method, uint32_t other_tid, uint32_t other_method);
void objects_drift(struct trace_builder *b, uint64_t time_ns, uint32_t object, int64_t counter, int64_t content,
                   uint32_t entries, uint32_t links, uint32_t flags);

#endif
