/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/endpoints.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/conversation.h"
#include "analysis/findings.h"
#include "analysis/round.h"
#include "analysis/talk.h"
#include "base/compiler.h"

#define OPERATIONS_MAX 20 /* of an endpoint that are listed */

/* An operation of one endpoint, of all processes. */
struct operation_sum {
    struct endpoint_operation shown;
    struct histogram durations, first_bytes;
};

/* One peer while it is added up. */
struct endpoint_sum {
    struct endpoint shown;
    struct operation_sum *operations;
    size_t operation_count, operation_capacity;
    uint64_t counted_connects, counted_failed;    /* by counters */
    double seen_connects, seen_failed, failed_ns; /* by events */
    const struct model_process *last_process;
    bool joined; /* to another row, which now has its numbers */
};

struct endpoint_sums {
    struct endpoint_sum *list;
    size_t count, capacity;
    struct arena *arena;
};

bool endpoint_is_peer(const struct trace_endpoint *endpoint)
{
    return endpoint && endpoint->text[0] != '\0' && endpoint->role != ROLE_SERVER && endpoint->role != ROLE_LISTENER &&
           (endpoint->kind == ENDPOINT_INET || endpoint->kind == ENDPOINT_INET6 || endpoint->kind == ENDPOINT_UNIX);
}

const struct trace_operation *counter_operation(const struct trace *trace, const struct trace_counter *counter)
{
    if (trace_call_category(counter->call) != CALL_REQUEST || (counter->flags & WAIT_SERVER_SIDE))
        return NULL;
    const struct trace_operation *operation = operation_find(trace, counter->endpoint);
    return operation && operation->role != ROLE_SERVER ? operation : NULL;
}

static bool peer_same(const struct peer *a, const struct peer *b)
{
    return strcmp(a->address, b->address) == 0 && strcmp(a->family, b->family) == 0;
}

static struct endpoint_sum *sum_get(struct endpoint_sums *sums, const struct model_process *process,
                                    const struct trace_endpoint *endpoint)
{
    const struct peer *peer = peer_of(process, endpoint->id, sums->arena);
    struct endpoint_sum *sum = NULL;
    for (size_t i = 0; i < sums->count && !sum; i++) {
        const struct peer *known = &sums->list[i].shown.peer;
        if (peer_same(known, peer) && strcmp(known->protocol, peer->protocol) == 0)
            sum = &sums->list[i];
    }
    if (!sum) {
        sums->list = memory_grow(sums->list, sums->count, &sums->capacity, sizeof(*sums->list));
        sum = &sums->list[sums->count++];
        *sum = (struct endpoint_sum){.shown = {.peer = *peer}};
    }
    if (!sum->shown.peer.name)
        sum->shown.peer.name = peer->name;
    sum->shown.peer.tls |= peer->tls;
    sum->shown.processes += sum->last_process != process;
    sum->last_process = process;
    return sum;
}

static struct operation_sum *operation_get(struct endpoint_sum *sum, const char *words)
{
    for (size_t i = 0; i < sum->operation_count; i++) {
        if (strcmp(sum->operations[i].shown.words, words) == 0)
            return &sum->operations[i];
    }
    sum->operations =
        memory_grow(sum->operations, sum->operation_count, &sum->operation_capacity, sizeof(*sum->operations));
    sum->operations[sum->operation_count] = (struct operation_sum){.shown = {.words = words}};
    return &sum->operations[sum->operation_count++];
}

/* ---- exact counters ---- */

static bool call_sends(const char *name)
{
    static const char *const senders[] = {"send",  "sendto", "sendmsg",  "sendmmsg",
                                          "write", "writev", "sendfile", "fwrite"};
    for (size_t i = 0; i < ARRAY_SIZE(senders); i++) {
        if (strcmp(name, senders[i]) == 0)
            return true;
    }
    return false;
}

static void wait_counter_add(struct endpoint_sum *sum, const struct trace_counter *counter)
{
    const char *call = trace_call_name(counter->call);
    uint64_t failed = counter->failed < counter->count ? counter->failed : counter->count;
    sum->shown.calls += counter->count;
    sum->shown.wait_ns += counter->total_ns;
    if (!call)
        return;
    if (strcmp(call, "connect") == 0) {
        sum->counted_connects += counter->count - failed;
        sum->counted_failed += failed;
    } else if (call_sends(call)) {
        sum->shown.bytes_out += counter->bytes;
    } else {
        sum->shown.bytes_in += counter->bytes;
    }
}

