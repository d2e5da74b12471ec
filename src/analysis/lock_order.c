/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/lock_order.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/lock_identity.h"

void order_graph_add(struct order_graph *graph, const struct model_process *process, const struct event_order *event)
{
    if (event->from == event->to || event->from == ENDPOINT_OVERFLOW || event->to == ENDPOINT_OVERFLOW)
        return;
    graph->edges = memory_grow(graph->edges, graph->count, &graph->capacity, sizeof(*graph->edges));
    graph->edges[graph->count++] = (struct order_edge){.process = process, .event = *event};
}

void order_graph_free(struct order_graph *graph)
{
    free(graph->edges);
    *graph = (struct order_graph){NULL, 0, 0};
}

static int edge_compare(const void *left, const void *right)
{
    const struct order_edge *a = left, *b = right;
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    if (a->to != b->to)
        return a->to < b->to ? -1 : 1;
    if (a->event.flags != b->event.flags)
        return a->event.flags < b->event.flags ? -1 : 1;
    return a->event.header.time_ns < b->event.header.time_ns ? -1 : a->event.header.time_ns > b->event.header.time_ns;
}

/* ---- which requests can stand at the same time ---- */

static bool waits_for(const struct order_edge *edge, const struct order_edge *next)
{
    return !((edge->event.flags & ORDER_TO_SHARED) && (next->event.flags & ORDER_FROM_SHARED));
}

static bool edges_exclude(const struct order_edge *left, const struct order_edge *right)
{
    const struct trace_lockset *a = trace_lockset_find(left->process->trace, left->event.locks);
    const struct trace_lockset *b = trace_lockset_find(right->process->trace, right->event.locks);
    for (size_t i = 0; a && b && i < a->count; i++) {
        for (size_t j = 0; j < b->count; j++) {
            if (!(a->shared[i] && b->shared[j]) &&
                lock_is_same(left->process, a->locks[i], right->process, b->locks[j]))
                return true;
        }
    }
    return false;
}

static bool circle_has_gate(const struct order_circle *circle)
{
    for (size_t i = 0; i < circle->count; i++) {
        for (size_t j = i + 1; j < circle->count; j++) {
            if (edges_exclude(circle->edges[i], circle->edges[j]))
                return true;
        }
    }
    return false;
}

static bool circle_is_one_process(const struct order_circle *circle)
{
    for (size_t i = 1; i < circle->count; i++) {
        if (circle->edges[i]->process != circle->edges[0]->process)
            return false;
    }
    return true;
}

static bool edge_is_alone(const struct order_edge *edge)
{
    return (edge->event.flags & ORDER_ALONE) != 0;
}

bool order_circle_is_alone(const struct order_circle *circle)
{
    return edge_is_alone(circle->edges[0]) && circle_is_one_process(circle);
}

/* Requests of one process from before and after its second thread began do not meet. */
static bool circle_is_apart(const struct order_circle *circle)
{
    for (size_t i = 0; i < circle->count; i++) {
        for (size_t j = i + 1; j < circle->count; j++) {
            if (circle->edges[i]->process == circle->edges[j]->process &&
                edge_is_alone(circle->edges[i]) != edge_is_alone(circle->edges[j]))
                return true;
        }
    }
    return order_circle_is_alone(circle) && circle->edges[0]->process->thread_count > 1;
}

static bool circle_is_one_threads(const struct order_circle *circle, const struct model *model)
{
    for (size_t i = 1; i < circle->count; i++) {
        if (circle->edges[i]->event.tid != circle->edges[0]->event.tid)
            return false;
    }
    for (size_t i = 0; i < circle->count; i++) {
        const struct lock_row *lock =
            locks_find(&model->locks, circle->edges[i]->process, circle->edges[i]->event.from);
        if (!lock || lock->users < 2)
            return circle_is_one_process(circle);
    }
    return false;
}

/* ---- the search ---- */

struct search {
    const struct model *model;
    const struct order_edge *edges; /* of one group, by `from` */
    size_t count, length;
    uint64_t steps;
    size_t found_count;
    uint64_t founds[CIRCLES_MAX]; /* hashes of their locks */
    struct order_circle circle;
    void (*found)(void *context, const struct order_circle *circle);
    void *context;
};

