/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/watched_locks.h"

#include <stdlib.h>

#include "analysis/arena.h"

#define MUTATORS_MAX 4096 /* threads told apart */

/* When the thread first changed the object, before now_ns; UINT64_MAX: it did not. Remembers it. */
static uint64_t first_change(struct watched_locks *locks, uint32_t tid, uint64_t now_ns)
{
    for (size_t i = 0; i < locks->count; i++) {
        if (locks->mutators[i].tid == tid)
            return locks->mutators[i].first_ns;
    }
    if (locks->count == MUTATORS_MAX)
        return UINT64_MAX;
    locks->mutators = memory_grow(locks->mutators, locks->count, &locks->capacity, sizeof(*locks->mutators));
    locks->mutators[locks->count++] = (struct watched_mutator){tid, now_ns};
    return UINT64_MAX;
}

static void change_take(struct watched_locks *locks, const struct trace *trace, const struct event_mutate *event)
{
    uint64_t now = event->header.time_ns, first = first_change(locks, event->tid, now);
    if (locks->last.tid != event->tid)
        locks->other = locks->last;
    locks->last = (struct watched_change){event->tid, event->locks, now};
    if (!locks->hazard_ns && locks->other.tid && first < locks->other.time_ns &&
        !watched_locks_exclude(trace, event->locks, locks->other.locks))
        locks->hazard_ns = now;
}

void watched_locks_add(struct watched_locks *locks, const struct trace *trace, const struct event_mutate *event,
                       bool writes)
{
    if (!locks->owner)
        locks->owner = event->tid;
    if (!locks->shared_ns && event->tid != locks->owner)
        locks->shared_ns = event->header.time_ns;
    if (locks->shared_ns && writes)
        change_take(locks, trace, event);
}

void watched_locks_free(struct watched_locks *locks)
{
    free(locks->mutators);
}

bool watched_locks_exclude(const struct trace *trace, uint32_t set, uint32_t other)
{
    const struct trace_lockset *a = set ? trace_lockset_find(trace, set) : NULL;
    const struct trace_lockset *b = other ? trace_lockset_find(trace, other) : NULL;
    for (size_t i = 0; a && b && i < a->count; i++) {
        for (size_t j = 0; j < b->count; j++) {
            if (a->locks[i] == b->locks[j] && !(a->shared[i] && b->shared[j]))
                return true;
        }
    }
    return false;
}
