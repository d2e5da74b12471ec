/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop-stall: one turn of an event loop took longer than the threshold. Turns are grouped by where their time went: the
 * wait that dominates a blocked turn, or the code that the CPU samples of a computing turn have in common.
 *
 * A turn's event comes when the turn begins, before those of what happened inside it: each loop thread has at most one
 * open turn, which collects them and is judged when the thread's next turn comes or the stream ends.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/conversation.h"
#include "analysis/merge.h"
#include "analysis/own_call.h"
#include "analysis/problem.h"
#include "analysis/request_context.h"
#include "analysis/rule.h"
#include "analysis/stack_samples.h"

#define START_UP_NS 10000000 /* a turn that begins so soon after the loop's first wait began is still start-up */

static const char rule_name[] = "loop-stall";

enum stall_cause { STALL_BLOCKED, STALL_CPU, STALL_UNKNOWN_CPU, STALL_UNEXPLAINED };

/* A distinct wait or CPU stack in the open turn. */
struct turn_item {
    struct model_process *process; /* whose trace has stack and endpoint */
    uint32_t stack, endpoint;
    struct wait_context context;
    uint16_t call; /* 0: CPU sample */
    double weight; /* nanoseconds, or samples */
};

struct open_turn {
    struct model_thread *thread;
    struct event_turn turn; /* header.type 0: none open */
    uint32_t serving;       /* what the turn as a whole was at work on; 0: not known */
    struct turn_item *items;
    size_t count, capacity;
};

/* All stalls with one cause and place. */
struct stall {
    uint64_t id;
    enum stall_cause cause;
    struct model_thread *worst;
    const struct stack *stack;
    struct place place;
    const struct model_process *process; /* of the endpoint */
    uint32_t endpoint;
    uint16_t call;
    const struct trace_operation *operation; /* that it was blocked in; NULL: not known */
    struct context_tally contexts;           /* what the turns were at work on */
    const struct own_call *own;              /* what the program called, where that is known better than by `call` */
    bool runtime;                            /* blocked by the language's runtime: the GIL and the like */
    uint64_t blocked_problem; /* fingerprint of the non-yielding-io problem with the same place; 0: not blocked */
    uint64_t turns, total_ns, max_ns, max_real_ns, blocked_ns, cpu_ns, first_real_ns, last_real_ns;
    struct histogram histogram;
};

struct state {
    struct open_turn *open;
    size_t open_count, open_capacity;
    struct stall *stalls;
    size_t stall_count, stall_capacity;
};

static struct open_turn *open_turn_of(struct state *state, struct model_thread *thread)
{
    for (size_t i = 0; i < state->open_count; i++) {
        if (state->open[i].thread == thread)
            return &state->open[i];
    }
    state->open = memory_grow(state->open, state->open_count, &state->open_capacity, sizeof(*state->open));
    state->open[state->open_count] = (struct open_turn){.thread = thread};
    return &state->open[state->open_count++];
}

static void item_add(struct open_turn *open, struct turn_item item)
{
    for (size_t i = 0; i < open->count; i++) {
        struct turn_item *known = &open->items[i];
        if (known->process == item.process && known->stack == item.stack && known->endpoint == item.endpoint &&
            known->call == item.call && known->context.operation == item.context.operation &&
            known->context.serving == item.context.serving) {
            known->weight += item.weight;
            return;
        }
    }
    open->items = memory_grow(open->items, open->count, &open->capacity, sizeof(*open->items));
    open->items[open->count++] = item;
}

/* ---- where the time of a turn went ---- */

static const struct turn_item *item_heaviest(const struct open_turn *open, bool cpu)
{
    const struct turn_item *best = NULL;
    for (size_t i = 0; i < open->count; i++) {
        const struct turn_item *item = &open->items[i];
        if ((item->call == 0) == cpu && item->stack != 0 && (!best || item->weight > best->weight))
            best = item;
    }
    return best;
}