static void request_counter_add(struct endpoint_sum *sum, const struct trace_counter *counter,
                                const struct trace_operation *operation, struct arena *arena)
{
    struct endpoint_operation *shown = &operation_get(sum, operation_words(operation, arena))->shown;
    shown->count += counter->count;
    shown->total_ns += counter->total_ns;
    shown->errors += counter->failed;
    if (counter->max_ns > shown->max_ns)
        shown->max_ns = counter->max_ns;
    sum->shown.requests += counter->count;
    sum->shown.request_ns += counter->total_ns;
    sum->shown.request_bytes += counter->bytes;
    sum->shown.errors += counter->failed;
}

static void counter_add(struct endpoint_sums *sums, const struct model_process *process,
                        const struct trace_counter *counter)
{
    const struct trace_operation *operation = counter_operation(process->trace, counter);
    bool request = trace_call_category(counter->call) == CALL_REQUEST;
    if ((request ? !operation : !trace_call_waits(counter->call)) || (counter->flags & WAIT_SERVER_SIDE))
        return;
    const struct trace_endpoint *endpoint =
        trace_endpoint_find(process->trace, request ? operation->endpoint : counter->endpoint);
    if (!endpoint_is_peer(endpoint))
        return;
    struct endpoint_sum *sum = sum_get(sums, process, endpoint);
    if (request)
        request_counter_add(sum, counter, operation, sums->arena);
    else
        wait_counter_add(sum, counter);
}

static void counters_add(struct endpoint_sums *sums, const struct model *model)
{
    for (size_t i = 0; i < model->process_count; i++) {
        const struct model_process *process = &model->processes[i];
        for (size_t j = 0; j < process->thread_count; j++) {
            const struct trace_thread *thread = process->threads[j].source;
            for (size_t k = 0; k < thread->counter_count; k++)
                counter_add(sums, process, &thread->counters[k]);
        }
    }
}

/* ---- samples ---- */

static void talk_add(struct endpoint_sums *sums, const struct talk_table *talk)
{
    for (size_t i = 0; i < talk->connect_index.count; i++) {
        const struct talk_connects *connects = &talk->connects[i];
        const struct trace_endpoint *endpoint = trace_endpoint_find(connects->process->trace, connects->endpoint);
        if (!endpoint_is_peer(endpoint))
            continue;
        struct endpoint_sum *sum = sum_get(sums, connects->process, endpoint);
        sum->seen_connects += connects->succeeded;
        sum->seen_failed += connects->failed;
        sum->failed_ns += connects->failed_ns;
    }
    for (size_t i = 0; i < talk->operation_index.count; i++) {
        const struct talk_operation *samples = &talk->operations[i];
        const struct trace_operation *operation = operation_find(samples->process->trace, samples->operation);
        const struct trace_endpoint *endpoint =
            operation ? trace_endpoint_find(samples->process->trace, operation->endpoint) : NULL;
        if (!endpoint_is_peer(endpoint) || operation->role == ROLE_SERVER)
            continue;
        struct operation_sum *sum =
            operation_get(sum_get(sums, samples->process, endpoint), operation_words(operation, sums->arena));
        histogram_merge(&sum->durations, &samples->durations, 1);
        histogram_merge(&sum->first_bytes, &samples->first_bytes, 1);
    }
}

/* ---- one row ---- */

/* A connection on which nothing was recognised, to an address where others speak one protocol, belongs to those. */
static void sum_join(struct endpoint_sum *known, struct endpoint_sum *unknown)
{
    known->shown.calls += unknown->shown.calls;
    known->shown.wait_ns += unknown->shown.wait_ns;
    known->shown.bytes_in += unknown->shown.bytes_in;
    known->shown.bytes_out += unknown->shown.bytes_out;
    known->counted_connects += unknown->counted_connects;
    known->counted_failed += unknown->counted_failed;
    known->seen_connects += unknown->seen_connects;
    known->seen_failed += unknown->seen_failed;
    known->failed_ns += unknown->failed_ns;
    known->shown.processes += unknown->shown.processes;
    if (!known->shown.peer.name)
        known->shown.peer.name = unknown->shown.peer.name;
}

static bool sum_is_unknown(const struct endpoint_sum *sum)
{
    return strcmp(sum->shown.peer.protocol, "unknown") == 0;
}

/* The only one at this address whose protocol is known; NULL: none, or several. */
static struct endpoint_sum *sum_known_as(const struct endpoint_sums *sums, const struct endpoint_sum *unknown)
{
    struct endpoint_sum *known = NULL;
    for (size_t i = 0; i < sums->count; i++) {
        struct endpoint_sum *other = &sums->list[i];
        if (sum_is_unknown(other) || !peer_same(&other->shown.peer, &unknown->shown.peer))
            continue;
        if (known)
            return NULL;
        known = other;
    }
    return known;
}

