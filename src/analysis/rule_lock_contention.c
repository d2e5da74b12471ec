/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lock-contention: a lock for which threads waited too long, who had it meanwhile, and where.
 *
 * What does not count, although it is a recorded wait in a lock call: waits for conditions, barriers, signals (a
 * semaphore that nobody had) and the ends of threads; and waits whose reason is told elsewhere: the owner waited for
 * I/O with the lock held (io-under-lock; or for work to come: whoever has the lock is next in turn), or for another
 * lock that is reported itself (lock_chain.h).
 *
 * The interpreter lock has limits of its own: threads that compute in Python take turns. What is worth a warning is a
 * thread that loses a large part of its time to others, or a call that did not give it away for long.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/gil_calls.h"
#include "analysis/lock_io.h"
#include "analysis/lock_stacks.h"
#include "analysis/problem.h"
#include "analysis/round.h"
#include "analysis/rule.h"

#define OWNER_STACKS 4
#define OWNER_MOST 0.5
#define EXPLAINED 0.5             /* part of the waits that must be due to something else to be left to that */
#define SWITCH_LATE_NS 20000000.0 /* CPython asks the owner to give its lock away after 5 ms */

static const char rule_name[] = "lock-contention";

static const struct lock_class *problem_class(const struct problem *problem, const struct model *model)
{
    return locks_class(&model->locks, locks_waited(model, problem_heaviest(problem)->row));
}

static bool class_is_gil(const struct lock_class *class)
{
    return class->rows[0]->kind == LOCK_KIND_GIL;
}

/* What a lock cost, and the thread that lost the largest part of its time. */
struct loss {
    double total_ns, share;
    struct problem_part worst;
};

static struct loss problem_loss(const struct problem *problem)
{
    struct loss loss = {0};
    struct problem_part part;
    for (size_t i = 0; problem_parts_next(problem, &i, &part);) {
        double share = part.counted_ns / (double)thread_life_ns(part.thread);
        loss.total_ns += part.counted_ns;
        if (loss.worst.thread && share <= loss.share)
            continue;
        loss.share = share < 1 ? share : 1;
        loss.worst = part;
    }
    return loss;
}

static bool problem_is_too_much(const struct problem *problem, const struct lock_class *class,
                                const struct analysis_options *options)
{
    bool gil = class_is_gil(class);
    struct loss loss = problem_loss(problem);
    if (gil && class->hold_max_ns >= options->lock_gil_single)
        return true;
    return loss.total_ns >= (double)(gil ? options->lock_gil_total : options->lock_total) &&
           loss.share >= (gil ? options->lock_gil_share : options->lock_share);
}

/* Waits for the class that are due to owners who waited for I/O. */
static double io_ns(const struct model *model, const struct lock_class *class)
{
    double ns = 0;
    for (size_t i = 0; i < class->row_count; i++)
        ns += lock_io_cost(model, class->process, class->rows[i]->endpoint->id);
    return ns;
}

/* The same for owners who waited for another lock that is a problem of its own. */
static double passed_ns(const struct model *model, const struct lock_class *class, const bool *reported)
{
    const struct lock_chain *chain = model->chain;
    double ns = 0;
    for (size_t i = 0; i < chain->pass_count; i++) {
        const struct lock_row *from = locks_find(&model->locks, chain->passes[i].process, chain->passes[i].from);
        const struct lock_row *to = locks_find(&model->locks, chain->passes[i].process, chain->passes[i].to);
        if (from && to && from->class != to->class && locks_class(&model->locks, from) == class && reported[to->class])
            ns += chain->passes[i].ns;
    }
    return ns;
}

/* ---- owners ---- */

struct owner_sum {
    const struct lock_owner *owner;
    const struct lock_row *row;
};

static int owner_compare(const void *left, const void *right)
{
    const struct owner_sum *a = left, *b = right;
    if (a->owner->ns != b->owner->ns)
        return a->owner->ns > b->owner->ns ? -1 : 1;
    return a->owner < b->owner ? -1 : a->owner > b->owner;
}

