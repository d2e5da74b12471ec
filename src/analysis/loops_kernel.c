/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/loops_kernel.h"

#include <string.h>

#include "analysis/round.h"

#define EPOLL_DESCRIPTORS \
    2 /* how many there are in a set is not recorded; one that is waited on again and again has several */

/* A thread's source that may be changed. */
struct site_source {
    struct trace_thread thread;
    struct trace_thread_slot slot;
    double waits[TRACE_SITES], idle_ns[TRACE_SITES];
};

static struct site_source *source_copy(struct model_thread *thread, struct arena *arena)
{
    struct site_source *copy = arena_get(arena, sizeof(*copy));
    copy->thread = *thread->source;
    memcpy(&copy->slot, thread->source->slot, sizeof(copy->slot));
    copy->thread.slot = &copy->slot;
    thread->source = &copy->thread;
    return copy;
}

/* The site of the endpoint; as in the recorder, later ones share the last. */
static size_t site_of(struct trace_thread_slot *slot, uint32_t endpoint)
{
    size_t i = 0;
    while (i + 1 < TRACE_SITES && slot->sites[i].endpoint != 0 && slot->sites[i].endpoint != endpoint)
        i++;
    if (slot->sites[i].endpoint == 0)
        slot->sites[i].endpoint = endpoint;
    return i;
}

static void wait_add(struct site_source *source, uint32_t endpoint, const struct event_offcpu *event, double weight)
{
    size_t number = site_of(&source->slot, endpoint);
    struct trace_site *site = &source->slot.sites[number];
    uint64_t begin = event->header.time_ns, end = begin + event->duration_ns + event->runqueue_ns;
    if (site->first_ns == 0 || begin < site->first_ns)
        site->first_ns = begin;
    if (end > site->last_ns)
        site->last_ns = end;
    if (kernel_call_is_epoll(event->syscall))
        site->max_fds = EPOLL_DESCRIPTORS;
    source->waits[number] += weight;
    source->idle_ns[number] += weight * (double)(event->duration_ns + event->runqueue_ns);
}

static void site_finish(struct site_source *source, size_t i, const struct model_process *process)
{
    struct trace_site *site = &source->slot.sites[i];
    site->waits = round_whole(source->waits[i]);
    site->idle_ns = round_whole(source->idle_ns[i]);
    site->turns = site->waits > 0 ? site->waits - 1 : 0;
    if (process->kernel->attached)
        site->first_ns = process->source->info->start_mono_ns;
    if (source->slot.end_ns == 0 && site->last_ns < process->end_ns)
        site->last_ns = process->end_ns;
}

static void waits_read(struct model_process *process, struct site_source **sources)
{
    const union trace_event *event;
    trace_rewind(process->trace);
    while (trace_next(process->trace, &event) == 1) {
        const struct event_offcpu *wait = &event->offcpu;
        if (event->header.type != EVENT_OFFCPU || !kernel_call_is_waitset(wait->syscall))
            continue;
        struct model_thread *thread = model_thread_find(process, wait->slot, wait->tid);
        if (thread)
            wait_add(sources[thread - process->threads], kernel_side_endpoint(process->kernel, wait), wait,
                     kernel_side_weight(process->kernel, thread, wait));
    }
    trace_rewind(process->trace);
}

void loops_kernel_prepare(struct model *model, struct model_process *process)
{
    struct site_source **sources = arena_get(model->arena, (process->thread_count + 1) * sizeof(struct site_source *));
    for (size_t i = 0; i < process->thread_count; i++)
        sources[i] = source_copy(&process->threads[i], model->arena);
    waits_read(process, sources);
    for (size_t i = 0; i < process->thread_count; i++) {
        for (size_t j = 0; j < TRACE_SITES && sources[i]->slot.sites[j].endpoint != 0; j++)
            site_finish(sources[i], j, process);
        if (process->kernel->attached)
            process->threads[i].first_ns = process->source->info->start_mono_ns;
        if (sources[i]->slot.end_ns == 0 && process->end_ns > process->threads[i].last_ns)
            process->threads[i].last_ns = process->end_ns;
    }
}
