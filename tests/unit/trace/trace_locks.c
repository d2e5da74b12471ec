/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace_locks.h"

#include <stdlib.h>
#include <string.h>

#define CALL_HOLD_NUMBER 141
#define SET_MAX 8

static struct event_header ring_header(uint16_t type, uint64_t time_ns)
{
    return (struct event_header){EVENT_MAGIC, type, RING_RECORD_SIZE, time_ns};
}

uint32_t locks_together(struct trace_builder *b, uint64_t place, unsigned shared, const uint32_t *locks, size_t count)
{
    static uint32_t next = 100;
    struct {
        struct event_lockset event;
        uint64_t places[SET_MAX];
        uint32_t locks[SET_MAX];
        uint8_t shared[SET_MAX];
    } r = {.event = {.header = {EVENT_MAGIC, EVENT_LOCKSET, sizeof(r), BUILDER_START}, .id = ++next}};
    if (count > SET_MAX)
        abort();
    r.event.places = (event_str_t){offsetof(__typeof__(r), places), (uint16_t)(count * sizeof(r.places[0]))};
    r.event.locks = (event_str_t){offsetof(__typeof__(r), locks), (uint16_t)(count * sizeof(r.locks[0]))};
    r.event.shared = (event_str_t){offsetof(__typeof__(r), shared), (uint16_t)count};
    for (size_t i = 0; i < count; i++) {
        r.places[i] = place;
        r.locks[i] = locks[i];
        r.shared[i] = shared >> i & 1;
    }
    builder_log_raw(b, &r, sizeof(r));
    return next;
}

void locks_birth(struct trace_builder *b, uint32_t lock, uint32_t stack)
{
    struct event_lock e = {.header = {EVENT_MAGIC, EVENT_LOCK, sizeof(e), BUILDER_START}, .id = lock, .stack = stack};
    builder_log_raw(b, &e, sizeof(e));
}

void locks_context(struct trace_builder *b, uint32_t tid, uint64_t time_ns, uint32_t set, uint32_t owner,
                   uint32_t owner_stack)
{
    struct event_context e = {.header = ring_header(EVENT_CONTEXT, time_ns),
                              .tid = tid,
                              .slot = builder_slot(b, tid),
                              .locks = set,
                              .owner = owner,
                              .owner_stack = owner_stack};
    builder_ring_raw(b, tid, &e, sizeof(e));
}

void locks_order(struct trace_builder *b, uint32_t tid, uint32_t from, uint32_t to, uint32_t set, uint32_t stack,
                 uint16_t flags)
{
    struct event_order e = {.header = {EVENT_MAGIC, EVENT_ORDER, sizeof(e), BUILDER_START},
                            .from = from,
                            .to = to,
                            .stack = stack,
                            .tid = tid,
                            .locks = set,
                            .flags = flags};
    builder_log_raw(b, &e, sizeof(e));
}

void locks_left(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t waited_ns, uint32_t lock,
                uint32_t stack, uint32_t waiters)
{
    struct event_hold e = {.header = ring_header(EVENT_HOLD, begin_ns),
                           .duration_ns = waited_ns,
                           .waited_ns = waited_ns,
                           .weight = 1,
                           .tid = tid,
                           .slot = builder_slot(b, tid),
                           .stack = stack,
                           .lock = lock,
                           .waiters = waiters,
                           .flags = HOLD_CONTENDED,
                           .kind = LOCK_KIND_MUTEX};
    builder_ring_raw(b, tid, &e, sizeof(e));
}

void locks_taken(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t held_ns, uint64_t count,
                 uint32_t lock)
{
    struct event_hold e = {.header = ring_header(EVENT_HOLD, begin_ns),
                           .duration_ns = held_ns,
                           .weight = (float)count,
                           .tid = tid,
                           .slot = builder_slot(b, tid),
                           .lock = lock,
                           .kind = LOCK_KIND_MUTEX};
    builder_count(b, tid, begin_ns, held_ns, count, CALL_HOLD_NUMBER, lock, 0);
    builder_ring_raw(b, tid, &e, sizeof(e));
}

void locks_misuse(struct trace_builder *b, uint32_t tid, enum misuse kind, uint32_t lock, uint32_t stack,
                  uint32_t other)
{
    struct event_misuse e = {.header = {EVENT_MAGIC, EVENT_MISUSE, sizeof(e), BUILDER_START},
                             .lock = lock,
                             .stack = stack,
                             .tid = tid,
                             .other = other,
                             .kind = (uint16_t)kind};
    builder_log_raw(b, &e, sizeof(e));
}

void locks_wanted(struct trace_thread_slot *slot, uint64_t since_ns, uint32_t lock, uint32_t set, uint32_t stack)
{
    slot->wanted_since_ns = since_ns;
    slot->wanted_lock = lock;
    slot->wanted_locks = set;
    slot->wanted_stack = stack;
}
