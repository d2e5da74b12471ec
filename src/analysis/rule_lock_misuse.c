/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lock-misuse: what the recorder saw done to a lock that its rules forbid (misuse.def). One place is one finding.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/lock_name.h"
#include "analysis/lock_stacks.h"
#include "analysis/rule.h"
#include "base/compiler.h"

static const char rule_name[] = "lock-misuse";

static const struct misuse_row {
    const char *before, *after, *remedy;
} rows[] = {
#define MISUSE(kind, before, after, remedy) [MISUSE_##kind] = {before, after, remedy},
#include "analysis/misuse.def"
#undef MISUSE
};

struct misuse_list {
    struct misuse_seen {
        const struct model_process *process;
        struct event_misuse event;
    } * list;
    size_t count, capacity;
};

static void *rule_begin(struct model *model)
{
    (void)model;
    return memory_get(1, sizeof(struct misuse_list));
}

static void rule_event(void *state, struct model *model, struct source *source, const union trace_event *event)
{
    struct misuse_list *seen = state;
    if (event->header.type != EVENT_MISUSE || event->misuse.kind >= ARRAY_SIZE(rows) ||
        !rows[event->misuse.kind].remedy)
        return;
    seen->list = memory_grow(seen->list, seen->count, &seen->capacity, sizeof(*seen->list));
    seen->list[seen->count++] = (struct misuse_seen){model_process_of(model, source), event->misuse};
}

static const struct model_thread *thread_of(const struct model_process *process, uint32_t tid)
{
    for (size_t i = 0; i < process->thread_count; i++) {
        if (process->threads[i].tid == tid)
            return &process->threads[i];
    }
    return NULL;
}

static void misuse_find(struct model *model, const struct misuse_seen *seen, struct findings *findings)
{
    const struct model_process *process = seen->process;
    const struct event_misuse *event = &seen->event;
    const struct trace_endpoint *endpoint = trace_endpoint_find(process->trace, event->lock);
    const struct stack *stack = symbols_stack(model->symbols, process->trace, event->stack, 0);
    const struct misuse_row *row = &rows[event->kind];
    const char *name =
        endpoint && endpoint->kind == ENDPOINT_LOCK ? lock_name(model, process, endpoint, event->stack) : "a lock";
    uint64_t hash = place_of(stack, process->program).hash;
    uint64_t id = place_hash_text(place_hash_text(PLACE_HASH_START, rule_name), row->remedy);
    id ^= (hash ? hash : place_hash_text(PLACE_HASH_START, name)) * UINT64_C(0x9e3779b97f4a7c15);
    struct finding *finding = findings_find(findings, id);
    uint64_t real = source_real_ns(process->source, event->header.time_ns);
    if (finding) {
        finding->count++;
        finding->last_real_ns = real > finding->last_real_ns ? real : finding->last_real_ns;
        return;
    }
    const struct model_thread *thread = thread_of(process, event->tid);
    const struct model_thread *other = event->other ? thread_of(process, event->other) : NULL;
    finding = findings_add(findings, rule_name);
    finding->id = id;
    finding->count = 1;
    finding->process = process_info_of(process);
    finding->thread = thread ? thread_info_of(thread) : (struct thread_info){event->tid, "ended thread", false};
    finding->first_real_ns = finding->last_real_ns = real;
    finding->title = arena_format(findings->arena, "%s%s%s", row->before, name, row->after);
    finding->remedy = row->remedy;
    evidence_text(finding, "lock", name);
    if (event->error)
        evidence_text(finding, "error", strerrorname_np(event->error));
    if (event->other)
        evidence_text(finding, "holder",
                      arena_format(findings->arena, "%s (%u)", other ? other->name : "thread", event->other));
    finding_stack_add(finding, "misuse", stack, 1, 0, findings->arena);
}

static void rule_end(void *state, struct model *model, struct findings *findings)
{
    struct misuse_list *seen = state;
    for (size_t i = 0; i < seen->count; i++)
        misuse_find(model, &seen->list[i], findings);
    free(seen->list);
    free(seen);
}

const struct rule rule_lock_misuse = {.begin = rule_begin, .event = rule_event, .end = rule_end};
