/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a problem to a finding: problem.h. */
#include <stdlib.h>
#include <string.h>

#include "analysis/conversation.h"
#include "analysis/lock_stacks.h"
#include "analysis/problem.h"
#include "analysis/request_context.h"
#include "analysis/round.h"
#include "analysis/wake_chain.h"
#include "analysis/waker.h"

#define WAKER_SHARE_MUCH 0.5 /* of the waited time that one thread must have ended to be named */
#define WAKERS_MAX 16        /* that are added up */
#define STACKS_MAX 10        /* the heaviest ones are shown */

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

struct stack_sum {
    uint64_t hash;
    const struct stack *stack;
    double count, total_ns;
};

static int sum_by_hash(const void *left, const void *right)
{
    const struct stack_sum *a = left, *b = right;
    return a->hash < b->hash ? -1 : a->hash > b->hash;
}

static int sum_by_weight(const void *left, const void *right)
{
    const struct stack_sum *a = left, *b = right;
    if (a->total_ns != b->total_ns)
        return a->total_ns > b->total_ns ? -1 : 1;
    return sum_by_hash(left, right);
}

/* Stacks of the problem, equal ones of different processes taken together, heaviest first. Returns how many. */
static size_t stacks_sum(const struct problem *problem, struct stack_sum *sums)
{
    size_t count = 0, distinct = 0;
    for (size_t i = 0; i < problem->count; i++) {
        const struct share *share = &problem->shares[i];
        if (share->stack->count > 0 && share->row->stack != 0)
            sums[count++] = (struct stack_sum){stack_hash(share->stack), share->stack, share->count, share->total_ns};
    }
    if (count == 0)
        return 0;
    qsort(sums, count, sizeof(*sums), sum_by_hash);
    for (size_t i = 1; i < count; i++) {
        if (sums[i].hash == sums[distinct].hash) {
            sums[distinct].count += sums[i].count;
            sums[distinct].total_ns += sums[i].total_ns;
        } else {
            sums[++distinct] = sums[i];
        }
    }
    qsort(sums, distinct + 1, sizeof(*sums), sum_by_weight);
    return distinct + 1;
}

static void stacks_report(const struct problem *problem, const char *role, struct finding *finding, struct arena *arena)
{
    struct stack_sum *sums = memory_get(problem->count, sizeof(*sums));
    size_t count = stacks_sum(problem, sums);
    if (count > STACKS_MAX)
        count = STACKS_MAX;
    finding->stacks = arena_get(arena, count * sizeof(*finding->stacks));
    finding->stack_count = count;
    for (size_t i = 0; i < count; i++)
        finding->stacks[i] =
            (struct finding_stack){role, sums[i].stack, round_whole(sums[i].count), round_whole(sums[i].total_ns)};
    free(sums);
}

static bool kind_is_network(enum endpoint_kind kind)
{
    return kind == ENDPOINT_INET || kind == ENDPOINT_INET6 || kind == ENDPOINT_UNIX;
}

/* The endpoint with most time, those with an address before all others. */
static void peer_report(const struct problem *problem, struct finding *finding, struct arena *arena)
{
    const struct share *best = NULL;
    bool best_network = false;
    for (size_t i = 0; i < problem->count; i++) {
        const struct share *share = &problem->shares[i];
        bool network = kind_is_network(wait_endpoint_kind(share->row));
        const struct peer *peer = peer_of(share->row->process, share->row->endpoint, arena);
        if (!peer ||
            (best && (network < best_network || (network == best_network && share->total_ns <= best->total_ns))))
            continue;
        best = share;
        best_network = network;
        finding->peer = peer;
    }
}

/* What was asked, the same in all shares; else where the thing waited for has a name of its own: the host looked up,
   the file, the command. */
static void operation_report(const struct problem *problem, struct finding *finding, struct arena *arena)
{
    double most = -1;
    if (problem->shares[0].operation) {
        finding->operation = operation_words(problem->shares[0].operation, arena);
        return;
    }
    for (size_t i = 0; i < problem->count; i++) {
        const struct share *share = &problem->shares[i];
        const struct trace_endpoint *endpoint = model_endpoint(share->row->process, share->row->endpoint);
        if (!endpoint || endpoint->text[0] == '\0' || share->total_ns <= most ||
            (endpoint->kind != ENDPOINT_NAME && endpoint->kind != ENDPOINT_FILE && endpoint->kind != ENDPOINT_PROCESS))
            continue;
        most = share->total_ns;
        finding->operation = endpoint->text;
    }
}

static void context_report(const struct problem *problem, struct finding *finding, struct arena *arena)
{
    struct context_tally tally = {.count = 0};
    for (size_t i = 0; i < problem->count; i++) {
        const struct share *share = &problem->shares[i];
        struct request_context context =
            context_of(share->row->process->trace, share->row->context.serving, share->stack, arena);
        context_tally_add(&tally, &context, share->total_ns);
    }
    finding->context = context_tally_heaviest(&tally);
    context_tally_free(&tally);
}

