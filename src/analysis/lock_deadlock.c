/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/lock_deadlock.h"

static bool thread_waits(const struct model_thread *thread)
{
    const struct trace_thread_slot *slot = thread->source->slot;
    return slot->tid != 0 && slot->end_ns == 0 && slot->wanted_since_ns != 0 && slot->wanted_locks != 0;
}

static bool thread_holds(const struct model_thread *thread, uint32_t lock)
{
    const struct trace_lockset *set = trace_lockset_find(thread->process->trace, thread->source->slot->wanted_locks);
    for (size_t i = 0; set && i < set->count; i++) {
        if (set->locks[i] == lock)
            return true;
    }
    return false;
}

static bool deadlock_visits(const struct deadlock *deadlock, const struct model_thread *thread)
{
    for (size_t i = 0; i < deadlock->count; i++) {
        if (deadlock->threads[i] == thread)
            return true;
    }
    return false;
}

/* Follows owners from the last thread back to the first. Only later threads are entered: a circle is found from its
   first one. */
static bool deadlock_follow(const struct model_process *process, struct deadlock *deadlock)
{
    const struct model_thread *first = deadlock->threads[0], *last = deadlock->threads[deadlock->count - 1];
    uint32_t lock = last->source->slot->wanted_lock;
    if (thread_holds(first, lock))
        return true;
    if (deadlock->count == DEADLOCK_MAX)
        return false;
    for (size_t i = (size_t)(first - process->threads) + 1; i < process->thread_count; i++) {
        const struct model_thread *thread = &process->threads[i];
        if (!thread_waits(thread) || deadlock_visits(deadlock, thread) || !thread_holds(thread, lock))
            continue;
        deadlock->threads[deadlock->count++] = thread;
        if (deadlock_follow(process, deadlock))
            return true;
        deadlock->count--;
    }
    return false;
}

bool deadlock_next(const struct model_process *process, size_t *position, struct deadlock *deadlock)
{
    while (*position < process->thread_count) {
        const struct model_thread *thread = &process->threads[(*position)++];
        *deadlock = (struct deadlock){{thread}, 1};
        if (thread_waits(thread) && deadlock_follow(process, deadlock))
            return true;
    }
    return false;
}
