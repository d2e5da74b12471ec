/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keyspace-sweep: requests that touch a whole key space, collection or table at once (sweep.h), and statements that run
 * over and over in one request (repeats.h). While a server works on a sweep it keeps others waiting: how much slower
 * their requests were meanwhile is the evidence. Many sweeps of one server in a short time are a storm.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/conversation.h"
#include "analysis/problem.h"
#include "analysis/repeats.h"
#include "analysis/rule.h"
#include "analysis/slowdown.h"
#include "analysis/sweep_group.h"
#include "analysis/talk.h"

static const char rule_name[] = "keyspace-sweep";

struct state {
    struct sweep_chains chains;
    struct sweep_groups groups;
    struct slowdown slowdown;
    struct repeats repeats;
};

static void *rule_begin(struct model *model)
{
    (void)model;
    return memory_get(1, sizeof(struct state));
}

/* ---- the stream ---- */

static void sweep_finish(struct state *state, struct model *model, const struct sweep *sweep)
{
    if (sweep_is_large(sweep, model->options))
        sweep_groups_add(&state->groups, model, sweep);
}

static void sweep_take(struct state *state, struct model *model, const struct sweep *sweep,
                       const struct event_request *request)
{
    struct sweep done;
    if (sweep->kind != SWEEP_ITERATION || !(request->flags & REQUEST_CURSOR))
        sweep_finish(state, model, sweep);
    else if (sweep_chain_step(&state->chains, sweep, request->detail, request->detail2, &done))
        sweep_finish(state, model, &done);
}

/* The server that a request goes to, as sweep_where names it; NULL: not known. */
static const char *request_where(const struct model_process *process, const struct event_request *request)
{
    const struct trace_operation *operation = operation_find(process->trace, request->operation);
    struct sweep as_sweep = {.process = process, .operation = operation, .server = request->flags & REQUEST_SERVER};
    return operation ? sweep_where(&as_sweep) : NULL;
}

static void request_take(struct state *state, struct model *model, struct source *source,
                         const struct event_request *request)
{
    struct model_process *process = model_process_of(model, source);
    const char *where = request_where(process, request);
    uint64_t begin = request->header.time_ns + (uint64_t)source->shift_ns, end = begin + request->duration_ns;
    struct sweep sweep;
    if (!where)
        return;
    bool sweeps = sweep_of_request(model, source, request, &sweep);
    if (sweeps && sweep_is_large(&sweep, model->options))
        slowdown_sweep(&state->slowdown, where, begin, end);
    else if (!(request->flags & (REQUEST_NO_REPLY | REQUEST_GIVEN_UP)))
        slowdown_request(&state->slowdown, where, begin, end, request_weight(source->info, request));
    if (sweeps)
        sweep_take(state, model, &sweep, request);
    repeats_add(&state->repeats, model, source, request);
}

static void rule_event(void *opaque, struct model *model, struct source *source, const union trace_event *event)
{
    if (event->header.type == EVENT_REQUEST)
        request_take(opaque, model, source, &event->request);
}

/* ---- findings ---- */

/* "SCAN meta::*" */
static const char *group_operation(const struct sweep_group *group, struct arena *arena)
{
    const char *words = operation_words(group->operation, arena);
    bool keyed = group->key && group->key->text[0] && !strstr(words, group->key->text);
    return keyed ? arena_format(arena, "%s %s", words, group->key->text) : words;
}

static const char *group_title(const struct sweep_group *group, const struct finding *finding, struct arena *arena)
{
    const char *where = finding->peer ? words_peer(finding->peer, arena) : finding->process.name;
    const char *times =
        group->sweeps == 1 ? "once" : arena_format(arena, "%llu times", (unsigned long long)group->sweeps);
    const char *from = group->server       ? " for its clients"
                       : group->place.user ? arena_format(arena, " from %s", words_function(group->place.user, arena))
                                           : "";
    return arena_format(arena, "%s%s%s %s %s, %s, and holds it for %s", group->storming ? "A storm: " : "",
                        finding->operation, from, sweep_does(group->kind), where, times,
                        words_duration(group->held_ns, arena));
}

static void slowdown_evidence(struct state *state, const struct sweep_group *group, struct finding *finding)
{
    struct slowdown_result result;
    if (!slowdown_of(&state->slowdown, group->where, &result) || result.inside <= 0)
        return;
    evidence_count(finding, "others_meanwhile", (uint64_t)(result.inside + 0.5));
    evidence_time(finding, "others_p50_meanwhile_ns", result.inside_p50_ns);
    evidence_time(finding, "others_p99_meanwhile_ns", result.inside_p99_ns);
    if (result.outside <= 0)
        return;
    evidence_time(finding, "others_p50_otherwise_ns", result.outside_p50_ns);
    evidence_time(finding, "others_p99_otherwise_ns", result.outside_p99_ns);
    if (result.outside_p50_ns > 0)
        evidence_number(finding, "others_slowed_p50", (double)result.inside_p50_ns / (double)result.outside_p50_ns);
}

