/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What trace_builder.h writes about locks: sets, orders, holds, misuse, and what a thread wants. */
#ifndef CPROBE_TRACE_LOCKS_H
#define CPROBE_TRACE_LOCKS_H

#include "trace/trace_builder.h"

/* The set of locks held together, each taken at `place`. Returns its number. `shared`: bit i, lock i is for reading. */
uint32_t locks_together(struct trace_builder *b, uint64_t place, unsigned shared, const uint32_t *locks, size_t count);
#define locks_held(b, place, shared, ...)                             \
    locks_together((b), (place), (shared), (uint32_t[]){__VA_ARGS__}, \
                   sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* Where a lock was initialised. */
void locks_birth(struct trace_builder *b, uint32_t lock, uint32_t stack);
/* The CONTEXT of the record with the same time that is added next. */
void locks_context(struct trace_builder *b, uint32_t tid, uint64_t time_ns, uint32_t set, uint32_t owner,
                   uint32_t owner_stack);
/* `to` was asked for while `from` was held. */
void locks_order(struct trace_builder *b, uint32_t tid, uint32_t from, uint32_t to, uint32_t set, uint32_t stack,
                 uint16_t flags);
/* A contended release: others had waited for waited_ns. */
void locks_left(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t waited_ns, uint32_t lock,
                uint32_t stack, uint32_t waiters);
/* `count` acquisitions, each held for held_ns: one recorded event that stands for all, and the counter. */
void locks_taken(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t held_ns, uint64_t count,
                 uint32_t lock);
void locks_misuse(struct trace_builder *b, uint32_t tid, enum misuse kind, uint32_t lock, uint32_t stack,
                  uint32_t other);
/* The thread still waits for a lock at the end. */
void locks_wanted(struct trace_thread_slot *slot, uint64_t since_ns, uint32_t lock, uint32_t set, uint32_t stack);

#endif
