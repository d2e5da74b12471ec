/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lock-misuse: what the recorder saw done to a lock that its rules forbid (misuse.def), and wake-ups that seem lost
 * (lost_wakeup.h). One place is one finding.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/lock_name.h"
#include "analysis/lock_stacks.h"
#include "analysis/lost_wakeup.h"
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
    struct lost_wakeups *wakeups;
};

static void *rule_begin(struct model *model)
{
    struct misuse_list *seen = memory_get(1, sizeof(*seen));
    seen->wakeups = lost_wakeups_new(model->options);
    return seen;
}

static void rule_event(void *state, struct model *model, struct source *source, const union trace_event *event)
{
    struct misuse_list *seen = state;
    lost_wakeups_event(seen->wakeups, model_process_of(model, source), event);
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

/* ---- wake-ups ---- */

static const char *condition_name(struct model *model, const struct model_process *process, uint32_t condition)
{
    const struct trace_endpoint *endpoint = trace_endpoint_find(process->trace, condition);
    return endpoint && endpoint->kind == ENDPOINT_LOCK ? lock_name(model, process, endpoint, 0) : "a condition";
}

static void wakeup_find(struct model *model, const struct model_thread *thread, struct findings *findings)
{
    const struct model_process *process = thread->process;
    const struct trace_thread_slot *slot = thread->source->slot;
    struct arena *arena = findings->arena;
    const struct stack *waiting = symbols_stack(model->symbols, process->trace, slot->wanted_stack, 0);
    const struct stack *signal = symbols_stack(model->symbols, process->trace, slot->wanted_signal_stack, 0);
    const char *name = condition_name(model, process, slot->wanted_lock);
    const struct model_thread *signaller = model_thread_at(process, slot->wanted_signal_tid, slot->wanted_signal_ns);
    uint64_t waited = process->end_ns - slot->wanted_since_ns;
    uint64_t hash = place_of(waiting, process->program).hash;
    struct finding *finding = findings_add(findings, rule_name);
    finding->id = place_hash_text(place_hash_text(PLACE_HASH_START, rule_name), "lost wake-up") ^
                  (hash ? hash : place_hash_text(PLACE_HASH_START, name)) * UINT64_C(0x9e3779b97f4a7c15);
    finding->count = 1;
    finding->total_ns = finding->max_ns = waited;
    finding->process = process_info_of(process);
    finding->thread = thread_info_of(thread);
    finding->first_real_ns = finding->last_real_ns = source_real_ns(process->source, slot->wanted_since_ns);
    finding->title =
        arena_format(arena, "A wake-up seems lost: %s waits for %s, which was signalled %s before and never since",
                     thread->name, name, words_duration(slot->wanted_since_ns - slot->wanted_signal_ns, arena));
    finding->remedy =
        "Set a variable under the mutex before the signal, and wait in a loop only while it is not set: who comes late "
        "then does not wait.";
    evidence_text(finding, "lock", name);
    evidence_text(finding, "signalled_by",
                  arena_format(arena, "%s (%u)", signaller ? signaller->name : "thread", slot->wanted_signal_tid));
    evidence_count(finding, "signals_without_waiter", slot->wanted_signals);
    finding_stack_add(finding, "waits for ever, it seems", waiting, 1, (double)waited, arena);
    finding_stack_add(finding, "signalled when nobody waited", signal, slot->wanted_signals, 0, arena);
}

static void wakeups_find(struct model *model, const struct lost_wakeups *wakeups, struct findings *findings)
{
    const struct model_thread *thread;
    for (size_t i = 0; i < model->process_count; i++) {
        for (size_t position = 0; (thread = lost_wakeups_next(wakeups, &model->processes[i], &position));)
            wakeup_find(model, thread, findings);
    }
}

static void rule_end(void *state, struct model *model, struct findings *findings)
{
    struct misuse_list *seen = state;
    for (size_t i = 0; i < seen->count; i++)
        misuse_find(model, &seen->list[i], findings);
    wakeups_find(model, seen->wakeups, findings);
    lost_wakeups_free(seen->wakeups);
    free(seen->list);
    free(seen);
}

const struct rule rule_lock_misuse = {.begin = rule_begin, .event = rule_event, .end = rule_end};
