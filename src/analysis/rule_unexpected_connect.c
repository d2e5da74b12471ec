/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unexpected-connect: a process spoke to a peer that the policy does not allow, judged by what was spoken, whatever the
 * port. Without a policy nothing is unexpected. One finding is one kind of process, protocol, peer and place that opens
 * the connections; what the peer cost in all is shared out over its places by their connects.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/connect_opener.h"
#include "analysis/conversation.h"
#include "analysis/endpoints.h"
#include "analysis/place.h"
#include "analysis/policy.h"
#include "analysis/round.h"
#include "analysis/rule.h"

#define OPERATIONS_NAMED 5

static const char rule_name[] = "unexpected-connect";

/* Connects of one process from one stack to one endpoint. */
struct opening {
    const struct model_process *process;
    const struct model_thread *thread;
    uint32_t endpoint, stack;
    double count, failed, total_ns;
    uint64_t max_ns, first_ns, last_ns;
    uint16_t error;
    bool given_up;
};

/* An operation that was asked of an unexpected peer. */
struct asked {
    const char *words;
    uint64_t count, total_ns;
};

/* All dealings of one kind of process with one unexpected peer. */
struct contact {
    const char *process_name;
    const struct peer *peer;
    const struct model_process *process; /* the one that waited most */
    const struct model_thread *thread;
    uint64_t most_ns;
    uint64_t wait_ns, calls, requests, request_ns, errors, max_ns, first_real_ns, last_real_ns;
    size_t processes;
    struct asked *asked;
    size_t asked_count, asked_capacity;
    struct histogram durations;
};

/* The places from which a contact's connections are opened. */
struct place_sum {
    uint64_t hash;
    size_t contact;
    const struct stack *stack;
    const struct model_thread *thread;
    double count, failed, total_ns, heaviest_ns;
    uint64_t max_ns, first_real_ns, last_real_ns;
    uint16_t error;
    bool given_up;
};

struct state {
    struct opening *openings;
    size_t opening_count, opening_capacity;
    struct contact *contacts;
    size_t contact_count, contact_capacity;
    struct place_sum *places;
    size_t place_count, place_capacity;
};

/* ---- the stream ---- */

static void *rule_begin(struct model *model)
{
    return model->options->policy ? memory_get(1, sizeof(struct state)) : NULL;
}

static struct opening *opening_get(struct state *state, const struct model_process *process,
                                   const struct event_connect *connect)
{
    for (size_t i = 0; i < state->opening_count; i++) {
        struct opening *known = &state->openings[i];
        if (known->process == process && known->endpoint == connect->endpoint && known->stack == connect->stack)
            return known;
    }
    state->openings =
        memory_grow(state->openings, state->opening_count, &state->opening_capacity, sizeof(*state->openings));
    struct opening *opening = &state->openings[state->opening_count++];
    *opening = (struct opening){.process = process,
                                .endpoint = connect->endpoint,
                                .stack = connect->stack,
                                .first_ns = connect->header.time_ns};
    return opening;
}

static void rule_event(void *opaque, struct model *model, struct source *source, const union trace_event *event)
{
    struct state *state = opaque;
    if (!state || event->header.type != EVENT_CONNECT)
        return;
    const struct event_connect *connect = &event->connect;
    struct model_process *process = model_process_of(model, source);
    struct opening *opening = opening_get(state, process, connect);
    double weight = connect->weight >= 1 ? (double)connect->weight : 1;
    uint64_t end = connect->header.time_ns + connect->duration_ns;
    opening->thread = model_thread_find(process, connect->slot, connect->tid);
    opening->count += weight;
    opening->total_ns += weight * (double)connect->duration_ns;
    if (connect->duration_ns > opening->max_ns)
        opening->max_ns = connect->duration_ns;
    if (end > opening->last_ns)
        opening->last_ns = end;
    if (connect->error == 0 && !(connect->flags & CONNECT_GIVEN_UP))
        return;
    opening->failed += weight;
    opening->error = connect->error;
    opening->given_up = connect->flags & CONNECT_GIVEN_UP;
}

