/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/sweep_group.h"

#include <stdlib.h>
#include <string.h>

const char *sweep_where(const struct sweep *sweep)
{
    const struct trace_endpoint *endpoint = trace_endpoint_find(sweep->process->trace, sweep->operation->endpoint);
    if (sweep->server)
        return sweep->process->source->info->path;
    return endpoint ? endpoint->text : "";
}

static bool operation_same(const struct trace_operation *a, const struct trace_operation *b)
{
    return a->protocol == b->protocol && strcmp(a->verb, b->verb) == 0 && strcmp(a->text, b->text) == 0;
}

static struct sweep_group *group_get(struct sweep_groups *groups, const struct sweep *sweep, const struct place *place)
{
    const char *where = sweep_where(sweep);
    for (size_t i = 0; i < groups->count; i++) {
        struct sweep_group *known = &groups->list[i];
        if (known->kind == sweep->kind && known->server == sweep->server && known->place_hash == place->hash &&
            operation_same(known->operation, sweep->operation) && strcmp(known->where, where) == 0)
            return known;
    }
    groups->list = memory_grow(groups->list, groups->count, &groups->capacity, sizeof(*groups->list));
    struct sweep_group *group = &groups->list[groups->count++];
    *group = (struct sweep_group){.kind = sweep->kind,
                                  .server = sweep->server,
                                  .where = where,
                                  .operation = sweep->operation,
                                  .place_hash = place->hash,
                                  .first_ns = sweep->begin_ns};
    return group;
}

static struct sweep_server *server_get(struct sweep_groups *groups, const struct model *model, const char *where)
{
    for (size_t i = 0; i < groups->server_count; i++) {
        if (strcmp(groups->servers[i].where, where) == 0)
            return &groups->servers[i];
    }
    groups->servers =
        memory_grow(groups->servers, groups->server_count, &groups->server_capacity, sizeof(*groups->servers));
    groups->servers[groups->server_count] = (struct sweep_server){
        .where = where,
        .storm = {.limit = model->options->sweep_storm, .window_ns = model->options->sweep_storm_window}};
    return &groups->servers[groups->server_count++];
}

const struct sweep_server *sweep_groups_server(const struct sweep_groups *groups, const struct sweep_group *group)
{
    size_t i = 0;
    while (strcmp(groups->servers[i].where, group->where) != 0)
        i++;
    return &groups->servers[i];
}

