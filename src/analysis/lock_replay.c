/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/lock_replay.h"

#include <stdlib.h>

#include "analysis/arena.h"
#include "analysis/round.h"

#define NONE SIZE_MAX

/* ---- who had the interpreter ---- */

struct edge {
    uint64_t time_ns;
    size_t operation;
    bool begins;
};

static int edge_compare(const void *left, const void *right)
{
    const struct edge *a = left, *b = right;
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    if (a->operation != b->operation)
        return a->operation < b->operation ? -1 : 1;
    return b->begins - a->begins; /* one that took no time begins first */
}

static uint64_t operation_ns(const struct replay_operation *operation)
{
    return operation->end_ns > operation->begin_ns ? operation->end_ns - operation->begin_ns : 0;
}

/* From `before` to `edge` nothing else happened. */
static void edge_take(struct replay_operation *list, const struct edge *before, const struct edge *edge)
{
    struct replay_operation *began = &list[before->operation], *ends = &list[edge->operation];
    uint64_t ns = edge->time_ns - before->time_ns;
    if (before->begins)
        began->run_ns = ns;
    if (!edge->begins && !(before->begins && before->operation == edge->operation))
        ends->rest_ns = ns;
}

void replay_split(struct replay_operation *list, size_t count)
{
    struct edge *edges = memory_get(2 * count + 1, sizeof(*edges));
    for (size_t i = 0; i < count; i++) {
        edges[2 * i] = (struct edge){list[i].begin_ns, i, true};
        edges[2 * i + 1] = (struct edge){list[i].begin_ns + operation_ns(&list[i]), i, false};
        list[i].run_ns = list[i].rest_ns = list[i].stood_ns = 0;
    }
    if (count > 0)
        qsort(edges, 2 * count, sizeof(*edges), edge_compare);
    for (size_t i = 1; i < 2 * count; i++)
        edge_take(list, &edges[i - 1], &edges[i]);
    for (size_t i = 0; i < count; i++) {
        uint64_t ran = list[i].run_ns + list[i].rest_ns, all = operation_ns(&list[i]);
        list[i].stood_ns = all > ran ? all - ran : 0;
    }
    free(edges);
}

/* ---- the simulation ---- */

enum step { STEP_ARRIVE, STEP_RESUME, STEP_AGAIN, STEP_DONE };

struct occasion {
    double time_ns;
    uint64_t order; /* of those at one time */
    size_t operation;
    enum step step;
};

struct server {
    size_t holders; /* several: of a shared lock */
    bool shared;
    size_t first, last; /* the queue, NONE: empty */
    uint64_t length;
};

struct replay {
    const struct replay_operation *list;
    const struct replay_setup *setup;
    struct replay_result *result;
    size_t *next;      /* the thread's next operation, NONE: none */
    size_t *queued;    /* behind it in a queue */
    double *since_ns;  /* when it came */
    uint32_t *stripes; /* whose lock it needs */
    struct server servers[REPLAY_STRIPES];
    struct occasion *heap;
    size_t heap_count;
    uint64_t orders;
    double runs_until_ns; /* the interpreter is in use */
    double end_ns;
};

/* At the same time, who ends goes before who begins. */
static bool occasion_before(const struct occasion *a, const struct occasion *b)
{
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns;
    if ((a->step == STEP_DONE) != (b->step == STEP_DONE))
        return a->step == STEP_DONE;
    return a->order < b->order;
}

static void occasion_push(struct replay *r, double time_ns, enum step step, size_t operation)
{
    struct occasion new = {time_ns, r->orders++, operation, step};
    size_t i = r->heap_count++;
    for (; i > 0 && occasion_before(&new, &r->heap[(i - 1) / 2]); i = (i - 1) / 2)
        r->heap[i] = r->heap[(i - 1) / 2];
    r->heap[i] = new;
}

static struct occasion occasion_pop(struct replay *r)
{
    struct occasion top = r->heap[0], moved = r->heap[--r->heap_count];
    size_t i = 0;
    for (size_t child = 1; child < r->heap_count; child = 2 * i + 1) {
        if (child + 1 < r->heap_count && occasion_before(&r->heap[child + 1], &r->heap[child]))
            child++;
        if (!occasion_before(&r->heap[child], &moved))
            break;
        r->heap[i] = r->heap[child];
        i = child;
    }
    r->heap[i] = moved;
    return top;
}

static bool is_shared(const struct replay *r, size_t operation)
{
    return r->setup->lock == REPLAY_SHARED && r->list[operation].shared;
}

static void wait_add(struct replay *r, double ns)
{
    uint64_t whole = round_whole(ns);
    r->result->operations++;
    r->result->wait_ns += ns;
    histogram_add(&r->result->waits, whole, 1);
    if (whole > r->result->wait_max_ns)
        r->result->wait_max_ns = whole;
}

static double stood_ns(const struct replay *r, size_t operation)
{
    uint64_t ns = r->list[operation].stood_ns;
    return (double)(ns < r->setup->stood_max_ns ? ns : r->setup->stood_max_ns);
}

static void run(struct replay *r, double now, size_t operation)
{
    const struct replay_operation *o = &r->list[operation];
    double end = now + (double)o->run_ns;
    if (r->setup->interpreter)
        r->runs_until_ns = end;
    r->result->busy_ns += (double)(o->run_ns + o->rest_ns) + stood_ns(r, operation);
    if (o->rest_ns > 0 || o->stood_ns > 0)
        occasion_push(r, end + stood_ns(r, operation), STEP_AGAIN, operation);
    else
        occasion_push(r, end, STEP_DONE, operation);
}

