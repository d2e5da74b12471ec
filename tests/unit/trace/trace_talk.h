/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What trace_builder.h writes about conversations: operations, keys, names, requests, connects and their contexts. */
#ifndef CPROBE_TRACE_TALK_H
#define CPROBE_TRACE_TALK_H

#include "trace/trace_builder.h"

/* Definitions; `id` is the caller's, from 2 on. `protocol`, `flags`: src/wire/wire.h. */
void talk_operation(struct trace_builder *b, uint32_t id, uint32_t endpoint, uint16_t protocol, enum endpoint_role role,
                    uint32_t flags, const char *verb, const char *text);
void talk_key(struct trace_builder *b, uint32_t id, uint64_t hash, const char *text);
void talk_protocol(struct trace_builder *b, uint32_t endpoint, uint16_t protocol, uint16_t flags, const char *name);
void talk_address(struct trace_builder *b, const char *name, const char *address);

/* The CONTEXT of the record with the same time that is added next. */
void talk_context(struct trace_builder *b, uint32_t tid, uint64_t time_ns, uint32_t operation, uint32_t serving);

/* A request that was recorded, and its place in the exact counters of the thread. The thread must have a slot. */
struct event_request *talk_request(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t duration_ns,
                                   uint32_t operation, uint32_t stack, uint16_t flags);
/* `count` requests that were counted but not recorded. Returns the counter. */
struct trace_counter *talk_count(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t duration_ns,
                                 uint64_t count, uint32_t operation);
struct event_connect *talk_connect(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t duration_ns,
                                   uint32_t endpoint, uint32_t stack, uint16_t error);

#endif