/* ---- what was said to whom ---- */

static bool peer_equal(const struct peer *a, const struct peer *b)
{
    return strcmp(a->address, b->address) == 0 && strcmp(a->family, b->family) == 0 &&
           strcmp(a->protocol, b->protocol) == 0;
}

static struct contact *contact_get(struct state *state, const struct model_process *process, const struct peer *peer)
{
    for (size_t i = 0; i < state->contact_count; i++) {
        struct contact *known = &state->contacts[i];
        if (strcmp(known->process_name, process->name) == 0 && peer_equal(known->peer, peer))
            return known;
    }
    state->contacts =
        memory_grow(state->contacts, state->contact_count, &state->contact_capacity, sizeof(*state->contacts));
    struct contact *contact = &state->contacts[state->contact_count++];
    *contact =
        (struct contact){.process_name = process->name, .peer = peer, .process = process, .first_real_ns = UINT64_MAX};
    return contact;
}

static void contact_asked(struct contact *contact, const struct trace_operation *operation,
                          const struct trace_counter *counter, struct arena *arena)
{
    const char *words = operation_words(operation, arena);
    size_t i = 0;
    contact->requests += counter->count;
    contact->request_ns += counter->total_ns;
    contact->errors += counter->failed;
    while (i < contact->asked_count && strcmp(contact->asked[i].words, words) != 0)
        i++;
    if (i == contact->asked_count) {
        contact->asked =
            memory_grow(contact->asked, contact->asked_count, &contact->asked_capacity, sizeof(*contact->asked));
        contact->asked[contact->asked_count++] = (struct asked){words, 0, 0};
    }
    contact->asked[i].count += counter->count;
    contact->asked[i].total_ns += counter->total_ns;
}

static void contact_seen(struct contact *contact, const struct model_thread *thread,
                         const struct trace_counter *counter)
{
    const struct source *source = thread->process->source;
    uint64_t first = source_real_ns(source, counter->first_ns), last = source_real_ns(source, counter->last_ns);
    if (first < contact->first_real_ns)
        contact->first_real_ns = first;
    if (last > contact->last_real_ns)
        contact->last_real_ns = last;
    if (counter->max_ns > contact->max_ns)
        contact->max_ns = counter->max_ns;
    if (counter->total_ns >= contact->most_ns) {
        contact->most_ns = counter->total_ns;
        contact->process = thread->process;
        contact->thread = thread;
    }
}

/* What a counter says of one endpoint: its waits, or requests to it. */
static void counter_take(struct contact *contact, const struct model_thread *thread,
                         const struct trace_counter *counter, uint32_t endpoint, struct arena *arena)
{
    const struct trace_operation *operation = counter_operation(thread->process->trace, counter);
    bool request = trace_call_category(counter->call) == CALL_REQUEST;
    if (request
            ? !operation || operation->endpoint != endpoint
            : counter->endpoint != endpoint || !trace_call_waits(counter->call) || (counter->flags & WAIT_SERVER_SIDE))
        return;
    contact_seen(contact, thread, counter);
    if (request) {
        contact_asked(contact, operation, counter, arena);
    } else {
        contact->wait_ns += counter->total_ns;
        contact->calls += counter->count;
    }
}

/* Whether the process itself had to do with it: after a fork it knows its parent's peers too. */
static bool endpoint_is_used(const struct state *state, const struct model_process *process, uint32_t endpoint)
{
    for (size_t i = 0; i < state->opening_count; i++) {
        if (state->openings[i].process == process && state->openings[i].endpoint == endpoint)
            return true;
    }
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct trace_thread *thread = process->threads[i].source;
        for (size_t j = 0; j < thread->counter_count; j++) {
            const struct trace_counter *counter = &thread->counters[j];
            const struct trace_operation *operation = counter_operation(process->trace, counter);
            if (operation ? operation->endpoint == endpoint
                          : trace_call_waits(counter->call) && counter->endpoint == endpoint)
                return true;
        }
    }
    return false;
}

