/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lock-order-inversion: locks that threads take in conflicting order (lock_order.h), whether or not it has come to the
 * worst; and threads that stand in a deadlock now (lock_deadlock.h), while the process hangs or after it was killed.
 * The order that a deadlock is due to is not reported once more.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/lock_deadlock.h"
#include "analysis/lock_identity.h"
#include "analysis/lock_name.h"
#include "analysis/lock_order.h"
#include "analysis/lock_stacks.h"
#include "analysis/rule.h"

static const char rule_name[] = "lock-order-inversion";
static const char remedy[] =
    "Take these locks in one order everywhere, or hold only one of them at a time; where the order "
    "cannot be known, take the second with a try function and leave the first if that fails.";

struct order_state {
    struct order_graph graph;
    /* While findings are made: */
    struct model *model;
    struct findings *findings;
};

static const char *name_of(struct model *model, const struct model_process *process, uint32_t lock)
{
    const struct lock_row *row = locks_find(&model->locks, process, lock);
    const struct trace_endpoint *endpoint = trace_endpoint_find(process->trace, lock);
    if (row)
        return locks_class(&model->locks, row)->name;
    if (endpoint && endpoint->kind == ENDPOINT_LOCK)
        return lock_name(model, process, endpoint, 0);
    return endpoint && endpoint->text[0] ? endpoint->text : "a file's lock";
}

static void *rule_begin(struct model *model)
{
    (void)model;
    return memory_get(1, sizeof(struct order_state));
}

static void rule_event(void *state, struct model *model, struct source *source, const union trace_event *event)
{
    struct order_state *order = state;
    if (event->header.type == EVENT_ORDER)
        order_graph_add(&order->graph, model_process_of(model, source), &event->order);
}

/* "a, b and c"; locks of one name once, with their number. */
static const char *names_join(const char *const *names, size_t count, struct arena *arena)
{
    const char *text = "";
    bool same = true;
    for (size_t i = 1; i < count; i++)
        same &= strcmp(names[i], names[0]) == 0;
    if (same && count > 1)
        return arena_format(arena, "%zu locks (%s)", count, names[0]);
    for (size_t i = 0; i < count; i++)
        text = arena_format(arena, "%s%s%s", text, i == 0 ? "" : i + 1 == count ? " and " : ", ", names[i]);
    return text;
}

/* " since transfer (bank.c:40)": where a lock of the set was taken; "" where only the runtime knows. */
static const char *since_words(struct model *model, const struct model_process *process, uint32_t set, uint32_t lock)
{
    const struct trace_lockset *locks = trace_lockset_find(process->trace, set);
    for (size_t i = 0; locks && i < locks->count; i++) {
        if (locks->locks[i] != lock || locks->places[i] == 0)
            continue;
        const struct frame *frame = symbols_address(model->symbols, process->trace, locks->places[i], locks->modules);
        return frame->system ? "" : arena_format(model->arena, " since %s", words_frame(frame, model->arena));
    }
    return "";
}

/* ---- potential deadlocks ---- */

static const struct stack *edge_stack(struct model *model, const struct order_edge *edge)
{
    return symbols_stack(model->symbols, edge->process->trace, edge->event.stack, 0);
}

/* The same from whichever edge the circle is read. */
static uint64_t circle_id(struct model *model, const struct order_circle *circle)
{
    uint64_t id = place_hash_text(PLACE_HASH_START, rule_name);
    for (size_t i = 0; i < circle->count; i++) {
        const struct order_edge *edge = circle->edges[i];
        struct place place = place_of(edge_stack(model, edge), edge->process->program);
        uint64_t hash = place.hash;
        if (!hash)
            hash = place_hash_text(place_hash_text(PLACE_HASH_START, name_of(model, edge->process, edge->event.from)),
                                   name_of(model, edge->process, edge->event.to));
        id += hash * UINT64_C(0x9e3779b97f4a7c15);
    }
    return id;
}

static bool deadlock_has(const struct deadlock *deadlock, const struct order_edge *edge)
{
    for (size_t i = 0; i < deadlock->count; i++) {
        const struct model_thread *thread = deadlock->threads[i];
        if (lock_is_same(thread->process, thread->source->slot->wanted_lock, edge->process, edge->event.to))
            return true;
    }
    return false;
}

/* It has come to the worst: the finding about that says it. */
static bool circle_is_deadlock(const struct model *model, const struct order_circle *circle)
{
    struct deadlock deadlock;
    for (size_t position = 0; deadlock_next(model, &position, &deadlock);) {
        bool all = true;
        for (size_t i = 0; i < circle->count; i++)
            all &= deadlock_has(&deadlock, circle->edges[i]);
        if (all)
            return true;
    }
    return false;
}