/* Owners of all locks of the class, who cost most first. Returns how many; to be freed. */
static size_t owners_list(const struct lock_class *class, struct owner_sum **list)
{
    size_t count = 0;
    for (size_t i = 0; i < class->row_count; i++)
        count += class->rows[i]->owner_count;
    *list = memory_get(count + 1, sizeof(**list));
    count = 0;
    for (size_t i = 0; i < class->row_count; i++) {
        for (size_t j = 0; j < class->rows[i]->owner_count; j++)
            (*list)[count++] = (struct owner_sum){&class->rows[i]->owners[j], class->rows[i]};
    }
    if (count > 0)
        qsort(*list, count, sizeof(**list), owner_compare);
    return count;
}

static const struct stack *owner_stack(const struct model *model, const struct owner_sum *sum)
{
    return symbols_stack(model->symbols, sum->row->process->trace, sum->owner->stack, 0);
}

/* "; it is mostly held by …": who had the lock; "" where that is not known. */
static const char *owners_report(const struct model *model, const struct lock_class *class, struct finding *finding,
                                 struct arena *arena)
{
    struct owner_sum *list;
    size_t count = owners_list(class, &list);
    const char *words = NULL, *phrase = "";
    double all = 0;
    for (size_t i = 0; i < count; i++)
        all += list[i].owner->ns;
    for (size_t i = 0; i < count && i < OWNER_STACKS; i++)
        finding_stack_add(finding, "owner", owner_stack(model, &list[i]), list[i].owner->count, list[i].owner->ns,
                          arena);
    if (count > 0 && all > 0) {
        const struct lock_owner *owner = list[0].owner;
        words = stack_words(owner_stack(model, &list[0]), class->process, arena);
        bool most = owner->ns >= OWNER_MOST * all;
        if (words)
            evidence_text(finding, "owner", words);
        if (words)
            phrase = arena_format(arena, "; it is %s held by %s", most ? "mostly" : "longest", words);
        if (owner->thread)
            evidence_text(finding, "owner_thread", owner->thread->name);
        evidence_ratio(finding, "owner_share", owner->ns / all);
        if (class_is_gil(class) && owner->ns >= owner->count * SWITCH_LATE_NS)
            evidence_text(finding, "not_released",
                          arena_format(arena, "%s each time on average: a call from there did not release it",
                                       words_duration(round_whole(owner->ns / owner->count), arena)));
    }
    free(list);
    return phrase;
}

/* ", in calls of match (python3.11)": what did not give the interpreter lock away; "" where that was not seen. */
static const char *call_report(const struct gil_calls *calls, const struct lock_class *class, struct model *model,
                               struct finding *finding, struct arena *arena)
{
    struct gil_call call;
    if (!class_is_gil(class) || !gil_calls_worst(calls, model, class->process, &call, arena))
        return "";
    if (call.name)
        evidence_text(finding, "call", call.name);
    if (call.caller)
        evidence_text(finding, "call_from", call.caller);
    evidence_ratio(finding, "call_share", call.share);
    finding_stack_add(finding, "does not release the GIL", call.stack, (double)call.count, call.ns, arena);
    if (!call.name && !call.caller)
        return "";
    return call.name ? arena_format(arena, ", in calls of %s that do not release it", call.name)
                     : arena_format(arena, ", in C called from %s that does not release it", call.caller);
}

/* ---- the finding ---- */

static const char *remedy_of(const struct lock_class *class)
{
    if (locks_convoy(class))
        return "It is passed on more than it is held: take it less often (do more for each time that it is taken, or "
               "work on a "
               "copy and merge), or split the data that it protects.";
    if (class_is_gil(class))
        return "Move the computation to another process (concurrent.futures.ProcessPoolExecutor), or into a library "
               "that releases the interpreter lock while it computes.";
    return "Do less while the lock is held, above all in the owner's place: compute before it is taken, split the data "
           "that it protects, or let readers share it.";
}

