/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io-under-lock: a thread waited for something slow while it held a lock. An error where others waited for that lock
 * meanwhile (directly, or for a lock whose owner did: lock_chain.h), and what they lost is charged to the place; a
 * warning where they could have: others did wait for that lock at other times, and it is mostly held for I/O. A lock
 * that nobody ever waited for (a connection's own, say) is left alone, however many threads use it in turn.
 *
 * Costs come from recorded waits, whose weights make sums unbiased: estimates where waits are shorter than the
 * recorder's mean, exact above.
 */
#include <stdlib.h>

#include "analysis/conversation.h"
#include "analysis/lock_io.h"
#include "analysis/lock_stacks.h"
#include "analysis/own_call.h"
#include "analysis/problem.h"
#include "analysis/round.h"
#include "analysis/rule.h"

#define WAITER_STACKS 3

static const char rule_name[] = "io-under-lock";

static const struct chain_io *io_of(const struct share *share)
{
    return (const struct chain_io *)share->row; /* its first member */
}
_Static_assert(offsetof(struct chain_io, row) == 0, "io_of");

/* The lock that most was waited for of those held, else the one that was taken last. NULL: none is known. */
static const struct lock_row *io_lock(const struct model *model, const struct chain_io *io)
{
    const struct trace_lockset *set = trace_lockset_find(io->row.process->trace, io->set);
    const struct lock_row *best = NULL;
    double most = -1;
    for (size_t i = 0; set && i < set->count; i++) {
        const struct lock_row *lock = locks_find(&model->locks, io->row.process, set->locks[i]);
        double ns = 0;
        for (size_t j = 0; j < io->cost_count; j++)
            ns += io->costs[j].lock == set->locks[i] ? io->costs[j].ns : 0;
        if (lock && ns >= most) {
            most = ns;
            best = lock;
        }
    }
    return best;
}

/* What a problem cost others. */
struct damage {
    double count, ns;
    double worst_share;
    const struct chain_cost *worst;
    const struct lock_row *lock;
};

static double waiter_ns(const struct problem *problem, const struct model_thread *thread)
{
    double ns = 0;
    for (size_t i = 0; i < problem->count; i++) {
        const struct chain_io *io = io_of(&problem->shares[i]);
        for (size_t j = 0; j < io->cost_count; j++)
            ns += io->costs[j].thread == thread ? io->costs[j].ns : 0;
    }
    return ns;
}

static struct damage damage_of(const struct problem *problem, const struct model *model)
{
    struct damage damage = {.worst_share = 0};
    const struct chain_io *worst = io_of(&problem->shares[0]);
    for (size_t i = 0; i < problem->count; i++) {
        const struct chain_io *io = io_of(&problem->shares[i]);
        if (io->cost_ns > worst->cost_ns)
            worst = io;
        for (size_t j = 0; j < io->cost_count; j++) {
            const struct chain_cost *cost = &io->costs[j];
            double share = waiter_ns(problem, cost->thread) / (double)thread_life_ns(cost->thread);
            damage.count += cost->count;
            damage.ns += cost->ns;
            if (!damage.worst || share > damage.worst_share) {
                damage.worst = cost;
                damage.worst_share = share < 1 ? share : 1;
            }
        }
    }
    damage.lock = io_lock(model, worst);
    return damage;
}

static bool others_waited(const struct damage *damage, const struct analysis_options *options)
{
    return damage->ns >= (double)options->lock_io_cost && damage->worst_share >= options->lock_io_cost_share;
}

static double hold_share(const struct problem *problem, const struct lock_class *class)
{
    double ns = 0;
    for (size_t i = 0; i < problem->count; i++)
        ns += problem->shares[i].counted_ns;
    return class->held_ns > ns ? ns / class->held_ns : 1;
}

static bool others_could_wait(const struct problem *problem, const struct lock_class *class,
                              const struct analysis_options *options)
{
    struct problem_part worst = problem_worst_part(problem);
    return class->users > 1 && class->contended >= 1 && worst.counted_ns >= (double)options->lock_io_total &&
           worst.counted_ns / (double)thread_life_ns(worst.thread) >= options->lock_io_share &&
           hold_share(problem, class) >= options->lock_io_hold_share;
}

/* "mysql 127.0.0.1:3306 UPDATE ?", "sleep": what was waited for. */
static const char *awaited_words(const struct finding *finding, const struct share *share, struct arena *arena)
{
    const char *peer = finding->peer ? words_peer(finding->peer, arena) : NULL;
    if (peer && finding->operation && share->operation)
        return arena_format(arena, "%s %s", peer, finding->operation);
    if (peer)
        return peer;
    if (finding->operation)
        return finding->operation;
    const char *call = share->row->own ? share->row->own->name : trace_call_name(share->row->call);
    return call ? call : wait_class_name(share->class);
}

/* A lock whose owner waited for `class`; NULL: all waiters waited for that one itself. */
static const char *chained_name(const struct problem *problem, const struct model *model,
                                const struct lock_class *class)
{
    for (size_t i = 0; i < problem->count; i++) {
        const struct chain_io *io = io_of(&problem->shares[i]);
        for (size_t j = 0; j < io->cost_count; j++) {
            const struct lock_row *lock = locks_find(&model->locks, io->row.process, io->costs[j].lock);
            if (lock && locks_class(&model->locks, lock) != class)
                return locks_class(&model->locks, lock)->name;
        }
    }
    return NULL;
}

static void title_set(const struct problem *problem, const struct damage *damage, const struct lock_class *class,
                      const char *chained, struct finding *finding, struct arena *arena)
{
    const struct share *heaviest = problem_heaviest(problem);
    const struct frame *frame = heaviest->place.user ? heaviest->place.user : heaviest->place.driver;
    const char *where = frame ? words_function(frame, arena) : finding->thread.name;
    const char *awaited = awaited_words(finding, heaviest, arena);
    if (finding->severity == SEVERITY_ERROR)
        finding->title = arena_format(arena, "%llu waits for %s%s%s took %s in all: %s has %s and waits %s for %s",
                                      (unsigned long long)round_whole(damage->count), chained ? chained : class->name,
                                      chained ? " and " : "", chained ? class->name : "",
                                      words_duration(round_whole(damage->ns), arena), where,
                                      chained ? class->name : "it", words_duration(finding->total_ns, arena), awaited);
    else
        finding->title = arena_format(arena, "%s waits %s for %s while it holds %s", where,
                                      words_duration(finding->total_ns, arena), awaited, class->name);
}

static int cost_compare(const void *left, const void *right)
{
    const struct chain_cost *a = left, *b = right;
    if (a->ns != b->ns)
        return a->ns > b->ns ? -1 : 1;
    if (a->thread != b->thread)
        return a->thread->ordinal < b->thread->ordinal ? -1 : 1;
    return a->stack < b->stack ? -1 : a->stack > b->stack;
}

static void waiters_report(const struct problem *problem, const struct model *model, struct finding *finding,
                           struct arena *arena)
{
    size_t count = 0, room = 0;
    for (size_t i = 0; i < problem->count; i++)
        room += io_of(&problem->shares[i])->cost_count;
    struct chain_cost *costs = memory_get(room + 1, sizeof(*costs));
    for (size_t i = 0; i < problem->count; i++) {
        const struct chain_io *io = io_of(&problem->shares[i]);
        for (size_t j = 0; j < io->cost_count; j++)
            costs[count++] = io->costs[j];
    }
    if (count > 0)
        qsort(costs, count, sizeof(*costs), cost_compare);
    for (size_t i = 0; i < count && i < WAITER_STACKS; i++)
        finding_stack_add(finding, "waiting for the lock",
                          symbols_stack(model->symbols, costs[i].thread->process->trace, costs[i].stack, 0),
                          costs[i].count, costs[i].ns, arena);
    free(costs);
}

static void problem_find(const struct problem *problem, const struct damage *damage, bool waited, struct model *model,
                         struct findings *findings)
{
    struct problem_part worst = problem_worst_part(problem);
    const struct lock_class *class = locks_class(&model->locks, damage->lock);
    struct finding *finding = problem_report(problem, &worst, rule_name, "holding the lock", findings);
    struct arena *arena = findings->arena;
    const char *chained = chained_name(problem, model, class);
    double share = worst.counted_ns / (double)thread_life_ns(worst.thread);
    finding->severity = waited ? SEVERITY_ERROR : rule_severity(rule_name);
    title_set(problem, damage, class, chained, finding, arena);
    finding->remedy =
        "Do it before the lock is taken or after it is left: copy what is needed under the lock, leave it, "
        "wait, and take it again to store the result; or give each thread a connection of its own.";
    evidence_text(finding, "lock", class->name);
    evidence_text(finding, "lock_kind", class->kind);
    evidence_ratio(finding, "share", share < 1 ? share : 1);
    evidence_time(finding, "others_waited_ns", round_whole(damage->ns));
    evidence_count(finding, "others_waits", round_whole(damage->count));
    if (damage->worst) {
        evidence_text(finding, "worst_waiter", damage->worst->thread->name);
        evidence_ratio(finding, "worst_waiter_share", damage->worst_share);
    }
    if (chained)
        evidence_text(finding, "through", chained);
    problem_evidence(problem, model, finding, findings);
    waiters_report(problem, model, finding, arena);
}

static void ios_collect(struct model *model, struct shares *shares)
{
    for (size_t i = 0; i < model->chain->io_index.count; i++) {
        const struct chain_io *io = &model->chain->ios[i];
        const struct lock_row *lock = io_lock(model, io);
        if (!lock || lock_io_kind(io, model->options) != LOCK_IO_WAIT)
            continue;
        struct share *share = shares_add(shares, rule_name, model, &io->row);
        share->id ^= locks_class(&model->locks, lock)->id * UINT64_C(0x9e3779b97f4a7c15);
        if (wait_is_page_cache(&io->row)) {
            share->count = io->row.long_count;
            share->total_ns = share->counted_ns = io->row.long_ns;
        }
    }
}

static void rule_end(void *state, struct model *model, struct findings *findings)
{
    struct shares shares = {NULL, 0, 0};
    struct problem problem;
    (void)state;
    ios_collect(model, &shares);
    shares_sort(&shares);
    for (size_t i = 0; problems_next(&shares, &i, &problem);) {
        struct damage damage = damage_of(&problem, model);
        bool waited = damage.lock && others_waited(&damage, model->options);
        if (waited ||
            (damage.lock && others_could_wait(&problem, locks_class(&model->locks, damage.lock), model->options)))
            problem_find(&problem, &damage, waited, model, findings);
    }
    shares_free(&shares);
}

const struct rule rule_io_under_lock = {.end = rule_end};
