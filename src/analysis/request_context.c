/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "analysis/request_context.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/conversation.h"
#include "base/compiler.h"

/* A task queue, by the Python module whose function calls the task's. */
struct queue_row {
    const char *kind;
    const char *caller;  /* module that calls the task's function */
    const char *wrapper; /* modules that may stand between the two, a pattern */
    const char *own;     /* what else the caller calls: its own package, a pattern */
    const char *tasks;   /* module of that package with tasks after all */
};

static const struct queue_row queues[] = {
#define TASK_QUEUE(kind, caller, wrapper, own, tasks) {kind, caller, wrapper, own, tasks},
#include "analysis/task_queues.def"
#undef TASK_QUEUE
};

static bool frame_is_in(const struct frame *frame, const char *pattern)
{
    return frame->kind == FRAME_PYTHON && fnmatch(pattern, frame->module, FNM_EXTMATCH) == 0;
}

/* The function that the innermost call of the caller's runs: the next Python frame inwards that is no wrapper's. */
static const struct frame *task_frame(const struct queue_row *queue, const struct stack *stack)
{
    size_t caller = 0;
    while (caller < stack->count && !frame_is_in(&stack->frames[caller], queue->caller))
        caller++;
    if (caller == stack->count)
        return NULL;
    for (size_t i = caller; i-- > 0;) {
        const struct frame *frame = &stack->frames[i];
        if (frame->kind != FRAME_PYTHON || frame_is_in(frame, queue->wrapper))
            continue;
        return !frame_is_in(frame, queue->own) || frame_is_in(frame, queue->tasks) ? frame : NULL;
    }
    return NULL;
}

struct request_context context_of(const struct trace *trace, uint32_t serving, const struct stack *stack,
                                  struct arena *arena)
{
    for (size_t i = 0; stack && i < ARRAY_SIZE(queues); i++) {
        const struct frame *frame = task_frame(&queues[i], stack);
        if (frame)
            return (struct request_context){queues[i].kind,
                                            arena_format(arena, "%s.%s", frame->module, frame->function), true, 0};
    }
    const struct trace_operation *operation = operation_find(trace, serving);
    if (!operation)
        return (struct request_context){.name = NULL};
    bool http = operation->protocol == WIRE_HTTP || operation->protocol == WIRE_HTTP2;
    return (struct request_context){http ? "http" : wire_protocol_name((enum wire_protocol)operation->protocol),
                                    operation_words(operation, arena), false, 0};
}

struct context_weight {
    struct request_context context;
    double weight;
};

void context_tally_add(struct context_tally *tally, const struct request_context *context, double weight)
{
    if (!context->name)
        return;
    for (size_t i = 0; i < tally->count; i++) {
        struct context_weight *known = &tally->list[i];
        if (strcmp(known->context.name, context->name) == 0 && strcmp(known->context.kind, context->kind) == 0) {
            known->weight += weight;
            return;
        }
    }
    tally->list = memory_grow(tally->list, tally->count, &tally->capacity, sizeof(*tally->list));
    tally->list[tally->count++] = (struct context_weight){*context, weight};
}

void context_tally_join(struct context_tally *tally, const struct context_tally *other)
{
    for (size_t i = 0; i < other->count; i++)
        context_tally_add(tally, &other->list[i].context, other->list[i].weight);
}

struct request_context context_tally_heaviest(const struct context_tally *tally)
{
    const struct context_weight *best = NULL;
    for (size_t i = 0; i < tally->count; i++) {
        if (!best || tally->list[i].weight > best->weight)
            best = &tally->list[i];
    }
    if (!best)
        return (struct request_context){.name = NULL};
    struct request_context context = best->context;
    context.others = tally->count - 1;
    return context;
}

void context_tally_free(struct context_tally *tally)
{
    free(tally->list);
    *tally = (struct context_tally){.count = 0};
}