static void problem_find(const struct problem *problem, const struct lock_class *class, const struct gil_calls *calls,
                         struct model *model, struct findings *findings)
{
    struct loss loss = problem_loss(problem);
    struct finding *finding = problem_report(problem, &loss.worst, rule_name, "waiting", findings);
    struct arena *arena = findings->arena;
    evidence_text(finding, "lock", class->name);
    evidence_text(finding, "lock_kind", class->kind);
    evidence_ratio(finding, "share", loss.share);
    evidence_count(finding, "acquisitions", round_whole(class->acquisitions));
    evidence_time(finding, "hold_p50_ns", class->hold_p50_ns);
    evidence_time(finding, "hold_p99_ns", class->hold_p99_ns);
    evidence_time(finding, "hold_max_ns", class->hold_max_ns);
    if (class->queue_max > 0)
        evidence_text(
            finding, "queue",
            arena_format(arena, "%.1f threads on average, %u at most", class->queue_mean, (unsigned)class->queue_max));
    bool convoy = locks_convoy(class);
    if (convoy)
        evidence_text(finding, "convoy",
                      arena_format(arena, "each waits %s behind %.1f others, who have it for %s each",
                                   words_duration(round_whole(class->wait_ns / class->contended), arena),
                                   class->queue_mean, words_duration(class->turn_ns, arena)));
    const char *owner = owners_report(model, class, finding, arena);
    const char *call = call_report(calls, class, model, finding, arena);
    finding->title =
        arena_format(arena, "Threads wait %s in all for %s%s%s, up to %s of one's time%s%s",
                     words_duration(finding->total_ns, arena), class_is_gil(class) ? "the " : "", class->name,
                     convoy ? ", in a convoy" : "", words_share(loss.share, arena), owner, call);
    finding->remedy = remedy_of(class);
    problem_evidence(problem, model, finding, findings);
}

static void shares_collect(struct model *model, struct shares *shares)
{
    for (size_t i = 0; i < model->waits.count; i++) {
        const struct wait_row *row = &model->waits.rows[i];
        const struct lock_row *lock = locks_waited(model, row);
        if (!lock)
            continue;
        const struct lock_class *class = locks_class(&model->locks, lock);
        struct share *share = shares_add(shares, rule_name, model, row);
        if (class->id)
            share->id = class->id ^ place_hash_text(PLACE_HASH_START, rule_name);
    }
}

/* Which classes are a problem by their own numbers: what they are due to is asked afterwards. */
static void problems_mark(const struct shares *shares, const struct model *model, bool *reported)
{
    struct problem problem;
    for (size_t i = 0; problems_next(shares, &i, &problem);) {
        const struct lock_class *class = problem_class(&problem, model);
        if (problem_is_too_much(&problem, class, model->options))
            reported[class - model->locks.classes] = true;
    }
}

static void *rule_begin(struct model *model)
{
    (void)model;
    return gil_calls_new();
}

static void rule_event(void *state, struct model *model, struct source *source, const union trace_event *event)
{
    gil_calls_event(state, model_process_of(model, source), event);
}

static void rule_end(void *state, struct model *model, struct findings *findings)
{
    struct shares shares = {NULL, 0, 0};
    struct problem problem;
    bool *reported = memory_get(model->locks.class_count + 1, sizeof(*reported));
    struct gil_calls *calls = state;
    shares_collect(model, &shares);
    shares_sort(&shares);
    problems_mark(&shares, model, reported);
    for (size_t i = 0; problems_next(&shares, &i, &problem);) {
        const struct lock_class *class = problem_class(&problem, model);
        double elsewhere = io_ns(model, class) + passed_ns(model, class, reported);
        if (reported[class - model->locks.classes] && elsewhere < EXPLAINED * class->wait_ns)
            problem_find(&problem, class, calls, model, findings);
    }
    free(reported);
    shares_free(&shares);
    gil_calls_free(calls);
}

const struct rule rule_lock_contention = {.begin = rule_begin, .event = rule_event, .end = rule_end};