static void place_from_samples(struct model *model, const struct open_turn *open, struct stall *key)
{
    const struct model_process *process = open->thread->process;
    struct stack_sample *samples = memory_get(open->count, sizeof(*samples));
    size_t count = 0, heaviest = 0;
    for (size_t i = 0; i < open->count; i++) {
        const struct turn_item *item = &open->items[i];
        if (item->call == 0 && item->stack != 0)
            samples[count++] =
                (struct stack_sample){symbols_stack(model->symbols, process->trace, item->stack, 0), item->weight};
    }
    size_t common = stack_samples_common(samples, &count);
    for (size_t i = 1; i < count; i++) {
        if (samples[i].weight > samples[heaviest].weight)
            heaviest = i;
    }
    key->stack = samples[heaviest].stack;
    key->place = place_of_range(key->stack, key->stack->count - common, key->stack->count, process->program);
    free(samples);
}

static void place_from_wait(struct model *model, const struct open_turn *open, const struct turn_item *item,
                            struct stall *key)
{
    struct wait_row row = {.thread = open->thread,
                           .process = item->process,
                           .endpoint = item->endpoint,
                           .stack = item->stack,
                           .context = item->context,
                           .call = item->call};
    struct shares shares = {NULL, 0, 0};
    wait_classify(&row, model->symbols);
    struct share *share = shares_add(&shares, "non-yielding-io", model, &row);
    key->stack = share->stack;
    key->place = share->place;
    key->process = item->process;
    key->endpoint = item->endpoint;
    key->call = item->call;
    key->operation = share->operation;
    key->blocked_problem = share->id;
    key->runtime = row.runtime;
    key->own = row.own;
    shares_free(&shares);
}

static enum stall_cause turn_cause(const struct open_turn *open)
{
    const struct event_turn *turn = &open->turn;
    bool sampled = item_heaviest(open, true) != NULL;
    if (turn->blocked_ns >= turn->duration_ns / 2 && item_heaviest(open, false))
        return STALL_BLOCKED;
    if (turn->cpu_ns == UINT64_MAX)
        return sampled ? STALL_CPU : turn->blocked_ns >= turn->duration_ns / 2 ? STALL_BLOCKED : STALL_UNKNOWN_CPU;
    if (turn->cpu_ns + turn->blocked_ns < turn->duration_ns / 2)
        return STALL_UNEXPLAINED;
    if (turn->blocked_ns > turn->cpu_ns)
        return STALL_BLOCKED;
    return sampled ? STALL_CPU : STALL_UNKNOWN_CPU;
}

static const char *cause_name(enum stall_cause cause)
{
    static const char *const names[] = {[STALL_BLOCKED] = "blocked",
                                        [STALL_CPU] = "on CPU",
                                        [STALL_UNKNOWN_CPU] = "unknown, on CPU",
                                        [STALL_UNEXPLAINED] = "neither on CPU nor in a recorded call"};
    return names[cause];
}

static struct stall turn_judge(struct model *model, const struct open_turn *open)
{
    struct stall key = {.cause = turn_cause(open), .worst = open->thread};
    const struct turn_item *wait = item_heaviest(open, false);
    if (key.cause == STALL_BLOCKED && wait)
        place_from_wait(model, open, wait, &key);
    else if (key.cause == STALL_CPU)
        place_from_samples(model, open, &key);
    key.id = place_hash_text(PLACE_HASH_START, rule_name);
    key.id = place_hash_text(key.id, cause_name(key.cause));
    if (key.place.hash != 0)
        key.id ^= key.place.hash * UINT64_C(0x9e3779b97f4a7c15);
    else
        key.id = place_hash_text(place_hash_text(key.id, open->thread->process->program), open->thread->loop_kind);
    return key;
}

/* ---- turns ---- */