/* ---- from where ---- */

static struct place_sum *place_get(struct state *state, size_t contact, uint64_t hash)
{
    for (size_t i = 0; i < state->place_count; i++) {
        if (state->places[i].contact == contact && state->places[i].hash == hash)
            return &state->places[i];
    }
    state->places = memory_grow(state->places, state->place_count, &state->place_capacity, sizeof(*state->places));
    struct place_sum *place = &state->places[state->place_count++];
    *place = (struct place_sum){.hash = hash, .contact = contact, .first_real_ns = UINT64_MAX, .heaviest_ns = -1};
    return place;
}

static void opening_place(struct state *state, struct model *model, size_t contact, const struct opening *opening)
{
    const struct model_process *process = opening->process;
    const struct stack *stack = symbols_stack(model->symbols, process->trace, opening->stack, 0);
    struct place_sum *place = place_get(state, contact, place_of(stack, process->program).hash);
    uint64_t first = source_real_ns(process->source, opening->first_ns),
             last = source_real_ns(process->source, opening->last_ns);
    place->count += opening->count;
    place->failed += opening->failed;
    place->total_ns += opening->total_ns;
    place->max_ns = opening->max_ns > place->max_ns ? opening->max_ns : place->max_ns;
    place->first_real_ns = first < place->first_real_ns ? first : place->first_real_ns;
    place->last_real_ns = last > place->last_real_ns ? last : place->last_real_ns;
    if (opening->failed > 0) {
        place->error = opening->error;
        place->given_up = opening->given_up;
    }
    if (opening->total_ns > place->heaviest_ns) {
        place->heaviest_ns = opening->total_ns;
        place->stack = stack;
        place->thread = opening->thread;
    }
}

/* Older than the recording: who uses the connection is known, who opened it is not. */
static void use_place(struct state *state, struct model *model, size_t contact, const struct model_process *process,
                      uint32_t endpoint)
{
    const struct wait_row *heaviest = NULL;
    for (size_t i = 0; i < model->waits.count; i++) {
        const struct wait_row *row = &model->waits.rows[i];
        if (row->process == process && row->endpoint == endpoint && row->stack != 0 &&
            (!heaviest || row->total_ns > heaviest->total_ns))
            heaviest = row;
    }
    const struct stack *stack = heaviest ? model_row_stack(model, heaviest) : NULL;
    struct place_sum *place = place_get(state, contact, stack ? place_of(stack, process->program).hash : 0);
    if (!place->stack) {
        place->stack = stack;
        place->thread = heaviest ? heaviest->thread : NULL;
    }
}

static void endpoint_judge(struct state *state, struct model *model, const struct model_process *process,
                           const struct trace_endpoint *endpoint)
{
    const struct peer *peer = peer_of(process, endpoint->id, model->arena);
    struct process_info info = process_info_of(process);
    if (policy_excuses(peer) || policy_allows(model->options->policy, &info, peer) ||
        !endpoint_is_used(state, process, endpoint->id))
        return;
    struct contact *contact = contact_get(state, process, peer);
    size_t number = (size_t)(contact - state->contacts);
    bool opened = false;
    contact->processes++;
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct model_thread *thread = &process->threads[i];
        for (size_t j = 0; j < thread->source->counter_count; j++)
            counter_take(contact, thread, &thread->source->counters[j], endpoint->id, model->arena);
    }
    for (size_t i = 0; i < model->talk.operation_index.count; i++) {
        const struct talk_operation *talk = &model->talk.operations[i];
        const struct trace_operation *operation =
            talk->process == process ? operation_find(process->trace, talk->operation) : NULL;
        if (operation && operation->endpoint == endpoint->id)
            histogram_merge(&contact->durations, &talk->durations, 1);
    }
    for (size_t i = 0; i < state->opening_count; i++) {
        if (state->openings[i].process != process || state->openings[i].endpoint != endpoint->id)
            continue;
        opening_place(state, model, number, &state->openings[i]);
        opened = true;
    }
    if (!opened)
        use_place(state, model, number, process, endpoint->id);
}

