/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/merge.h"

#include <stdlib.h>
#include <string.h>

/* The latest wait of a thread that the recorder saw. */
struct open_wait {
    const struct model_process *process;
    uint32_t tid;
    struct model_thread *thread;
    struct event_wait event;
    struct wait_context context;
};

struct merge {
    struct model *model;
    struct profile_index index;
    struct open_wait *open;
    size_t capacity;
    struct merged merged;
    struct event_wait synthesized;
};

struct merge *merge_new(struct model *model)
{
    struct merge *merge = memory_get(1, sizeof(*merge));
    merge->model = model;
    return merge;
}

void merge_free(struct merge *merge)
{
    if (!merge)
        return;
    profile_index_free(&merge->index);
    free(merge->open);
    free(merge);
}

struct open_search {
    const struct merge *merge;
    const struct model_process *process;
    uint32_t tid;
};

static bool open_equal(const void *context, uint32_t item)
{
    const struct open_search *search = context;
    const struct open_wait *open = &search->merge->open[item];
    return open->process == search->process && open->tid == search->tid;
}

static uint64_t open_hash(const struct model_process *process, uint32_t tid)
{
    return profile_hash(profile_hash(PROFILE_HASH_START, (uintptr_t)process), tid);
}

/* ---- the recorder's waits ---- */

/* Only waits of processes that were recorded by the kernel as well need to be remembered. */
static void open_remember(struct merge *merge, struct model_process *process, struct model_thread *thread,
                          const struct event_wait *event)
{
    struct open_search search = {merge, process, event->tid};
    bool added;
    uint32_t item = profile_index_put(&merge->index, open_hash(process, event->tid), open_equal, &search, &added);
    if (added)
        merge->open = memory_grow(merge->open, item, &merge->capacity, sizeof(*merge->open));
    merge->open[item] = (struct open_wait){process, event->tid, thread, *event, merge->model->context};
}

static bool wait_is_idle(const struct model_thread *thread, const struct event_wait *event)
{
    return (event->flags & WAIT_WAITSET) && thread_owns_site(thread, event->endpoint);
}

static void wait_take(struct merge *merge, struct model_process *process, const struct event_wait *event)
{
    struct merged *merged = &merge->merged;
    struct model_thread *thread = model_thread_find(process, event->slot, event->tid);
    if (!thread || (event->flags & WAIT_NESTED)) /* those are inside another recorded wait, and in no counter */
        return;
    if (process->beside)
        open_remember(merge, process, thread, event);
    merged->kind = MERGED_WAIT;
    merged->idle = wait_is_idle(thread, event);
    merged->wait = (struct wait_sample){
        thread, process, thread_phase(thread, event->header.time_ns), event, wait_weight(event), merge->model->context};
}

/* ---- the kernel's ---- */

struct model_thread *merge_thread(const struct model_thread *sleeper)
{
    return sleeper->inside ? sleeper->inside : (struct model_thread *)sleeper;
}

static const struct open_wait *open_find(const struct merge *merge, const struct model_process *inside,
                                         const struct event_offcpu *event)
{
    struct open_search search = {merge, inside, event->tid};
    uint32_t item = profile_index_find(&merge->index, open_hash(inside, event->tid), open_equal, &search);
    if (item == UINT32_MAX)
        return NULL;
    const struct event_wait *wait = &merge->open[item].event;
    uint64_t begin = event->header.time_ns;
    return begin >= wait->header.time_ns && begin - wait->header.time_ns < wait->duration_ns ? &merge->open[item]
                                                                                             : NULL;
}

/* The recorder was there when the wait began. */
static bool inside_was_on(const struct model_process *inside, uint64_t time_ns)
{
    const struct trace_info *info = inside->source->info;
    return time_ns >= info->start_mono_ns && (!info->ended || time_ns < info->end_mono_ns);
}

/* A call that the recorder timed, although no recorded wait says so: too short to be sampled, or overwritten since.
   What never came back to it, because the recording or the thread ended, it has not counted. */