static void unknown_join(struct endpoint_sums *sums)
{
    size_t kept = 0;
    for (size_t i = 0; i < sums->count; i++) {
        struct endpoint_sum *sum = &sums->list[i], *known = sum_is_unknown(sum) ? sum_known_as(sums, sum) : NULL;
        sum->joined = known != NULL;
        if (known)
            sum_join(known, sum);
    }
    for (size_t i = 0; i < sums->count; i++) {
        if (!sums->list[i].joined)
            sums->list[kept++] = sums->list[i];
    }
    sums->count = kept;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static int operation_compare(const void *left, const void *right)
{
    const struct operation_sum *a = left, *b = right;
    if (a->shown.total_ns != b->shown.total_ns)
        return a->shown.total_ns > b->shown.total_ns ? -1 : 1;
    if (a->shown.count != b->shown.count)
        return a->shown.count > b->shown.count ? -1 : 1;
    return strcmp(a->shown.words, b->shown.words);
}

static uint64_t quantile_within(const struct histogram *histogram, double quantile, uint64_t max_ns)
{
    uint64_t value = histogram_quantile(histogram, quantile);
    return max_ns > 0 && value > max_ns ? max_ns : value;
}

/* Samples of each operation are scaled to the exact number of its requests, so that those of a rare one do not pass for
   those of all. */
static void operations_finish(struct endpoint_sum *sum, struct arena *arena)
{
    struct histogram all = {NULL, 0, 0}, first = {NULL, 0, 0};
    if (sum->operation_count > 0)
        qsort(sum->operations, sum->operation_count, sizeof(*sum->operations), operation_compare);
    size_t shown = sum->operation_count < OPERATIONS_MAX ? sum->operation_count : OPERATIONS_MAX;
    sum->shown.operations = arena_get(arena, shown * sizeof(*sum->shown.operations));
    sum->shown.operation_count = shown;
    for (size_t i = 0; i < sum->operation_count; i++) {
        struct operation_sum *operation = &sum->operations[i];
        double recorded = histogram_weight(&operation->durations);
        double factor = recorded > 0 && operation->shown.count > 0 ? (double)operation->shown.count / recorded : 1;
        operation->shown.p50_ns = quantile_within(&operation->durations, 0.5, operation->shown.max_ns);
        operation->shown.p99_ns = quantile_within(&operation->durations, 0.99, operation->shown.max_ns);
        histogram_merge(&all, &operation->durations, factor);
        histogram_merge(&first, &operation->first_bytes, factor);
        if (i < shown)
            sum->shown.operations[i] = operation->shown;
        histogram_free(&operation->durations);
        histogram_free(&operation->first_bytes);
    }
    sum->shown.p50_ns = histogram_quantile(&all, 0.5);
    sum->shown.p99_ns = histogram_quantile(&all, 0.99);
    sum->shown.first_byte_p50_ns = histogram_quantile(&first, 0.5);
    histogram_free(&all);
    histogram_free(&first);
    free(sum->operations);
}

/* Counters know connects that waited, events also those in non-blocking mode; where the rings were overwritten the
   counters know more. */
static void sum_finish(struct endpoint_sum *sum, struct arena *arena)
{
    struct endpoint *shown = &sum->shown;
    shown->connects = larger(sum->counted_connects, round_whole(sum->seen_connects));
    shown->connects_failed = larger(sum->counted_failed, round_whole(sum->seen_failed));
    shown->connects_failed_ns = round_whole(sum->failed_ns);
    operations_finish(sum, arena);
}

static int endpoint_compare(const void *left, const void *right)
{
    const struct endpoint *a = left, *b = right;
    if (a->wait_ns != b->wait_ns)
        return a->wait_ns > b->wait_ns ? -1 : 1;
    if (a->request_ns != b->request_ns)
        return a->request_ns > b->request_ns ? -1 : 1;
    int order = strcmp(a->peer.address, b->peer.address);
    return order ? order : strcmp(a->peer.protocol, b->peer.protocol);
}

void endpoints_report(struct model *model, struct report *report, struct arena *arena)
{
    struct endpoint_sums sums = {.arena = arena};
    counters_add(&sums, model);
    talk_add(&sums, &model->talk);
    unknown_join(&sums);
    report->endpoint_count = sums.count;
    report->endpoints = arena_get(arena, sums.count * sizeof(*report->endpoints));
    for (size_t i = 0; i < sums.count; i++) {
        sum_finish(&sums.list[i], arena);
        report->endpoints[i] = sums.list[i].shown;
    }
    if (sums.count > 0)
        qsort(report->endpoints, sums.count, sizeof(*report->endpoints), endpoint_compare);
    free(sums.list);
}