static uint64_t session_real_ns(const struct model *model, uint64_t time_ns)
{
    return source_real_ns(&model->session->sources[0], time_ns - (uint64_t)model->session->sources[0].shift_ns);
}

static void timeline_evidence(const struct timeline *timeline, const struct model *model, struct finding *finding,
                              struct arena *arena)
{
    struct series *series = arena_get(arena, sizeof(*series));
    series->start_real_ns = session_real_ns(model, timeline->start_ns);
    series->step_ns = timeline->step_ns;
    series->count = timeline->count;
    series->counts = arena_get(arena, timeline->count * sizeof(*series->counts));
    memcpy(series->counts, timeline->counts, timeline->count * sizeof(*series->counts));
    evidence_series(finding, "timeline", series);
}

static void evidence_fill(struct state *state, const struct sweep_group *group, const struct model *model,
                          struct finding *finding, struct arena *arena)
{
    if (group->most_calls > 1)
        evidence_count(finding, "calls_per_sweep", (group->calls + group->sweeps / 2) / group->sweeps);
    evidence_count(finding, "calls", group->calls);
    evidence_count(finding, "elements", group->elements);
    if (group->asked > 0)
        evidence_count(finding, "count_at_least", group->asked);
    evidence_time(finding, "held_p50_ns", histogram_quantile(&group->calls_held, 0.5));
    slowdown_evidence(state, group, finding);
    if (group->sweeps > 1)
        timeline_evidence(&sweep_groups_server(&state->groups, group)->timeline, model, finding, arena);
    if (group->most_calls > 1) {
        evidence_time(finding, "longest_sweep_ns", group->longest_sweep_ns);
        evidence_count(finding, "complete", group->complete);
    }
    evidence_count(finding, "processes", group->processes);
    evidence_text(finding, "longest_at", words_time(session_real_ns(model, group->longest_at_ns), arena));
    if (group->place.user)
        evidence_text(finding, "called_from", words_frame(group->place.user, arena));
    if (group->place.driver)
        evidence_text(finding, "driver", driver_name(group->place.driver, arena));
    evidence_text(finding, "kind", group->storming ? "storm" : "sweep");
}

static uint64_t group_id(const struct sweep_group *group)
{
    uint64_t id = operation_hash(place_hash_text(PLACE_HASH_START, rule_name), group->operation);
    if (group->place_hash != 0)
        return id ^ (group->place_hash * UINT64_C(0x9e3779b97f4a7c15));
    return place_hash_text(id, group->server ? "server" : group->process->program);
}

static void group_report(struct state *state, struct sweep_group *group, const struct model *model,
                         struct findings *findings)
{
    struct arena *arena = findings->arena;
    struct finding *finding = findings_add(findings, rule_name);
    finding->id = group_id(group);
    if (group->storming)
        finding->severity = SEVERITY_ERROR;
    finding->process = process_info_of(group->process);
    finding->thread = thread_info_of(group->thread);
    finding->peer = group->server ? NULL : peer_of(group->process, group->operation->endpoint, arena);
    finding->operation = group_operation(group, arena);
    finding->context = context_tally_heaviest(&group->contexts);
    finding->title = group_title(group, finding, arena);
    finding->remedy = sweep_remedy(group->kind);
    finding->count = group->sweeps;
    finding->total_ns = group->held_ns;
    finding->max_ns = group->longest_call_ns;
    finding->p99_ns = histogram_quantile(&group->calls_held, 0.99);
    if (finding->p99_ns > finding->max_ns)
        finding->p99_ns = finding->max_ns;
    finding->first_real_ns = session_real_ns(model, group->first_ns);
    finding->last_real_ns = session_real_ns(model, group->last_ns);
    finding->stacks = arena_get(arena, group->stack_count * sizeof(*finding->stacks));
    memcpy(finding->stacks, group->stacks, group->stack_count * sizeof(*finding->stacks));
    finding->stack_count = group->stack_count;
    evidence_fill(state, group, model, finding, arena);
}

static void rule_end(void *opaque, struct model *model, struct findings *findings)
{
    struct state *state = opaque;
    struct sweep rest;
    while (sweep_chain_rest(&state->chains, &rest))
        sweep_finish(state, model, &rest);
    sweep_groups_settle(&state->groups);
    for (size_t i = 0; i < state->groups.count; i++)
        group_report(state, &state->groups.list[i], model, findings);
    repeats_report(&state->repeats, rule_name, model, findings);
    sweep_groups_free(&state->groups);
    slowdown_free(&state->slowdown);
    free(state);
}

const struct rule rule_keyspace_sweep = {rule_begin, rule_event, rule_end};
