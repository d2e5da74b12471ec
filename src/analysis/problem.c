/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/problem.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/conversation.h"
#include "analysis/own_call.h"

uint64_t operation_hash(uint64_t hash, const struct trace_operation *operation)
{
    hash = place_hash_text(hash, wire_protocol_name((enum wire_protocol)operation->protocol));
    return place_hash_text(place_hash_text(hash, operation->verb), operation->text);
}

/* A stack that says nothing is told apart by what was called. */
static uint64_t share_id(const char *rule, const struct share *share)
{
    uint64_t id = place_hash_text(PLACE_HASH_START, rule);
    id = place_hash_text(id, wait_class_name(share->class));
    if (share->operation)
        id = operation_hash(id, share->operation);
    if (share->place.hash != 0)
        return id ^ (share->place.hash * UINT64_C(0x9e3779b97f4a7c15));
    const char *call = share->row->own ? share->row->own->name : trace_call_name(share->row->call);
    id = place_hash_text(id, call ? call : "?");
    return place_hash_text(id, share->row->thread->process->program);
}

struct share *shares_add(struct shares *shares, const char *rule, struct model *model, const struct wait_row *row)
{
    const struct model_process *process = row->thread->process;
    shares->list = memory_grow(shares->list, shares->count, &shares->capacity, sizeof(*shares->list));
    struct share *share = &shares->list[shares->count++];
    *share = (struct share){.class = row->class,
                            .row = row,
                            .count = row->count,
                            .total_ns = row->total_ns,
                            .counted_ns = row->total_ns,
                            .max_ns = row->max_ns};
    share->stack = model_row_stack(model, row);
    size_t first = row->own ? own_call_frame(row->own, share->stack) : 0;
    share->place = place_of_range(share->stack, first, share->stack->count, process->program);
    share->operation = operation_find(row->process->trace, row->context.operation);
    share->id = share_id(rule, share);
    return share;
}

static int share_compare(const void *left, const void *right)
{
    const struct share *a = left, *b = right;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    if (a->row->thread != b->row->thread)
        return a->row->thread->ordinal < b->row->thread->ordinal ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

void shares_sort(struct shares *shares)
{
    if (shares->count > 0)
        qsort(shares->list, shares->count, sizeof(*shares->list), share_compare);
}

bool problems_next(const struct shares *shares, size_t *position, struct problem *problem)
{
    size_t end = *position;
    if (*position == shares->count)
        return false;
    while (end < shares->count && shares->list[end].id == shares->list[*position].id)
        end++;
    *problem = (struct problem){shares->list + *position, end - *position};
    *position = end;
    return true;
}

static void part_add(struct problem_part *part, const struct share *share)
{
    part->count += share->count;
    part->total_ns += share->total_ns;
    part->counted_ns += share->counted_ns;
    part->samples += share->row->samples;
    if (share->max_ns > part->max_ns)
        part->max_ns = share->max_ns;
    if (share->row->phase == PHASE_BEFORE) {
        part->before_count += share->count;
        part->before_ns += share->total_ns;
    } else {
        part->loop_counted_ns += share->counted_ns;
        part->loop_count += share->count;
    }
    if (share->place.driver && part->driver_id == 0)
        part->driver_id = place_hash_text(place_hash_text(PLACE_HASH_START, share->place.driver->module),
                                          wait_class_name(share->class));
}

bool problem_parts_next(const struct problem *problem, size_t *position, struct problem_part *part)
{
    if (*position == problem->count)
        return false;
    const struct share *first = &problem->shares[*position];
    *part = (struct problem_part){.thread = first->row->thread, .class = first->class};
    for (; *position < problem->count && problem->shares[*position].row->thread == part->thread; ++*position)
        part_add(part, &problem->shares[*position]);
    return true;
}

struct problem_part problem_worst_part(const struct problem *problem)
{
    struct problem_part part, worst = {.thread = NULL};
    for (size_t position = 0; problem_parts_next(problem, &position, &part);) {
        if (!worst.thread || part.counted_ns > worst.counted_ns)
            worst = part;
    }
    return worst;
}

void shares_free(struct shares *shares)
{
    free(shares->list);
    *shares = (struct shares){NULL, 0, 0};
}

const struct share *problem_heaviest(const struct problem *problem)
{
    const struct share *best = &problem->shares[0];
    for (size_t i = 1; i < problem->count; i++) {
        const struct share *share = &problem->shares[i];
        if ((share->place.hash != 0) != (best->place.hash != 0)) {
            if (share->place.hash != 0)
                best = share;
        } else if (share->total_ns > best->total_ns) {
            best = share;
        }
    }
    return best;
}