/* Waits without a sample are known by their number and sum only: all of them count as average. */
static void distribution_add(struct histogram *all, const struct share *share)
{
    double recorded = histogram_weight(&share->row->histogram);
    if (recorded > 0 && share->count == share->row->count)
        histogram_merge(all, &share->row->histogram, share->count / recorded);
    else if (share->count > 0)
        histogram_add(all, round_whole(share->total_ns / share->count), share->count);
}

static void distribution_of(const struct problem *problem, struct histogram *all)
{
    for (size_t i = 0; i < problem->count; i++)
        distribution_add(all, &problem->shares[i]);
}

static uint64_t quantile_of(const struct histogram *all, double quantile, uint64_t max_ns)
{
    uint64_t value = histogram_quantile(all, quantile);
    return value < max_ns ? value : max_ns;
}

static void totals_report(const struct problem *problem, struct finding *finding)
{
    double count = 0, total = 0;
    finding->first_real_ns = UINT64_MAX;
    for (size_t i = 0; i < problem->count; i++) {
        const struct share *share = &problem->shares[i];
        const struct source *source = share->row->thread->process->source;
        uint64_t first = source_real_ns(source, share->row->first_ns),
                 last = source_real_ns(source, share->row->last_ns);
        count += share->count;
        total += share->total_ns;
        if (share->max_ns > finding->max_ns)
            finding->max_ns = share->max_ns;
        if (first < finding->first_real_ns)
            finding->first_real_ns = first;
        if (last > finding->last_real_ns)
            finding->last_real_ns = last;
    }
    finding->count = round_whole(count);
    finding->total_ns = round_whole(total);
}

struct finding *problem_report(const struct problem *problem, const struct problem_part *worst, const char *rule,
                               const char *role, struct findings *findings)
{
    struct finding *finding = findings_add(findings, rule);
    struct histogram all = {NULL, 0, 0};
    finding->id = problem->shares[0].id;
    finding->process = process_info_of(worst->thread->process);
    finding->thread = thread_info_of(worst->thread);
    totals_report(problem, finding);
    distribution_of(problem, &all);
    finding->p99_ns = quantile_of(&all, 0.99, finding->max_ns);
    histogram_free(&all);
    stacks_report(problem, role, finding, findings->arena);
    peer_report(problem, finding, findings->arena);
    operation_report(problem, finding, findings->arena);
    context_report(problem, finding, findings->arena);
    return finding;
}

static size_t processes_of(const struct problem *problem)
{
    size_t count = 0;
    const struct model_process *last = NULL;
    for (size_t i = 0; i < problem->count; i++) { /* ordered by thread, hence by process */
        count += problem->shares[i].row->thread->process != last;
        last = problem->shares[i].row->thread->process;
    }
    return count;
}

static size_t threads_of(const struct problem *problem)
{
    struct problem_part part;
    size_t count = 0, position = 0;
    while (problem_parts_next(problem, &position, &part))
        count++;
    return count;
}

static void longest_evidence(const struct problem *problem, struct finding *finding, struct arena *arena)
{
    for (size_t i = 0; i < problem->count; i++) {
        const struct share *share = &problem->shares[i];
        if (share->max_ns == finding->max_ns && share->row->max_at_ns != 0) {
            uint64_t real = source_real_ns(share->row->thread->process->source, share->row->max_at_ns);
            evidence_text(finding, "longest_at", words_time(real, arena));
            return;
        }
    }
}

/* The time that the problem's threads waited for a CPU after they had been woken, in the proportion that the kernel
 * saw. */
static void runqueue_evidence(const struct problem *problem, struct finding *finding)
{
    double ns = 0;
    bool seen = false;
    for (size_t i = 0; i < problem->count; i++) {
        const struct share *share = &problem->shares[i];
        const struct wait_kernel *kernel = &share->row->kernel;
        if (kernel->seen_ns <= 0)
            continue;
        seen = true;
        ns += share->total_ns * kernel->runqueue_ns / kernel->seen_ns;
    }
    if (seen)
        evidence_time(finding, "cpu_wait_ns", round_whole(ns));
}

/* Where the waker was. The text report has no room for its stack, but for the line that it was in. */
static void waker_stack_report(const struct model *model, const struct wait_waker *waker, double share,
                               struct finding *finding, struct arena *arena)
{
    if (!waker->stack)
        return;
    const struct stack *stack = symbols_stack(model->symbols, waker->process->trace, waker->stack, 0);
    const char *from = stack_words(stack, waker->process, arena);
    finding_stack_add(finding, "woken from", stack, share * (double)finding->count, share * (double)finding->total_ns,
                      arena);
    if (from)
        evidence_text(finding, "woken_from", from);
}

/* What one thread ended, in all rows of a problem. */
struct waker_sum {
    const struct share *share; /* the first */
    struct wait_waker waker;
};