static size_t edges_from(const struct search *search, uint32_t lock)
{
    size_t low = 0, high = search->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (search->edges[middle].from < lock)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool circle_visits(const struct order_circle *circle, uint32_t lock)
{
    for (size_t i = 0; i < circle->count; i++) {
        if (circle->edges[i]->from == lock)
            return true;
    }
    return false;
}

/* Whether the same locks were found in the same order before, by other edges. */
static bool circle_is_known(struct search *search, const struct order_circle *circle)
{
    uint64_t hash = PROFILE_HASH_START;
    for (size_t i = 0; i < circle->count; i++)
        hash = profile_hash(hash, circle->edges[i]->from);
    for (size_t i = 0; i < search->found_count; i++) {
        if (search->founds[i] == hash)
            return true;
    }
    search->founds[search->found_count] = hash;
    return false;
}

static void circle_close(struct search *search)
{
    const struct order_circle *circle = &search->circle;
    if (!waits_for(circle->edges[circle->count - 1], circle->edges[0]) || circle_has_gate(circle) ||
        circle_is_apart(circle) || (!order_circle_is_alone(circle) && circle_is_one_threads(circle, search->model)) ||
        circle_is_known(search, circle))
        return;
    search->found_count++;
    search->found(search->context, circle);
}

/* Goes on from the circle's last edge. A circle begins at its lowest lock, so that it is found once. */
static void search_extend(struct search *search)
{
    struct order_circle *circle = &search->circle;
    uint32_t first = circle->edges[0]->from;
    uint32_t lock = circle->edges[circle->count - 1]->to;
    for (size_t i = edges_from(search, lock); i < search->count && search->edges[i].from == lock; i++) {
        const struct order_edge *edge = &search->edges[i];
        if (search->found_count >= CIRCLES_MAX || ++search->steps > CIRCLE_STEPS)
            return;
        if (edge->to < first || !waits_for(circle->edges[circle->count - 1], edge))
            continue;
        circle->edges[circle->count++] = edge;
        if (edge->to == first) {
            if (circle->count == search->length)
                circle_close(search);
        } else if (circle->count < search->length && !circle_visits(circle, edge->to)) {
            search_extend(search);
        }
        circle->count--;
    }
}

/* The circle that ends with edge `last`, back to the first by `parents`; only if it begins at its lowest lock. */
static void long_close(struct search *search, size_t first, size_t last, const size_t *parents)
{
    struct order_circle *circle = &search->circle;
    size_t length = 1;
    for (size_t i = last; i != first; i = parents[i])
        length++;
    if (length <= CIRCLE_SEARCHED || length > CIRCLE_MAX)
        return;
    circle->count = length;
    for (size_t i = last, at = length; at > 0; i = parents[i])
        circle->edges[--at] = &search->edges[i];
    for (size_t i = 1; i < length; i++) {
        if (circle->edges[i]->from < circle->edges[0]->from)
            return;
    }
    circle_close(search);
}

/* The shortest circle through an edge, breadth first. parents, queue: room for all edges; parents[i] SIZE_MAX: not
   reached. */
static void search_long(struct search *search, size_t first, size_t *parents, size_t *queue)
{
    size_t head = 0, tail = 0;
    for (size_t i = 0; i < search->count; i++)
        parents[i] = SIZE_MAX;
    parents[first] = first;
    queue[tail++] = first;
    while (head < tail && search->found_count < CIRCLES_MAX) {
        size_t at = queue[head++];
        uint32_t lock = search->edges[at].to;
        if (lock == search->edges[first].from) {
            long_close(search, first, at, parents);
            return;
        }
        for (size_t i = edges_from(search, lock); i < search->count && search->edges[i].from == lock; i++) {
            if (++search->steps > CIRCLE_STEPS)
                return;
            if (parents[i] != SIZE_MAX || !waits_for(&search->edges[at], &search->edges[i]))
                continue;
            parents[i] = at;
            queue[tail++] = i;
        }
    }
}

/* Drops edges that are in no circle: nothing leads to where they begin, or on from where they end. */
static bool edges_trim(struct order_edge *edges, size_t *count)
{
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        bool led_to = false, leads_on = false;
        for (size_t j = 0; j < *count && !(led_to && leads_on); j++) {
            led_to |= edges[j].to == edges[i].from;
            leads_on |= edges[j].from == edges[i].to;
        }
        edges[i].dead = !led_to || !leads_on;
    }
    for (size_t i = 0; i < *count; i++) {
        if (!edges[i].dead)
            edges[kept++] = edges[i];
    }
    bool trimmed = kept < *count;
    *count = kept;
    return trimmed;
}