static bool was_counted(const struct kernel_side *side, const struct kernel_stack *stack,
                        const struct event_offcpu *event)
{
    if (!side->inside || (event->flags & OFFCPU_FLAG_UNFINISHED) || !inside_was_on(side->inside, event->header.time_ns))
        return false;
    const struct trace_info *info = side->inside->source->info;
    bool chance = event->duration_ns + event->runqueue_ns < info->sample_mean_ns;
    bool lost = info->lost[TRACE_LOST_OVERWRITTEN] > 0 || info->lost[TRACE_LOST_RING_FULL] > 0;
    return stack->known ? stack->hooked && (chance || lost) : chance;
}

/* The stack comes from the place in which the thread's loop waits for events. */
static bool caller_is_loop(const struct model_thread *thread, const struct kernel_stack *stack,
                           const struct event_offcpu *event)
{
    if (!thread->loop_kind || !kernel_call_is_waitset(event->syscall))
        return false;
    if (stack->caller == 0) /* its stack was lost: a loop's thread rarely waits in other sets */
        return kernel_call_is_epoll(event->syscall);
    for (size_t i = 0; i < TRACE_SITES; i++) {
        const struct trace_endpoint *place =
            thread->own_sites >> i & 1 ? model_endpoint(thread->process, thread->source->slot->sites[i].endpoint)
                                       : NULL;
        if (place && place->pc == stack->caller)
            return true;
    }
    return false;
}

/* The same length for the kernel's wait as the recorder would have measured: until the thread ran again. */
static void wait_synthesize(struct merge *merge, struct kernel_side *side, const struct event_offcpu *event)
{
    merge->synthesized =
        (struct event_wait){.header = {EVENT_MAGIC, EVENT_WAIT, sizeof(struct event_wait), event->header.time_ns},
                            .duration_ns = event->duration_ns + event->runqueue_ns,
                            .weight = event->weight,
                            .tid = event->tid,
                            .stack = event->stack,
                            .endpoint = kernel_side_endpoint(side, event),
                            .fd = event->fd,
                            .call = trace_call_of_syscall(event->syscall),
                            .flags = kernel_call_is_waitset(event->syscall) ? WAIT_WAITSET : 0,
                            .slot = event->slot};
}

static void offcpu_take(struct merge *merge, struct model_process *process, const struct event_offcpu *event)
{
    struct merged *merged = &merge->merged;
    struct kernel_side *side = process->kernel;
    struct model_thread *sleeper = side ? model_thread_find(process, event->slot, event->tid) : NULL;
    if (!sleeper)
        return;
    const struct open_wait *outer = side->inside ? open_find(merge, side->inside, event) : NULL;
    const struct kernel_stack *stack = kernel_side_stack(side, event->stack);
    struct model_thread *thread = outer ? outer->thread : merge_thread(sleeper);
    merged->offcpu = event;
    merged->kernel = process;
    merged->sleeper = sleeper;
    merged->weight = kernel_side_weight(side, sleeper, event);
    merged->wait.thread = thread;
    merged->wait.phase = thread_phase(thread, event->header.time_ns);
    merged->idle = outer ? wait_is_idle(thread, &outer->event) : caller_is_loop(thread, stack, event);
    if (outer) {
        merged->kind = MERGED_DETAIL;
        merged->wait.process = side->inside;
        merged->wait.event = &outer->event;
        merged->wait.context = outer->context;
        merged->wait.weight = wait_weight(&outer->event);
        merged->wait.phase = thread_phase(thread, outer->event.header.time_ns);
    } else if (was_counted(side, stack, event)) {
        merged->kind = MERGED_DETAIL;
        merged->wait.process = side->inside;
    } else {
        merged->kind = MERGED_KERNEL;
        wait_synthesize(merge, side, event);
        merged->idle |= wait_is_idle(thread, &merge->synthesized);
        merged->wait.process = process;
        merged->wait.event = &merge->synthesized;
        merged->wait.weight = merged->weight;
    }
}

const struct merged *merge_event(struct merge *merge, struct source *source, const union trace_event *event)
{
    struct model_process *process = model_process_of(merge->model, source);
    merge->merged = (struct merged){.kind = MERGED_NONE};
    if (event->header.type == EVENT_WAIT)
        wait_take(merge, process, &event->wait);
    else if (event->header.type == EVENT_OFFCPU)
        offcpu_take(merge, process, &event->offcpu);
    return &merge->merged;
}