/* With more wakers than there is room for, a later one takes the place of the least. */
static void waker_sum_add(struct waker_sum sums[WAKERS_MAX], const struct share *share, const struct wait_waker *waker)
{
    struct waker_sum *sum = &sums[0];
    for (size_t i = 0; i < WAKERS_MAX; i++) {
        if (sums[i].share && sums[i].waker.tid == waker->tid) {
            sum = &sums[i];
            break;
        }
        if (sums[i].waker.ns < sum->waker.ns)
            sum = &sums[i];
    }
    if (!sum->share || sum->waker.tid != waker->tid) {
        if (waker->ns > sum->waker.ns)
            *sum = (struct waker_sum){share, *waker};
        return;
    }
    sum->waker.ns += waker->ns;
    if (waker->stack)
        wakes_vote(&sum->waker, waker->process, waker->stack, waker->stack_ns);
}

/* The thread that ended most of the waited time: a lock's last owner, a worker. Only one that is named beyond doubt. */
static void waker_evidence(const struct problem *problem, const struct model *model, struct finding *finding,
                           struct arena *arena)
{
    struct waker_sum sums[WAKERS_MAX] = {{NULL}}, *best = &sums[0];
    double all = 0;
    for (size_t i = 0; i < problem->count; i++) {
        const struct wait_kernel *kernel = &problem->shares[i].row->kernel;
        for (size_t j = 0; j < WAIT_WAKERS; j++) {
            all += kernel->wakers[j].ns;
            if (kernel->wakers[j].tid != 0 && kernel->wakers[j].flags == 0)
                waker_sum_add(sums, &problem->shares[i], &kernel->wakers[j]);
        }
    }
    for (size_t i = 1; i < WAKERS_MAX; i++)
        if (sums[i].waker.ns > best->waker.ns)
            best = &sums[i];
    if (!best->share || best->waker.ns < WAKER_SHARE_MUCH * all)
        return;
    const char *name = waker_name(model, best->share->row->thread->process, best->waker.tid, arena);
    evidence_text(finding, "woken_by",
                  arena_format(arena, "%s, %s of the time", name, words_share(best->waker.ns / all, arena)));
    waker_stack_report(model, &best->waker, best->waker.ns / all, finding, arena);
}

/* What kept the waker from waking earlier (wake_chain.h), where that is most of the time. */
static void cause_evidence(const struct problem *problem, const struct model *model, struct finding *finding,
                           struct arena *arena)
{
    const struct wake_cause *best = NULL;
    double all = 0;
    for (size_t i = 0; i < problem->count; i++)
        all += problem->shares[i].row->kernel.seen_ns;
    for (size_t i = 0; i < model->wake_chain->cause_count; i++) {
        const struct wake_cause *cause = &model->wake_chain->causes[i];
        bool ours = false;
        for (size_t j = 0; j < problem->count && !ours; j++)
            ours = wake_cause_is_of(cause, problem->shares[j].row);
        if (ours && (!best || cause->ns > best->ns))
            best = cause;
    }
    if (!best || best->ns < WAKER_SHARE_MUCH * all)
        return;
    const struct stack *stack = symbols_stack(model->symbols, best->waker_process->trace, best->waker_stack, 0);
    const char *where = stack_words(stack, best->waker_process, arena);
    evidence_text(finding, "root_cause",
                  arena_format(arena, "%s waits %s of that time for %s%s%s", wake_cause_who(best, model, arena),
                               words_duration(round_whole(best->ns), arena), wake_cause_words(best, arena),
                               where ? ", in " : "", where ? where : ""));
    finding_stack_add(finding, "what the waker waits for", stack, 0, best->ns, arena);
}

void problem_evidence(const struct problem *problem, const struct model *model, struct finding *finding,
                      struct findings *findings)
{
    const struct share *heaviest = problem_heaviest(problem);
    struct histogram all = {NULL, 0, 0};
    uint64_t samples = 0;
    for (size_t i = 0; i < problem->count; i++)
        samples += problem->shares[i].row->samples;
    distribution_of(problem, &all);
    evidence_text(finding, "category", wait_class_name(heaviest->class));
    if (heaviest->place.driver)
        evidence_text(finding, "driver", driver_name(heaviest->place.driver, findings->arena));
    if (heaviest->place.user)
        evidence_text(finding, "called_from", words_frame(heaviest->place.user, findings->arena));
    evidence_time(finding, "p50_ns", quantile_of(&all, 0.5, finding->max_ns));
    longest_evidence(problem, finding, findings->arena);
    evidence_count(finding, "processes", processes_of(problem));
    evidence_count(finding, "threads", threads_of(problem));
    evidence_count(finding, "sampled", samples);
    runqueue_evidence(problem, finding);
    waker_evidence(problem, model, finding, findings->arena);
    cause_evidence(problem, model, finding, findings->arena);
    histogram_free(&all);
}