static void queue_join(struct replay *r, struct server *server, double now, size_t operation)
{
    r->result->queued++;
    r->since_ns[operation] = now;
    r->queued[operation] = NONE;
    if (server->length == 0)
        server->first = operation;
    else
        r->queued[server->last] = operation;
    server->last = operation;
    if (++server->length > r->result->queue_max)
        r->result->queue_max = server->length;
}

static void arrive(struct replay *r, double now, size_t operation)
{
    struct server *server = &r->servers[r->stripes[operation]];
    bool shared = is_shared(r, operation);
    if (server->length > 0 || (server->holders > 0 && !(shared && server->shared))) {
        queue_join(r, server, now, operation);
        return;
    }
    server->holders++;
    server->shared = shared;
    wait_add(r, 0);
    run(r, now, operation);
}

/* The next in the queue gets the lock; where it reads, those right behind it that read as well. */
static void hand_over(struct replay *r, struct server *server, double now)
{
    do {
        size_t operation = server->first;
        server->shared = is_shared(r, operation);
        server->first = r->queued[operation];
        server->length--;
        server->holders++;
        occasion_push(r, now + (double)r->setup->handover_ns, STEP_RESUME, operation);
    } while (server->shared && server->length > 0 && is_shared(r, server->first));
}

static void done(struct replay *r, double now, size_t operation)
{
    struct server *server = &r->servers[r->stripes[operation]];
    size_t next = r->next[operation];
    r->end_ns = now;
    server->holders--;
    if (next != NONE) {
        const struct replay_operation *o = &r->list[operation];
        double thinks = (double)r->list[next].begin_ns - (double)o->end_ns;
        occasion_push(r, now + (thinks > 0 ? thinks : 0) / r->setup->speed, STEP_ARRIVE, next);
    }
    if (server->holders == 0 && server->length > 0)
        hand_over(r, server, now);
}

static void occasion_take(struct replay *r, const struct occasion *o)
{
    if (o->step != STEP_DONE && o->time_ns < r->runs_until_ns) {
        occasion_push(r, r->runs_until_ns, o->step, o->operation);
        return;
    }
    switch (o->step) {
    case STEP_ARRIVE:
        arrive(r, o->time_ns, o->operation);
        break;
    case STEP_RESUME:
        wait_add(r, o->time_ns - r->since_ns[o->operation]);
        run(r, o->time_ns, o->operation);
        break;
    case STEP_AGAIN:
        if (r->setup->interpreter)
            r->runs_until_ns = o->time_ns + (double)r->list[o->operation].rest_ns;
        occasion_push(r, o->time_ns + (double)r->list[o->operation].rest_ns, STEP_DONE, o->operation);
        break;
    case STEP_DONE:
        done(r, o->time_ns, o->operation);
        break;
    }
}

/* ---- a window ---- */

struct turn {
    uint64_t thread;
    size_t operation;
};

static int turn_compare(const void *left, const void *right)
{
    const struct turn *a = left, *b = right;
    if (a->thread != b->thread)
        return a->thread < b->thread ? -1 : 1;
    return a->operation < b->operation ? -1 : a->operation > b->operation;
}

/* Each thread's operations follow each other; the first ones come when they came. */
static void threads_begin(struct replay *r, size_t count)
{
    struct turn *turns = memory_get(count, sizeof(*turns));
    for (size_t i = 0; i < count; i++)
        turns[i] = (struct turn){r->list[i].thread, i};
    qsort(turns, count, sizeof(*turns), turn_compare);
    for (size_t i = 0; i < count; i++) {
        size_t operation = turns[i].operation;
        bool more = i + 1 < count && turns[i + 1].thread == turns[i].thread;
        r->next[operation] = more ? turns[i + 1].operation : NONE;
        if (i == 0 || turns[i - 1].thread != turns[i].thread)
            occasion_push(r, (double)(r->list[operation].begin_ns - r->list[0].begin_ns) / r->setup->speed, STEP_ARRIVE,
                          operation);
    }
    free(turns);
}

/* splitmix64 (Steele, Lea, Flood 2014): the same stripes each time. */
static uint32_t stripe_of(size_t operation)
{
    uint64_t z = (operation + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) % REPLAY_STRIPES);
}

void replay_window(const struct replay_operation *list, size_t count, const struct replay_setup *setup,
                   struct replay_result *result)
{
    if (count == 0)
        return;
    struct replay *r = memory_get(1, sizeof(*r));
    *r = (struct replay){.list = list, .setup = setup, .result = result};
    r->next = memory_get(count, sizeof(*r->next));
    r->queued = memory_get(count, sizeof(*r->queued));
    r->since_ns = memory_get(count, sizeof(*r->since_ns));
    r->stripes = memory_get(count, sizeof(*r->stripes));
    r->heap = memory_get(count + 1, sizeof(*r->heap));
    for (size_t i = 0; setup->lock == REPLAY_STRIPED && i < count; i++)
        r->stripes[i] = stripe_of(i);
    threads_begin(r, count);
    while (r->heap_count > 0) {
        struct occasion next = occasion_pop(r);
        occasion_take(r, &next);
    }
    /* From the first of `count` arrivals to the last end there are as many gaps less one. */
    result->time_ns += count > 1 ? r->end_ns * (double)count / (double)(count - 1) : r->end_ns;
    free(r->next);
    free(r->queued);
    free(r->since_ns);
    free(r->stripes);
    free(r->heap);
    free(r);
}

double replay_utilisation(const struct replay_result *result, enum replay_lock lock)
{
    double share = result->time_ns > 0 ? result->busy_ns / result->time_ns : 0;
    return lock == REPLAY_STRIPED ? share / REPLAY_STRIPES : share;
}

double replay_queue_mean(const struct replay_result *result)
{
    return result->time_ns > 0 ? result->wait_ns / result->time_ns : 0;
}

void replay_result_free(struct replay_result *result)
{
    histogram_free(&result->waits);
}