static bool circle_is_timed(const struct order_circle *circle)
{
    for (size_t i = 0; i < circle->count; i++) {
        if (circle->edges[i]->event.flags & ORDER_TIMED)
            return true;
    }
    return false;
}

static void circle_times(const struct order_circle *circle, struct finding *finding)
{
    finding->first_real_ns = UINT64_MAX;
    for (size_t i = 0; i < circle->count; i++) {
        uint64_t real = source_real_ns(circle->edges[i]->process->source, circle->edges[i]->event.header.time_ns);
        finding->first_real_ns = real < finding->first_real_ns ? real : finding->first_real_ns;
        finding->last_real_ns = real > finding->last_real_ns ? real : finding->last_real_ns;
    }
}

static void circle_stacks(struct model *model, const struct order_circle *circle, struct finding *finding)
{
    struct arena *arena = model->arena;
    bool several = circle->edges[circle->count - 1]->process != circle->edges[0]->process;
    for (size_t i = 0; i < circle->count; i++) {
        const struct order_edge *edge = circle->edges[i];
        const char *from = name_of(model, edge->process, edge->event.from);
        const char *role =
            arena_format(arena, "takes %s while holding %s%s", name_of(model, edge->process, edge->event.to), from,
                         since_words(model, edge->process, edge->event.locks, edge->event.from));
        finding_stack_add(finding, role, edge_stack(model, edge), 1, 0, arena);
        evidence_text(finding, arena_format(arena, "order_%zu", i + 1),
                      arena_format(arena, "%s%sthread %u %s", several ? edge->process->name : "", several ? ", " : "",
                                   edge->event.tid, role));
    }
}

static const struct model_thread *edge_thread(const struct order_edge *edge)
{
    for (size_t i = 0; i < edge->process->thread_count; i++) {
        if (edge->process->threads[i].tid == edge->event.tid)
            return &edge->process->threads[i];
    }
    return NULL;
}

static void circle_found(void *context, const struct order_circle *circle)
{
    struct order_state *state = context;
    struct model *model = state->model;
    const char *names[CIRCLE_MAX];
    uint64_t id = circle_id(model, circle);
    if (circle_is_deadlock(model, circle))
        return;
    struct finding *known = findings_find(state->findings, id);
    if (known) {
        known->count++;
        return;
    }
    for (size_t i = 0; i < circle->count; i++)
        names[i] = name_of(model, circle->edges[i]->process, circle->edges[i]->event.from);
    struct finding *finding = findings_add(state->findings, rule_name);
    const struct model_thread *thread = edge_thread(circle->edges[0]);
    bool timed = circle_is_timed(circle);
    finding->id = id;
    finding->count = 1;
    finding->severity = timed || order_circle_is_alone(circle) ? SEVERITY_WARNING : rule_severity(rule_name);
    finding->process = process_info_of(circle->edges[0]->process);
    finding->thread =
        thread ? thread_info_of(thread) : (struct thread_info){circle->edges[0]->event.tid, "ended thread", false};
    finding->title = arena_format(
        model->arena, "%s are taken in conflicting order: %s", names_join(names, circle->count, model->arena),
        order_circle_is_alone(circle) ? "two threads that do what this one does may wait for each other for ever"
        : timed                       ? "threads may wait for each other until a time limit ends it"
                                      : "threads may wait for each other for ever");
    finding->remedy = remedy;
    circle_times(circle, finding);
    evidence_count(finding, "locks", circle->count);
    circle_stacks(model, circle, finding);
}

/* ---- real ones ---- */

/* How the thread came to ask for what it wants, where no stack was taken when it began to wait. */
static const struct order_edge *wanted_edge(const struct order_graph *graph, const struct model_thread *thread)
{
    const struct trace_thread_slot *slot = thread->source->slot;
    for (size_t i = 0; i < graph->count; i++) {
        const struct event_order *event = &graph->edges[i].event;
        if (graph->edges[i].process == thread->process && event->to == slot->wanted_lock &&
            event->locks == slot->wanted_locks)
            return &graph->edges[i];
    }
    return NULL;
}

/* A request that a time limit ends is no deadlock. */
static bool deadlock_is_timed(const struct order_graph *graph, const struct deadlock *deadlock)
{
    for (size_t i = 0; i < deadlock->count; i++) {
        const struct order_edge *edge = wanted_edge(graph, deadlock->threads[i]);
        if (edge && (edge->event.flags & ORDER_TIMED))
            return true;
    }
    return false;
}

static const struct stack *wanted_stack(const struct order_state *state, const struct model_thread *thread)
{
    uint32_t stack = thread->source->slot->wanted_stack;
    const struct order_edge *edge = stack ? NULL : wanted_edge(&state->graph, thread);
    return symbols_stack(state->model->symbols, thread->process->trace, edge ? edge->event.stack : stack, 0);
}