static void stall_count_turn(struct stall *stall, const struct open_turn *open)
{
    const struct event_turn *turn = &open->turn;
    const struct source *source = open->thread->process->source;
    uint64_t begin = source_real_ns(source, turn->header.time_ns);
    uint64_t end = begin + turn->duration_ns;
    if (stall->turns++ == 0 || begin < stall->first_real_ns)
        stall->first_real_ns = begin;
    if (end > stall->last_real_ns)
        stall->last_real_ns = end;
    stall->total_ns += turn->duration_ns;
    stall->blocked_ns += turn->blocked_ns < turn->duration_ns ? turn->blocked_ns : turn->duration_ns;
    stall->cpu_ns += turn->cpu_ns <= turn->duration_ns ? turn->cpu_ns : 0;
    histogram_add(&stall->histogram, turn->duration_ns, 1);
    if (turn->duration_ns > stall->max_ns) {
        stall->max_ns = turn->duration_ns;
        stall->max_real_ns = begin;
        stall->worst = open->thread;
    }
}

/* What the loop was at work on in this turn: the recorder's word for the whole, else what its waits and CPU samples say
   most. */
static void stall_count_context(struct stall *stall, const struct open_turn *open, struct arena *arena)
{
    const struct trace *trace = open->thread->process->trace;
    struct context_tally parts = {.count = 0};
    struct request_context context = context_of(trace, open->serving, stall->stack, arena);
    for (size_t i = 0; !context.name && i < open->count; i++) {
        struct request_context part = context_of(trace, open->items[i].context.serving, NULL, arena);
        context_tally_add(&parts, &part, open->items[i].weight);
    }
    if (!context.name)
        context = context_tally_heaviest(&parts);
    context.others = 0;
    context_tally_add(&stall->contexts, &context, (double)open->turn.duration_ns);
    context_tally_free(&parts);
}

static void turn_close(struct state *state, struct model *model, struct open_turn *open)
{
    if (open->turn.header.type == 0)
        return;
    struct stall key = turn_judge(model, open);
    struct stall *stall = NULL;
    for (size_t i = 0; i < state->stall_count && !stall; i++)
        stall = state->stalls[i].id == key.id ? &state->stalls[i] : NULL;
    if (!stall) {
        state->stalls = memory_grow(state->stalls, state->stall_count, &state->stall_capacity, sizeof(*state->stalls));
        stall = &state->stalls[state->stall_count++];
        *stall = key;
    }
    stall_count_turn(stall, open);
    stall_count_context(stall, open, model->arena);
    open->turn.header.type = 0;
    open->count = 0;
}

static bool turn_is_stall(const struct model *model, const struct model_thread *thread, const struct event_turn *turn)
{
    return thread->loop_kind && thread_owns_site(thread, turn->endpoint) &&
           turn->duration_ns >= model->options->stall_threshold &&
           turn->header.time_ns >= thread->loop_first_ns + START_UP_NS;
}

static void turn_take(struct state *state, struct model *model, struct model_process *process,
                      const struct event_turn *turn)
{
    struct model_thread *thread = model_thread_find(process, turn->slot, turn->tid);
    if (!thread || !turn_is_stall(model, thread, turn))
        return;
    struct open_turn *open = open_turn_of(state, thread);
    turn_close(state, model, open);
    open->turn = *turn;
    open->serving = model->context.serving;
}

static struct open_turn *turn_around(struct state *state, const struct model_thread *thread, uint64_t time_ns)
{
    for (size_t i = 0; thread && i < state->open_count; i++) {
        struct open_turn *open = &state->open[i];
        if (open->thread == thread && open->turn.header.type != 0 && time_ns >= open->turn.header.time_ns &&
            time_ns - open->turn.header.time_ns <= open->turn.duration_ns)
            return open;
    }
    return NULL;
}

