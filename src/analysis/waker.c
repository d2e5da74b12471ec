/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/waker.h"

#include <string.h>

static const struct model_thread *thread_of(const struct model_process *process, uint32_t tid)
{
    for (size_t i = 0; i < process->thread_count; i++) {
        if (process->threads[i].tid == tid)
            return &process->threads[i];
    }
    return NULL;
}

/* The waker among all threads that were recorded, those of the sleeper's own process first. NULL: not recorded. */
static const struct model_thread *waker_find(const struct model *model, const struct model_process *sleeper,
                                             uint32_t tid)
{
    const struct model_thread *thread = thread_of(sleeper, tid);
    for (size_t i = 0; i < model->process_count && !thread; i++) {
        const struct model_process *process = &model->processes[i];
        if (strcmp(process->source->info->boot_id, sleeper->source->info->boot_id) == 0)
            thread = thread_of(process, tid);
    }
    return thread;
}

const char *waker_name(const struct model *model, const struct model_process *sleeper, uint32_t tid,
                       struct arena *arena)
{
    const struct model_thread *waker = waker_find(model, sleeper, tid);
    if (!waker)
        return arena_format(arena, "thread %u", tid);
    if (waker->process->source->info->pid == sleeper->source->info->pid)
        return arena_format(arena, "%s (%u)", waker->name, tid);
    return arena_format(arena, "%s %s (%u)", waker->process->name, waker->name, tid);
}

/* Deferred work after a disk's interrupt runs in whatever thread it meets; that of a network's is often done by the
   very sender. */
bool waker_is_hardware(uint32_t tid, uint16_t flags, uint16_t cause)
{
    bool disk = cause == OFFCPU_CAUSE_DISK || cause == OFFCPU_CAUSE_FAULT;
    return (flags & OFFCPU_FLAG_WAKER_IRQ) || ((flags & OFFCPU_FLAG_WAKER_SOFTIRQ) && (disk || tid == 0));
}