static void group_search(struct search *search)
{
    for (search->length = 2; search->length <= CIRCLE_SEARCHED; search->length++) {
        for (size_t i = 0; i < search->count; i++) {
            search->circle = (struct order_circle){{&search->edges[i]}, 1};
            if (search->edges[i].to > search->edges[i].from)
                search_extend(search);
        }
    }
    search->steps = 0;
    size_t *parents = memory_get(search->count + 1, sizeof(*parents));
    size_t *queue = memory_get(search->count + 1, sizeof(*queue));
    for (size_t i = 0; i < search->count; i++)
        search_long(search, i, parents, queue);
    free(parents);
    free(queue);
}

/* ---- locks of all processes ---- */

struct node {
    const struct model_process *process;
    uint32_t lock;
    struct lock_identity identity;
    uint32_t *number; /* of an edge, to be filled in */
};

static struct node node_of(const struct order_edge *edge, uint32_t lock, uint32_t *number)
{
    return (struct node){edge->process, lock, lock_identity_of(edge->process, lock), number};
}

static int node_compare(const void *left, const void *right)
{
    const struct node *a = left, *b = right;
    bool own = lock_identity_is_own(&a->identity);
    if (own != lock_identity_is_own(&b->identity))
        return own ? -1 : 1;
    if (!own) {
        int order = lock_identity_compare(&a->identity, &b->identity);
        return order ? order : strcmp(a->process->source->info->boot_id, b->process->source->info->boot_id);
    }
    if (a->process != b->process)
        return a->process < b->process ? -1 : 1;
    return a->lock < b->lock ? -1 : a->lock > b->lock;
}

static uint32_t group_of(uint32_t *groups, uint32_t process)
{
    while (groups[process] != process)
        process = groups[process] = groups[groups[process]];
    return process;
}

/* Numbers the locks of all edges, and the groups of processes (union-find: `groups` by process). */
static void nodes_number(struct order_graph *graph, const struct model *model)
{
    struct node *nodes = memory_get(graph->count * 2 + 1, sizeof(*nodes));
    uint32_t *groups = memory_get(model->process_count + 1, sizeof(*groups));
    size_t count = 0;
    for (size_t i = 0; i < graph->count; i++) {
        struct order_edge *edge = &graph->edges[i];
        nodes[count++] = node_of(edge, edge->event.from, &edge->from);
        nodes[count++] = node_of(edge, edge->event.to, &edge->to);
    }
    if (count > 0)
        qsort(nodes, count, sizeof(*nodes), node_compare);
    for (uint32_t i = 0; i < model->process_count; i++)
        groups[i] = i;
    for (size_t i = 0, number = 0; i < count; i++) {
        bool same = i > 0 && node_compare(&nodes[i - 1], &nodes[i]) == 0;
        number += i > 0 && !same;
        *nodes[i].number = (uint32_t)number;
        if (same)
            groups[group_of(groups, (uint32_t)(nodes[i].process - model->processes))] =
                group_of(groups, (uint32_t)(nodes[i - 1].process - model->processes));
    }
    for (size_t i = 0; i < graph->count; i++)
        graph->edges[i].group = group_of(groups, (uint32_t)(graph->edges[i].process - model->processes));
    free(groups);
    free(nodes);
}

void order_graph_circles(struct order_graph *graph, const struct model *model,
                         void (*found)(void *context, const struct order_circle *circle), void *context)
{
    size_t end;
    nodes_number(graph, model);
    if (graph->count > 0)
        qsort(graph->edges, graph->count, sizeof(*graph->edges), edge_compare);
    for (size_t first = 0; first < graph->count; first = end) {
        for (end = first; end < graph->count && graph->edges[end].group == graph->edges[first].group; end++)
            continue;
        struct search search = {
            .model = model, .edges = graph->edges + first, .count = end - first, .found = found, .context = context};
        while (edges_trim(graph->edges + first, &search.count))
            continue;
        group_search(&search);
    }
}
