/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/lost_wakeup.h"

#include <stdlib.h>

#define COARSE_NS 10000000 /* how much earlier a signal may seem than it was: a tick of the coarse clock */
#define LOOKS 1            /* how often it has had the mutex since the signal, at most: to begin to wait */

/* The end of the last wait for a condition that ended. */
struct wait_end {
    const struct model_process *process;
    uint32_t condition;
    uint64_t end_ns;
};

struct lost_wakeups {
    uint64_t limit_ns; /* a thread that waits for less may yet be woken */
    struct wait_end *ends;
    size_t count, capacity;
};

struct lost_wakeups *lost_wakeups_new(const struct analysis_options *options)
{
    struct lost_wakeups *lost = memory_get(1, sizeof(*lost));
    lost->limit_ns = options->lock_wakeup;
    return lost;
}

void lost_wakeups_free(struct lost_wakeups *lost)
{
    free(lost->ends);
    free(lost);
}

static bool slot_suspects(const struct trace_thread_slot *slot)
{
    return slot->tid != 0 && slot->end_ns == 0 && slot->wanted_since_ns != 0 && slot->wanted_signal_ns != 0;
}

/* Only conditions for which threads wait to the end matter: few. */
static bool condition_matters(const struct model_process *process, uint32_t condition)
{
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct trace_thread_slot *slot = process->threads[i].source->slot;
        if (slot_suspects(slot) && slot->wanted_lock == condition)
            return true;
    }
    return false;
}

void lost_wakeups_event(struct lost_wakeups *lost, const struct model_process *process, const union trace_event *event)
{
    if (event->header.type != EVENT_WAIT || trace_call_category(event->wait.call) != CALL_LOCK ||
        !condition_matters(process, event->wait.endpoint))
        return;
    uint64_t end = event->header.time_ns + event->wait.duration_ns;
    for (size_t i = 0; i < lost->count; i++) {
        struct wait_end *known = &lost->ends[i];
        if (known->process == process && known->condition == event->wait.endpoint) {
            known->end_ns = end > known->end_ns ? end : known->end_ns;
            return;
        }
    }
    lost->ends = memory_grow(lost->ends, lost->count, &lost->capacity, sizeof(*lost->ends));
    lost->ends[lost->count++] = (struct wait_end){process, event->wait.endpoint, end};
}

/* Somebody was woken since the signal: what it told was not lost. */
static bool woken_since(const struct lost_wakeups *lost, const struct model_process *process,
                        const struct trace_thread_slot *slot)
{
    for (size_t i = 0; i < lost->count; i++) {
        if (lost->ends[i].process == process && lost->ends[i].condition == slot->wanted_lock)
            return lost->ends[i].end_ns > slot->wanted_signal_ns + COARSE_NS;
    }
    return false;
}

/* All who wait for the condition have come too late, and long ago; `first`: the first of them. */
static bool all_came_late(const struct lost_wakeups *lost, const struct model_process *process,
                          const struct model_thread *first)
{
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct trace_thread_slot *slot = process->threads[i].source->slot;
        if (slot->wanted_since_ns == 0 || slot->wanted_lock != first->source->slot->wanted_lock || slot->end_ns != 0)
            continue;
        if (&process->threads[i] < first || !slot_suspects(slot) || slot->wanted_looks > LOOKS ||
            slot->wanted_since_ns + lost->limit_ns > process->end_ns)
            return false;
    }
    return true;
}

const struct model_thread *lost_wakeups_next(const struct lost_wakeups *lost, const struct model_process *process,
                                             size_t *position)
{
    while (*position < process->thread_count) {
        const struct model_thread *thread = &process->threads[(*position)++];
        if (slot_suspects(thread->source->slot) && all_came_late(lost, process, thread) &&
            !woken_since(lost, process, thread->source->slot))
            return thread;
    }
    return NULL;
}