static uint64_t stack_hash(const struct stack *stack)
{
    uint64_t hash = PLACE_HASH_START;
    for (size_t i = 0; i < stack->count; i++) {
        const struct frame *frame = &stack->frames[i];
        hash = place_hash_text(place_hash_text(hash, frame->module), frame->function);
        hash = (hash ^ frame->line) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static void group_stack_add(struct sweep_group *group, const struct finding_stack *stack, uint64_t hash)
{
    size_t i = 0;
    while (i < group->stack_count && group->stack_hashes[i] != hash)
        i++;
    if (i == SWEEP_STACKS_MAX)
        return;
    if (i == group->stack_count) {
        group->stack_hashes[i] = hash;
        group->stacks[group->stack_count++] = *stack;
        return;
    }
    group->stacks[i].count += stack->count;
    group->stacks[i].total_ns += stack->total_ns;
}

void sweep_groups_add(struct sweep_groups *groups, struct model *model, const struct sweep *sweep)
{
    const struct model_process *process = sweep->process;
    const struct stack *stack = symbols_stack(model->symbols, process->trace, sweep->stack, 0);
    struct place place = {.hash = 0}; /* a server's own stack says how it sent the answer */
    if (!sweep->server)
        place = place_of(stack, process->program);
    struct sweep_group *group = group_get(groups, sweep, &place);
    struct request_context context = context_of(process->trace, sweep->serving, stack, model->arena);
    group->sweeps++;
    group->calls += sweep->calls;
    group->elements += sweep->elements;
    group->held_ns += sweep->held_ns;
    group->complete += sweep->complete;
    group->asked = sweep->asked > group->asked ? sweep->asked : group->asked;
    group->most_calls = sweep->calls > group->most_calls ? sweep->calls : group->most_calls;
    group->first_ns = sweep->begin_ns < group->first_ns ? sweep->begin_ns : group->first_ns;
    group->last_ns = sweep->end_ns > group->last_ns ? sweep->end_ns : group->last_ns;
    if (sweep->longest_ns >= group->longest_call_ns) {
        group->longest_call_ns = sweep->longest_ns;
        group->longest_at_ns = sweep->longest_at_ns;
        group->process = process;
        group->thread = sweep->thread;
        group->key = sweep->key;
        group->place = place;
    }
    if (sweep->held_ns > group->longest_sweep_ns)
        group->longest_sweep_ns = sweep->held_ns;
    histogram_add(&group->calls_held, sweep->longest_ns, 1);
    histogram_add(&group->sweeps_held, sweep->held_ns, 1);
    if (stack->count > 0 && !sweep->server)
        group_stack_add(group, &(struct finding_stack){"asked", stack, 1, sweep->held_ns}, stack_hash(stack));
    group->processes += group->last_process != process;
    group->last_process = process;
    context_tally_add(&group->contexts, &context, (double)sweep->held_ns);
    struct sweep_server *server = server_get(groups, model, group->where);
    timeline_add(&server->timeline, sweep->begin_ns);
    group->storming |= storm_add(&server->storm, sweep->end_ns);
}

static void group_free(struct sweep_group *group)
{
    histogram_free(&group->calls_held);
    histogram_free(&group->sweeps_held);
    context_tally_free(&group->contexts);
}

static void group_remove(struct sweep_groups *groups, size_t i)
{
    group_free(&groups->list[i]);
    memmove(&groups->list[i], &groups->list[i + 1], (groups->count - i - 1) * sizeof(*groups->list));
    groups->count--;
}

static bool client_has(const struct sweep_groups *groups, const struct sweep_group *server)
{
    for (size_t i = 0; i < groups->count; i++) {
        if (!groups->list[i].server && operation_same(groups->list[i].operation, server->operation))
            return true;
    }
    return false;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void group_join(struct sweep_group *group, const struct sweep_group *other)
{
    group->sweeps += other->sweeps;
    group->calls += other->calls;
    group->elements += other->elements;
    group->held_ns += other->held_ns;
    group->complete += other->complete;
    group->asked = larger(group->asked, other->asked);
    group->most_calls = larger(group->most_calls, other->most_calls);
    group->longest_sweep_ns = larger(group->longest_sweep_ns, other->longest_sweep_ns);
    group->longest_call_ns = larger(group->longest_call_ns, other->longest_call_ns);
    group->first_ns = other->first_ns < group->first_ns ? other->first_ns : group->first_ns;
    group->last_ns = larger(group->last_ns, other->last_ns);
    group->processes = larger(group->processes, other->processes);
    histogram_merge(&group->calls_held, &other->calls_held, 1);
    histogram_merge(&group->sweeps_held, &other->sweeps_held, 1);
    context_tally_join(&group->contexts, &other->contexts);
    for (size_t i = 0; i < other->stack_count; i++)
        group_stack_add(group, &other->stacks[i], other->stack_hashes[i]);
}

static bool groups_are_one_storm(const struct sweep_group *a, const struct sweep_group *b)
{
    return a->storming && b->storming && a->kind == b->kind && a->server == b->server &&
           operation_same(a->operation, b->operation) && strcmp(a->where, b->where) == 0;
}

/* Most time first, so that a storm is known by the place that contributed most. */
static int group_compare(const void *left, const void *right)
{
    const struct sweep_group *a = left, *b = right;
    if (a->held_ns != b->held_ns)
        return a->held_ns > b->held_ns ? -1 : 1;
    return a->place_hash != b->place_hash ? (a->place_hash < b->place_hash ? -1 : 1) : 0;
}

void sweep_groups_settle(struct sweep_groups *groups)
{
    for (size_t i = groups->count; i-- > 0;) {
        if (groups->list[i].server && client_has(groups, &groups->list[i]))
            group_remove(groups, i);
    }
    if (groups->count > 0)
        qsort(groups->list, groups->count, sizeof(*groups->list), group_compare);
    for (size_t i = 0; i < groups->count; i++) {
        for (size_t j = groups->count; j-- > i + 1;) {
            if (!groups_are_one_storm(&groups->list[i], &groups->list[j]))
                continue;
            group_join(&groups->list[i], &groups->list[j]);
            group_remove(groups, j);
        }
    }
}

void sweep_groups_free(struct sweep_groups *groups)
{
    for (size_t i = 0; i < groups->count; i++)
        group_free(&groups->list[i]);
    for (size_t i = 0; i < groups->server_count; i++)
        storm_free(&groups->servers[i].storm);
    free(groups->servers);
    free(groups->list);
    *groups = (struct sweep_groups){.list = NULL};
}
