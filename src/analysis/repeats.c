/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/repeats.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/conversation.h"
#include "analysis/place.h"
#include "analysis/problem.h"
#include "analysis/request_context.h"
#include "analysis/round.h"
#include "analysis/talk.h"

#define SAMPLES_MIN 10 /* fewer say too little about whom a statement belongs to */

/* One statement of one process, in requests for one thing it serves (serving 0: of unknown ones). */
struct repeat {
    const struct model_process *process;
    const struct model_thread *thread;
    uint32_t operation, serving, stack; /* stack: of the longest */
    double weight, total_ns;
    size_t samples;
    uint64_t max_ns, first_ns, last_ns;
    struct histogram durations;
};

static bool protocol_is_sql(uint16_t protocol)
{
    return protocol == WIRE_MYSQL || protocol == WIRE_PGSQL;
}

static struct repeat *repeat_get(struct repeats *repeats, const struct model_process *process,
                                 const struct event_request *request, uint32_t serving)
{
    for (size_t i = 0; i < repeats->count; i++) {
        struct repeat *known = &repeats->list[i];
        if (known->process == process && known->operation == request->operation && known->serving == serving)
            return known;
    }
    repeats->list = memory_grow(repeats->list, repeats->count, &repeats->capacity, sizeof(*repeats->list));
    struct repeat *repeat = &repeats->list[repeats->count++];
    *repeat = (struct repeat){
        .process = process, .operation = request->operation, .serving = serving, .first_ns = request->header.time_ns};
    return repeat;
}

void repeats_add(struct repeats *repeats, struct model *model, struct source *source,
                 const struct event_request *request)
{
    struct model_process *process = model_process_of(model, source);
    const struct trace_operation *operation = operation_find(process->trace, request->operation);
    if (!operation || (request->flags & (REQUEST_SERVER | REQUEST_NO_REPLY)) || !protocol_is_sql(operation->protocol))
        return;
    struct repeat *repeat = repeat_get(repeats, process, request, model->context.serving);
    double weight = request_weight(source->info, request);
    uint64_t end = request->header.time_ns + request->duration_ns;
    repeat->samples++;
    repeat->weight += weight;
    repeat->total_ns += weight * (double)request->duration_ns;
    repeat->last_ns = end > repeat->last_ns ? end : repeat->last_ns;
    histogram_add(&repeat->durations, request->duration_ns, weight);
    if (request->duration_ns < repeat->max_ns)
        return;
    repeat->max_ns = request->duration_ns;
    repeat->stack = request->stack ? request->stack : repeat->stack;
    repeat->thread = model_thread_find(process, request->slot, request->tid);
}

/* Exact number of requests of an operation, by all threads of the process. */
static double operation_count(const struct model_process *process, uint32_t operation)
{
    double count = 0;
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct trace_thread *thread = process->threads[i].source;
        for (size_t j = 0; j < thread->counter_count; j++) {
            const struct trace_counter *counter = &thread->counters[j];
            if (trace_call_category(counter->call) == CALL_REQUEST && counter->endpoint == operation)
                count += (double)counter->count;
        }
    }
    return count;
}

/* Share of the statement's samples that belong to these requests. */
static double repeat_share(const struct repeats *repeats, const struct repeat *repeat)
{
    double all = 0;
    for (size_t i = 0; i < repeats->count; i++) {
        if (repeats->list[i].process == repeat->process && repeats->list[i].operation == repeat->operation)
            all += repeats->list[i].weight;
    }
    return all > 0 ? repeat->weight / all : 0;
}

static void repeat_find(const struct repeat *repeat, double count, double served, const char *rule, struct model *model,
                        struct findings *findings)
{
    const struct model_process *process = repeat->process;
    const struct trace_operation *operation = operation_find(process->trace, repeat->operation);
    const struct stack *stack = symbols_stack(model->symbols, process->trace, repeat->stack, 0);
    struct place place = place_of(stack, process->program);
    struct arena *arena = findings->arena;
    struct finding *finding = findings_add(findings, rule);
    uint64_t id = operation_hash(place_hash_text(place_hash_text(PLACE_HASH_START, rule), "repeats"), operation);
    finding->id = id ^ (place.hash * UINT64_C(0x9e3779b97f4a7c15));
    finding->operation = operation_words(operation, arena);
    finding->context = context_of(process->trace, repeat->serving, NULL, arena);
    finding->title = arena_format(arena, "%s runs %.3g times in each %s: the N+1 pattern", finding->operation,
                                  count / served, finding->context.name);
    finding->remedy =
        "Read all rows with one statement (a join, WHERE … IN (…), the mapper's eager loading: "
        "select_related, prefetch_related, joinedload) instead of one for each.";
    finding->count = round_whole(count);
    finding->total_ns = round_whole(repeat->total_ns * count / repeat->weight);
    finding->max_ns = repeat->max_ns;
    finding->p99_ns = histogram_quantile(&repeat->durations, 0.99);
    if (finding->p99_ns > finding->max_ns)
        finding->p99_ns = finding->max_ns;
    finding->process = process_info_of(process);
    if (repeat->thread)
        finding->thread = thread_info_of(repeat->thread);
    finding->peer = peer_of(process, operation->endpoint, arena);
    finding->first_real_ns = source_real_ns(process->source, repeat->first_ns);
    finding->last_real_ns = source_real_ns(process->source, repeat->last_ns);
    if (stack->count > 0) {
        finding->stacks = arena_get(arena, sizeof(*finding->stacks));
        finding->stack_count = 1;
        finding->stacks[0] = (struct finding_stack){"asked", stack, finding->count, finding->total_ns};
    }
    evidence_text(finding, "kind", "repeated statement");
    evidence_number(finding, "per_request", count / served);
    evidence_count(finding, "requests_served", round_whole(served));
    evidence_time(finding, "per_request_ns", round_whole((double)finding->total_ns / served));
    if (place.user)
        evidence_text(finding, "called_from", words_frame(place.user, arena));
    evidence_count(finding, "sampled", repeat->samples);
}

void repeats_report(struct repeats *repeats, const char *rule, struct model *model, struct findings *findings)
{
    for (size_t i = 0; i < repeats->count; i++) {
        const struct repeat *repeat = &repeats->list[i];
        double served = repeat->serving ? operation_count(repeat->process, repeat->serving) : 0;
        double count = repeat_share(repeats, repeat) * operation_count(repeat->process, repeat->operation);
        if (served > 0 && repeat->samples >= SAMPLES_MIN && count >= served * (double)model->options->sweep_repeats)
            repeat_find(repeat, count, served, rule, model, findings);
    }
    for (size_t i = 0; i < repeats->count; i++)
        histogram_free(&repeats->list[i].durations);
    free(repeats->list);
    *repeats = (struct repeats){NULL, 0, 0};
}