/* The length of turns is not seen through the kernel, but one wait may be longer than a turn should be. */
static void wait_is_turn(struct state *state, struct model *model, const struct merged *merged)
{
    const struct event_wait *wait = merged->wait.event;
    struct model_thread *thread = merged->wait.thread;
    if (!thread->process->kernel || !thread->loop_kind || wait->duration_ns < model->options->stall_threshold ||
        merged->wait.phase != PHASE_LOOP)
        return;
    struct open_turn *open = open_turn_of(state, thread);
    open->turn =
        (struct event_turn){.header = {EVENT_MAGIC, EVENT_TURN, sizeof(struct event_turn), wait->header.time_ns},
                            .duration_ns = wait->duration_ns,
                            .blocked_ns = wait->duration_ns,
                            .cpu_ns = UINT64_MAX,
                            .tid = wait->tid};
    item_add(open, (struct turn_item){merged->wait.process, wait->stack, wait->endpoint, merged->wait.context,
                                      wait->call, (double)wait->duration_ns});
    turn_close(state, model, open);
}

static void wait_take(struct state *state, struct model *model, const struct merged *merged)
{
    if (merged->kind == MERGED_NONE || merged->kind == MERGED_DETAIL || merged->idle)
        return;
    const struct event_wait *wait = merged->wait.event;
    struct open_turn *open = turn_around(state, merged->wait.thread, wait->header.time_ns);
    double ns = merged->wait.weight * (double)wait->duration_ns;
    if (open) {
        item_add(open, (struct turn_item){merged->wait.process, wait->stack, wait->endpoint, merged->wait.context,
                                          wait->call, ns});
        if (merged->kind == MERGED_KERNEL)
            open->turn.blocked_ns += wait->duration_ns; /* the recorder's sum is of its own calls */
    } else if (merged->kind == MERGED_KERNEL) {
        wait_is_turn(state, model, merged);
    }
}

static void *rule_begin(struct model *model)
{
    (void)model;
    return memory_get(1, sizeof(struct state));
}

static void rule_event(void *opaque, struct model *model, struct source *source, const union trace_event *event)
{
    struct state *state = opaque;
    struct model_process *process = model_process_of(model, source);
    const struct model_thread *thread;
    struct open_turn *open;
    switch (event->header.type) {
    case EVENT_TURN:
        turn_take(state, model, process, &event->turn);
        break;
    case EVENT_WAIT:
    case EVENT_OFFCPU:
        wait_take(state, model, model->wait);
        break;
    case EVENT_CPU:
        thread = event->cpu.turn_start_ns && state->open_count > 0
                     ? model_thread_find(process, event->cpu.slot, event->cpu.tid)
                     : NULL;
        open = turn_around(state, thread, event->header.time_ns);
        if (open)
            item_add(open, (struct turn_item){process, event->cpu.stack, 0, model->context, 0, 1});
        break;
    default:
        break;
    }
}

/* ---- findings ---- */

/* ", serving SCAN" */
static const char *stall_serving(const struct finding *finding, struct arena *arena)
{
    const struct request_context *context = &finding->context;
    if (!context->name)
        return "";
    return arena_format(arena, context->task ? ", running the task %s" : ", serving %s", context->name);
}

static const char *stall_title(const struct stall *stall, const struct findings *findings)
{
    struct arena *arena = findings->arena;
    const char *start = arena_format(
        arena, stall->turns > 1 ? "%llu turns of the %s loop took up to %s" : "%llu turn of the %s loop took %s",
        (unsigned long long)stall->turns, stall->worst->loop_kind, words_duration(stall->max_ns, arena));
    const char *call = stall->call ? trace_call_name(stall->call) : NULL;
    const char *asked = stall->operation ? protocol_title(stall->operation->protocol) : NULL;
    const char *driver = stall->own ? stall->own->name
                         : asked    ? arena_format(arena, "a %s %s", asked, protocol_asked(stall->operation->protocol))
                         : stall->place.driver ? driver_name(stall->place.driver, arena)
                         : call                ? call
                                               : "a call";
    const struct frame *user = stall->place.user;
    switch (stall->cause) {
    case STALL_BLOCKED:
        if (stall->runtime)
            return arena_format(arena, "%s, waiting for the language runtime (interpreter lock, garbage collection)",
                                start);
        if (findings_find(findings, stall->blocked_problem))
            return arena_format(arena, "%s, blocked by %s (see non-yielding-io %016llx)", start, driver,
                                (unsigned long long)stall->blocked_problem);
        return arena_format(arena, "%s, blocked by %s", start, driver);
    case STALL_CPU:
        return user ? arena_format(arena, "%s, computing in %s", start, words_frame(user, arena))
                    : arena_format(arena, "%s, computing", start);
    case STALL_UNKNOWN_CPU:
        return arena_format(arena, "%s, computing", start);
    case STALL_UNEXPLAINED:
        return arena_format(arena, "%s, neither computing nor in a recorded call", start);
    }
    return start;
}