/* ---- findings ---- */

static int asked_compare(const void *left, const void *right)
{
    const struct asked *a = left, *b = right;
    if (a->total_ns != b->total_ns)
        return a->total_ns > b->total_ns ? -1 : 1;
    return strcmp(a->words, b->words);
}

/* "INSERT INTO t (12), COMMIT (3)" */
static const char *asked_words(struct contact *contact, struct arena *arena)
{
    const char *words = NULL;
    if (contact->asked_count > 0)
        qsort(contact->asked, contact->asked_count, sizeof(*contact->asked), asked_compare);
    for (size_t i = 0; i < contact->asked_count && i < OPERATIONS_NAMED; i++)
        words = arena_format(arena, "%s%s%s (%llu)", words ? words : "", words ? ", " : "", contact->asked[i].words,
                             (unsigned long long)contact->asked[i].count);
    return words;
}

static const char *outcome_of(const struct place_sum *place)
{
    if (place->failed <= 0)
        return place->count > 0 ? "connected" : "open before the recording began";
    if (place->count - place->failed >= 0.5)
        return "failed sometimes";
    if (place->given_up)
        return "never completed";
    return place->error == ECONNREFUSED ? "refused" : place->error == ETIMEDOUT ? "timed out" : "failed";
}

static const char *place_title(const struct place_sum *place, const struct contact *contact, struct arena *arena)
{
    const struct peer *peer = contact->peer;
    enum wire_protocol protocol = wire_protocol_find(peer->protocol, strlen(peer->protocol));
    const char *spoken = protocol_title((uint16_t)protocol);
    const char *where = peer->name ? arena_format(arena, "%s (%s)", peer->address, peer->name) : peer->address;
    if (place->count > 0 && place->count - place->failed < 0.5)
        return arena_format(arena, "%s tries to connect to %s, which the policy does not allow: %s",
                            contact->process_name, where, outcome_of(place));
    const struct frame *opener =
        place->stack && place->count > 0 ? connect_opener(place->stack, contact->process->program) : NULL;
    const char *opened = !opener ? ""
                         : opener->kind == FRAME_PYTHON
                             ? arena_format(arena, "; opened by %s.%s", opener->module, words_function(opener, arena))
                             : arena_format(arena, "; opened by %s", words_function(opener, arena));
    return spoken ? arena_format(arena, "%s speaks %s to %s, which the policy does not allow%s", contact->process_name,
                                 spoken, where, opened)
                  : arena_format(arena, "%s connects to %s, which the policy does not allow%s", contact->process_name,
                                 where, opened);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The share of the contact's cost that falls to the place. */
static double place_share(const struct state *state, const struct place_sum *place)
{
    double all = 0;
    size_t places = 0;
    for (size_t i = 0; i < state->place_count; i++) {
        if (state->places[i].contact == place->contact) {
            all += state->places[i].count;
            places++;
        }
    }
    return all > 0 ? place->count / all : 1.0 / (double)places;
}

static void evidence_fill(struct finding *finding, const struct place_sum *place, struct contact *contact, double share,
                          struct arena *arena)
{
    const struct frame *opener = place->stack ? connect_opener(place->stack, contact->process->program) : NULL;
    const char *through = place->stack ? connect_through(place->stack, opener, contact->process->program, arena) : NULL;
    const char *words = asked_words(contact, arena);
    evidence_text(finding, "outcome", outcome_of(place));
    if (opener)
        evidence_text(finding, place->count > 0 ? "opened_from" : "used_from", words_frame(opener, arena));
    if (through)
        evidence_text(finding, "through", through);
    evidence_count(finding, "connects", round_whole(place->count));
    evidence_time(finding, "connect_ns", round_whole(place->total_ns));
    evidence_count(finding, "connects_failed", round_whole(place->failed));
    evidence_count(finding, "requests", round_whole(share * (double)contact->requests));
    evidence_time(finding, "request_ns", round_whole(share * (double)contact->request_ns));
    evidence_time(finding, "wait_ns", round_whole(share * (double)contact->wait_ns));
    evidence_count(finding, "errors", contact->errors);
    if (words)
        evidence_text(finding, "said", words);
    evidence_count(finding, "processes", contact->processes);
    finding->operation = contact->asked_count > 0 ? contact->asked[0].words : NULL;
    finding->remedy = connect_remedy(opener);
}

static uint64_t place_id(const struct place_sum *place, const struct contact *contact)
{
    uint64_t id = place_hash_text(place_hash_text(PLACE_HASH_START, rule_name), contact->peer->protocol);
    if (place->hash != 0)
        return id ^ (place->hash * UINT64_C(0x9e3779b97f4a7c15));
    return place_hash_text(id, contact->process_name);
}

static void place_report(const struct state *state, const struct place_sum *place, struct findings *findings)
{
    struct contact *contact = &state->contacts[place->contact];
    struct arena *arena = findings->arena;
    struct finding *finding = findings_add(findings, rule_name);
    const struct model_thread *thread = place->thread ? place->thread : contact->thread;
    double share = place_share(state, place);
    uint64_t waited = round_whole(share * (double)contact->wait_ns),
             asked = round_whole(share * (double)contact->request_ns + place->total_ns);
    finding->id = place_id(place, contact);
    finding->title = place_title(place, contact, arena);
    finding->count = place->count > 0 ? round_whole(place->count) : larger(contact->requests, 1);
    finding->total_ns = larger(waited, asked); /* one contains the other where the program waits for its answers */
    finding->max_ns = larger(contact->max_ns, place->max_ns);
    finding->p99_ns = histogram_quantile(&contact->durations, 0.99);
    if (finding->p99_ns > finding->max_ns)
        finding->p99_ns = finding->max_ns;
    finding->process = process_info_of(thread ? thread->process : contact->process);
    if (thread)
        finding->thread = thread_info_of(thread);
    finding->peer = contact->peer;
    finding->first_real_ns =
        place->first_real_ns < contact->first_real_ns ? place->first_real_ns : contact->first_real_ns;
    finding->last_real_ns = larger(place->last_real_ns, contact->last_real_ns);
    if (place->stack && place->stack->count > 0) {
        finding->stacks = arena_get(arena, sizeof(*finding->stacks));
        finding->stack_count = 1;
        finding->stacks[0] = (struct finding_stack){place->count > 0 ? "opened" : "used", place->stack, finding->count,
                                                    round_whole(place->total_ns)};
    }
    evidence_fill(finding, place, contact, share, arena);
}

static void state_free(struct state *state)
{
    for (size_t i = 0; i < state->contact_count; i++) {
        histogram_free(&state->contacts[i].durations);
        free(state->contacts[i].asked);
    }
    free(state->openings);
    free(state->contacts);
    free(state->places);
    free(state);
}

static void rule_end(void *opaque, struct model *model, struct findings *findings)
{
    struct state *state = opaque;
    if (!state)
        return;
    for (size_t i = 0; i < model->process_count; i++) {
        const struct model_process *process = &model->processes[i];
        for (size_t j = 0; j < trace_endpoint_count(process->trace); j++) {
            const struct trace_endpoint *endpoint = trace_endpoint_at(process->trace, j);
            if (endpoint_is_peer(endpoint))
                endpoint_judge(state, model, process, endpoint);
        }
    }
    for (size_t i = 0; i < state->place_count; i++)
        place_report(state, &state->places[i], findings);
    state_free(state);
}

const struct rule rule_unexpected_connect = {rule_begin, rule_event, rule_end};
