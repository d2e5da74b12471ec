/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/wait_context.h"

#include "analysis/model.h"

static const struct wait_context nothing;

static void context_keep(struct model_process *process, const struct event_context *context)
{
    struct model_thread *thread = model_thread_find(process, context->slot, context->tid);
    if (thread)
        thread->context = *context;
}

/* It belongs to the next record of its thread if that has the same time. */
static struct wait_context context_take(struct model_process *process, uint32_t slot, uint32_t tid, uint64_t time_ns)
{
    struct model_thread *thread = model_thread_find(process, slot, tid);
    if (!thread || thread->context.header.type == 0)
        return nothing;
    struct event_context *context = &thread->context;
    bool same = context->header.time_ns == time_ns && context->tid == tid;
    context->header.type = 0;
    return same ? (struct wait_context){context->operation, context->serving, context->locks, context->owner,
                                        context->owner_stack}
                : nothing;
}

struct wait_context wait_context_next(struct model_process *process, const union trace_event *event)
{
    uint64_t time_ns = event->header.time_ns;
    switch (event->header.type) {
    case EVENT_WAIT:
        return context_take(process, event->wait.slot, event->wait.tid, time_ns);
    case EVENT_TURN:
        return context_take(process, event->turn.slot, event->turn.tid, time_ns);
    case EVENT_CPU:
        return context_take(process, event->cpu.slot, event->cpu.tid, time_ns);
    case EVENT_REQUEST:
        return context_take(process, event->request.slot, event->request.tid, time_ns);
    case EVENT_CONTEXT:
        context_keep(process, &event->context);
        return nothing;
    default:
        return nothing;
    }
}
