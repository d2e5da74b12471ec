/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/lock_deadlock.h"

#include "analysis/lock_identity.h"

static bool thread_waits(const struct model_thread *thread)
{
    const struct trace_thread_slot *slot = thread->source->slot;
    return slot->tid != 0 && slot->end_ns == 0 && slot->wanted_since_ns != 0 && slot->wanted_locks != 0;
}

/* Of several processes one may be long gone before the other began to wait. */
static bool threads_meet(const struct model_thread *a, const struct model_thread *b)
{
    const struct trace_info *a_info = a->process->source->info, *b_info = b->process->source->info;
    return a->process == b->process || ((!a_info->ended || a_info->end_mono_ns >= b->source->slot->wanted_since_ns) &&
                                        (!b_info->ended || b_info->end_mono_ns >= a->source->slot->wanted_since_ns));
}

/* Whether the thread holds the lock that `waiter` waits for. */
static bool thread_holds(const struct model_thread *thread, const struct model_thread *waiter)
{
    if (!threads_meet(thread, waiter))
        return false;
    const struct trace_lockset *set = trace_lockset_find(thread->process->trace, thread->source->slot->wanted_locks);
    for (size_t i = 0; set && i < set->count; i++) {
        if (lock_is_same(thread->process, set->locks[i], waiter->process, waiter->source->slot->wanted_lock))
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
static bool deadlock_follow(const struct model *model, struct deadlock *deadlock)
{
    const struct model_thread *first = deadlock->threads[0], *last = deadlock->threads[deadlock->count - 1];
    if (thread_holds(first, last))
        return true;
    if (deadlock->count == DEADLOCK_MAX)
        return false;
    for (size_t i = 0; i < model->process_count; i++) {
        const struct model_process *process = &model->processes[i];
        for (size_t j = 0; j < process->thread_count; j++) {
            const struct model_thread *thread = &process->threads[j];
            if (thread->ordinal <= first->ordinal || !thread_waits(thread) || deadlock_visits(deadlock, thread) ||
                !thread_holds(thread, last))
                continue;
            deadlock->threads[deadlock->count++] = thread;
            if (deadlock_follow(model, deadlock))
                return true;
            deadlock->count--;
        }
    }
    return false;
}

bool deadlock_next(const struct model *model, size_t *position, struct deadlock *deadlock)
{
    size_t ordinal = 0;
    for (size_t i = 0; i < model->process_count; i++) {
        const struct model_process *process = &model->processes[i];
        for (size_t j = 0; j < process->thread_count; j++, ordinal++) {
            if (ordinal < *position)
                continue;
            *position = ordinal + 1;
            *deadlock = (struct deadlock){{&process->threads[j]}, 1};
            if (thread_waits(&process->threads[j]) && deadlock_follow(model, deadlock))
                return true;
        }
    }
    return false;
}