/* The lock that `waiter` waits for, as the process of `thread`, which holds it, numbers it. */
static uint32_t held_number(const struct model_thread *thread, const struct model_thread *waiter)
{
    const struct trace_lockset *set = trace_lockset_find(thread->process->trace, thread->source->slot->wanted_locks);
    uint32_t wanted = waiter->source->slot->wanted_lock;
    for (size_t i = 0; set && i < set->count; i++) {
        if (lock_is_same(thread->process, set->locks[i], waiter->process, wanted))
            return set->locks[i];
    }
    return wanted;
}

static bool deadlock_has_several(const struct deadlock *deadlock)
{
    for (size_t i = 1; i < deadlock->count; i++) {
        if (deadlock->threads[i]->process != deadlock->threads[0]->process)
            return true;
    }
    return false;
}

static void deadlock_thread(const struct order_state *state, const struct deadlock *deadlock, size_t i,
                            struct finding *finding)
{
    struct model *model = state->model;
    const struct model_thread *thread = deadlock->threads[i];
    const struct trace_thread_slot *slot = thread->source->slot;
    bool several = deadlock_has_several(deadlock);
    const struct model_thread *before = deadlock->threads[(i + deadlock->count - 1) % deadlock->count];
    uint32_t held = held_number(thread, before);
    const char *role = arena_format(
        model->arena, "waits for %s while holding %s%s", name_of(model, thread->process, slot->wanted_lock),
        name_of(model, thread->process, held), since_words(model, thread->process, slot->wanted_locks, held));
    finding_stack_add(finding, role, wanted_stack(state, thread), 1, 0, model->arena);
    evidence_text(finding, arena_format(model->arena, "thread_%zu", i + 1),
                  arena_format(model->arena, "%s%s%s (%u) %s", several ? thread->process->name : "", several ? " " : "",
                               thread->name, thread->tid, role));
}

static uint64_t deadlock_id(const struct order_state *state, const struct deadlock *deadlock)
{
    uint64_t id = place_hash_text(place_hash_text(PLACE_HASH_START, rule_name), "deadlock");
    for (size_t i = 0; i < deadlock->count; i++) {
        const struct model_thread *thread = deadlock->threads[i];
        id += place_of(wanted_stack(state, thread), thread->process->program).hash * UINT64_C(0x9e3779b97f4a7c15);
    }
    return id;
}

static void deadlock_found(struct order_state *state, const struct deadlock *deadlock)
{
    struct model *model = state->model;
    const struct model_thread *first = deadlock->threads[0];
    const struct model_process *process = first->process;
    const char *names[DEADLOCK_MAX];
    uint64_t since = 0;
    for (size_t i = 0; i < deadlock->count; i++) {
        const struct trace_thread_slot *slot = deadlock->threads[i]->source->slot;
        names[i] = name_of(model, deadlock->threads[i]->process, slot->wanted_lock);
        since = slot->wanted_since_ns > since ? slot->wanted_since_ns : since;
    }
    struct finding *finding = findings_add(state->findings, rule_name);
    finding->id = deadlock_id(state, deadlock);
    finding->severity = SEVERITY_ERROR;
    finding->count = 1;
    finding->process = process_info_of(process);
    finding->thread = thread_info_of(first);
    finding->total_ns = finding->max_ns = process->end_ns > since ? process->end_ns - since : 0;
    finding->first_real_ns = finding->last_real_ns = source_real_ns(process->source, since);
    finding->title =
        deadlock->count == 1
            ? arena_format(model->arena, "Deadlock: %s waits for %s, which it holds itself", first->name, names[0])
            : arena_format(model->arena, "Deadlock: %zu threads%s wait for each other's locks: %s", deadlock->count,
                           deadlock_has_several(deadlock) ? " of several processes" : "",
                           names_join(names, deadlock->count, model->arena));
    finding->remedy = remedy;
    evidence_text(finding, "deadlock_since", words_time(finding->first_real_ns, model->arena));
    for (size_t i = 0; i < deadlock->count; i++)
        deadlock_thread(state, deadlock, i, finding);
}

static void rule_end(void *context, struct model *model, struct findings *findings)
{
    struct order_state *state = context;
    struct deadlock deadlock;
    state->model = model;
    state->findings = findings;
    for (size_t position = 0; deadlock_next(model, &position, &deadlock);) {
        if (!deadlock_is_timed(&state->graph, &deadlock))
            deadlock_found(state, &deadlock);
    }
    order_graph_circles(&state->graph, model, circle_found, state);
    order_graph_free(&state->graph);
    free(state);
}

const struct rule rule_lock_order_inversion = {.begin = rule_begin, .event = rule_event, .end = rule_end};