static const char *stall_remedy(enum stall_cause cause)
{
    switch (cause) {
    case STALL_BLOCKED:
        return "Move the blocking call off the loop's thread, or replace it by one that yields.";
    case STALL_CPU:
    case STALL_UNKNOWN_CPU:
        return "Split the work into pieces that yield in between, or move it to another process or thread.";
    case STALL_UNEXPLAINED:
        return "The thread wanted to run and could not: look for CPU limits and busy neighbours, memory that was "
               "swapped "
               "out, or a stopped process.";
    }
    return "";
}

static void stall_report(const struct stall *stall, struct findings *findings)
{
    struct arena *arena = findings->arena;
    const struct model_process *process = stall->worst->process;
    struct finding *finding = findings_add(findings, rule_name);
    finding->id = stall->id;
    finding->context = context_tally_heaviest(&stall->contexts);
    finding->operation = stall->operation ? operation_words(stall->operation, arena) : NULL;
    finding->title = arena_format(arena, "%s%s", stall_title(stall, findings), stall_serving(finding, arena));
    finding->remedy = stall_remedy(stall->cause);
    finding->count = stall->turns;
    finding->total_ns = stall->total_ns;
    finding->max_ns = stall->max_ns;
    finding->p99_ns = histogram_quantile(&stall->histogram, 0.99);
    if (finding->p99_ns > finding->max_ns)
        finding->p99_ns = finding->max_ns;
    finding->process = process_info_of(process);
    finding->thread = thread_info_of(stall->worst);
    finding->peer = stall->process ? peer_of(stall->process, stall->endpoint, arena) : NULL;
    finding->first_real_ns = stall->first_real_ns;
    finding->last_real_ns = stall->last_real_ns;
    if (stall->stack && stall->stack->count > 0) {
        finding->stacks = arena_get(arena, sizeof(*finding->stacks));
        finding->stack_count = 1;
        finding->stacks[0] = (struct finding_stack){stall->cause == STALL_BLOCKED ? "blocked" : "on CPU", stall->stack,
                                                    stall->turns, stall->total_ns};
    }
    evidence_text(finding, "cause", cause_name(stall->cause));
    evidence_text(finding, "loop_kind", stall->worst->loop_kind);
    evidence_count(finding, "turns", stall->turns);
    evidence_time(finding, "on_cpu_ns", stall->cpu_ns);
    evidence_time(finding, "blocked_ns", stall->blocked_ns);
    evidence_text(finding, "longest_at", words_time(stall->max_real_ns, arena));
    if (stall->place.driver)
        evidence_text(finding, "driver", driver_name(stall->place.driver, arena));
    if (stall->place.user)
        evidence_text(finding, "called_from", words_frame(stall->place.user, arena));
}

static void rule_end(void *opaque, struct model *model, struct findings *findings)
{
    struct state *state = opaque;
    for (size_t i = 0; i < state->open_count; i++) {
        turn_close(state, model, &state->open[i]);
        free(state->open[i].items);
    }
    for (size_t i = 0; i < state->stall_count; i++) {
        struct stall *stall = &state->stalls[i];
        if (stall->cause != STALL_UNEXPLAINED || stall->max_ns >= model->options->stall_unexplained)
            stall_report(stall, findings);
        histogram_free(&stall->histogram);
        context_tally_free(&stall->contexts);
    }
    free(state->stalls);
    free(state->open);
    free(state);
}

const struct rule rule_loop_stall = {rule_begin, rule_event, rule_end};
