/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * non-yielding-io: a thread that runs an event loop waited for something outside the loop's own wait. Everything else
 * that the loop serves stood still meanwhile.
 *
 * What does not count, although it is a recorded wait:
 * - waits of the language's runtime for itself (GIL, garbage collection);
 * - regular files: reads and writes come from memory; only those long enough to have waited for a device count;
 * - making a process, or waking a thread by a byte in a pipe: CPU time, but a single long one counts;
 * - a few slow calls of close: a busy machine's, unless one is very long;
 * - readiness of a socket that listens: nobody is there to be served;
 * - the connection that a framework's loop exists to serve (loop_transport.def);
 * - calls so short that they only cost CPU (a write to a pipe or an eventfd);
 * - start-up and shut-down work that no loop could do better: files, locks, joins, children, signals and pipes before
 * the loop's first wait; everything after its last.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/conversation.h"
#include "analysis/loop_transport.h"
#include "analysis/loops.h"
#include "analysis/own_call.h"
#include "analysis/problem.h"
#include "analysis/remedy.h"
#include "analysis/round.h"
#include "analysis/rule.h"

static const char rule_name[] = "non-yielding-io";

#define CLOSES_MIN 10 /* fewer slow ones had no CPU meanwhile */

static bool endpoint_is_socket(enum endpoint_kind kind)
{
    return kind == ENDPOINT_INET || kind == ENDPOINT_INET6 || kind == ENDPOINT_UNIX || kind == ENDPOINT_SOCKET;
}

/* Before its first turn a server may prepare itself; what it must not do is wait for others. */
static bool counts_before(struct model *model, const struct wait_row *row)
{
    if (!row->thread->before_counts)
        return false;
    switch (row->class) {
    case CLASS_IO:
        return endpoint_is_socket(wait_endpoint_kind(row)) ||
               ((row->flags & WAIT_WAITSET) && loop_site_is_driver(model, row->process, row->endpoint));
    case CLASS_SLEEP:
    case CLASS_NAME:
    case CLASS_FILELOCK:
        return true;
    default:
        return false;
    }
}

static bool row_counts(struct model *model, const struct wait_row *row)
{
    if (!row->thread->loop_kind || row->count <= 0 || row->runtime)
        return false;
    if (row->phase == PHASE_BEFORE)
        return counts_before(model, row);
    return row->phase == PHASE_LOOP;
}

/* The call costs CPU time, or the loop's framework could not do without it. */
static bool share_is_excused(const struct share *share, const struct analysis_options *options)
{
    const struct model_thread *thread = share->row->thread;
    return wait_is_spawn(share->row) || wait_is_in_spawn(share->row, share->stack) ||
           wait_is_thread_wakeup(share->row) || wait_is_for_newcomers(share->row) ||
           (wait_is_close(share->row) && share->count < CLOSES_MIN) ||
           share->total_ns < share->count * (double)options->io_short ||
           loop_transport_waits(thread->loop_kind, share->stack, thread->process->program);
}

static void share_judge(struct share *share, const struct analysis_options *options)
{
    if (wait_is_page_cache(share->row)) {
        share->count = share->row->long_count;
        share->total_ns = share->counted_ns = share->row->long_ns;
    } else if (share_is_excused(share, options)) {
        share->counted_ns = 0;
    }
}

static void shares_collect(struct model *model, struct shares *shares)
{
    for (size_t i = 0; i < model->waits.count; i++) {
        const struct wait_row *row = &model->waits.rows[i];
        if (!row_counts(model, row) || (wait_is_page_cache(row) && row->long_count <= 0))
            continue;
        share_judge(shares_add(shares, rule_name, model, row), model->options);
    }
}

/* Blocked share of the loop's time; for what happened mostly before the loop, of the thread's life. */
static double part_share(const struct problem_part *part)
{
    double loop = part->loop_counted_ns / (double)thread_wall_ns(part->thread);
    double life = part->counted_ns / (double)thread_life_ns(part->thread);
    double share = part->before_ns > part->total_ns / 2 ? life : loop;
    return share < 1 ? share : 1;
}

static double part_busy_share(const struct problem_part *part)
{
    uint64_t wall = thread_wall_ns(part->thread);
    uint64_t busy = wall > part->thread->idle_ns ? wall - part->thread->idle_ns : 1;
    double share = part->loop_counted_ns / (double)busy;
    return share < 1 ? share : 1;
}

static bool share_is_too_much(const struct problem_part *part, const struct analysis_options *options)
{
    double limit = part->class == CLASS_LOCK ? options->io_lock_share : options->io_share;
    if (part->counted_ns >= (double)options->io_total && part_share(part) >= limit)
        return true;
    return part->class != CLASS_FILE && part->class != CLASS_LOCK &&
           part->loop_counted_ns >= (double)options->io_busy_total &&
           part->loop_count >= (double)options->io_busy_count && part_busy_share(part) >= options->io_busy_share;
}

static bool part_is_too_much(const struct problem_part *part, const struct analysis_options *options)
{
    return share_is_too_much(part, options) || part->max_ns >= options->io_single;
}

/* All problems of one driver in one thread: many small ones are as bad as a big one. */
struct driver_sum {
    struct problem_part part;
    uint64_t heaviest_id;
    double heaviest_ns;
};

struct driver_sums {
    struct driver_sum *list;
    size_t count, capacity;
};

static struct driver_sum *driver_sum_get(struct driver_sums *sums, const struct problem_part *part)
{
    for (size_t i = 0; i < sums->count; i++) {
        if (sums->list[i].part.thread == part->thread && sums->list[i].part.driver_id == part->driver_id)
            return &sums->list[i];
    }
    sums->list = memory_grow(sums->list, sums->count, &sums->capacity, sizeof(*sums->list));
    sums->list[sums->count] = (struct driver_sum){
        .part = {.thread = part->thread, .class = part->class, .driver_id = part->driver_id}, .heaviest_ns = -1};
    return &sums->list[sums->count++];
}

static void driver_sums_collect(const struct shares *shares, struct driver_sums *sums)
{
    struct problem problem;
    for (size_t i = 0; problems_next(shares, &i, &problem);) {
        struct problem_part part;
        for (size_t j = 0; problem_parts_next(&problem, &j, &part);) {
            if (part.driver_id == 0)
                continue;
            struct driver_sum *sum = driver_sum_get(sums, &part);
            sum->part.count += part.count;
            sum->part.total_ns += part.total_ns;
            sum->part.counted_ns += part.counted_ns;
            sum->part.loop_counted_ns += part.loop_counted_ns;
            sum->part.loop_count += part.loop_count;
            sum->part.before_ns += part.before_ns;
            if (part.counted_ns > sum->heaviest_ns) {
                sum->heaviest_ns = part.counted_ns;
                sum->heaviest_id = problem.shares[0].id;
            }
        }
    }
}

static bool problem_is_reported(const struct problem *problem, struct driver_sums *sums,
                                const struct analysis_options *options)
{
    struct problem_part part;
    for (size_t i = 0; problem_parts_next(problem, &i, &part);) {
        if (part_is_too_much(&part, options))
            return true;
        if (part.driver_id == 0)
            continue;
        const struct driver_sum *sum = driver_sum_get(sums, &part);
        if (sum->heaviest_id == problem->shares[0].id && share_is_too_much(&sum->part, options))
            return true;
    }
    return false;
}

/* "38 % of the time", or the longest wait where the share says nothing. */
static const char *how_long(const struct finding *finding, const struct problem_part *part, struct arena *arena)
{
    double share = part_share(part);
    if (share >= 0.001 && part->before_ns <= part->total_ns / 2)
        return arena_format(arena, "for %s of the time", words_share(share, arena));
    return arena_format(arena, finding->count > 1 ? "for %s in all" : "for %s",
                        words_duration(finding->total_ns, arena));
}

/* What the user's own code does, where no driver is to blame. */
static const char *what(const struct share *share)
{
    const char *call = trace_call_name(share->row->call);
    switch (share->class) {
    case CLASS_SLEEP:
        return "a sleep";
    case CLASS_NAME:
        return "a name look-up";
    case CLASS_FILELOCK:
        return "a file lock";
    case CLASS_LOCK:
        return "a lock";
    case CLASS_MEMORY:
        return "memory";
    default:
        return call ? call : "a call";
    }
}

/* "MySQL query (libmariadb.so.3)": what was asked, and by which driver. */
static const char *who_asks(const struct share *share, struct arena *arena)
{
    const char *title = protocol_title(share->operation->protocol), *asked = protocol_asked(share->operation->protocol);
    if (!title)
        return NULL;
    if (share->place.driver)
        return arena_format(arena, "%s %s (%s)", title, asked, driver_name(share->place.driver, arena));
    return arena_format(arena, "%s %s", title, asked);
}

/* Who blocks: what was asked, else the driver, else the user's function and what it does. */
static const char *who(const struct share *share, struct arena *arena)
{
    const struct frame *user = share->place.user;
    const char *asks = share->operation && share->class == CLASS_IO ? who_asks(share, arena) : NULL;
    if (share->row->own)
        return share->row->own->name;
    if (asks)
        return asks;
    if (share->place.driver)
        return driver_name(share->place.driver, arena);
    if (!user)
        return what(share);
    return arena_format(arena, "%s in %s", what(share),
                        strncmp(user->function, "0x", 2) == 0 ? user->module : words_function(user, arena));
}

static const char *for_what(const struct share *share, const struct finding *finding, struct arena *arena)
{
    if (share->row->own) /* its name says it */
        return "";
    switch (share->class) {
    case CLASS_IO:
        if (share->operation)
            return arena_format(arena, ": %s", operation_words(share->operation, arena));
        return finding->peer ? arena_format(arena, " waiting for %s", words_peer(finding->peer, arena)) : "";
    case CLASS_SLEEP:
        return share->place.driver ? " sleeping" : "";
    case CLASS_NAME:
        return finding->operation ? arena_format(arena, " looking up %s", finding->operation) : " looking up a name";
    case CLASS_FILE:
        return finding->operation ? arena_format(arena, " writing or reading %s", finding->operation) : " in file I/O";
    case CLASS_FILELOCK:
        return finding->operation ? arena_format(arena, " waiting for a lock on %s", finding->operation)
                                  : " waiting for a file lock";
    case CLASS_PROCESS:
        return finding->operation ? arena_format(arena, " waiting for the process %s", finding->operation)
                                  : " waiting for a child process";
    case CLASS_LOCK:
        return " waiting for a lock";
    case CLASS_JOIN:
        return " waiting for a thread to end";
    case CLASS_SIGNAL:
        return " waiting for a signal";
    case CLASS_MEMORY:
        return " waiting for memory";
    }
    return "";
}

static uint64_t runtime_wait(const struct model *model, const struct model_thread *thread)
{
    return loop_times_of(model, thread).runtime_ns;
}

static void evidence_fill(const struct problem *problem, const struct problem_part *part, struct model *model,
                          struct finding *finding, struct findings *findings)
{
    double before = 0;
    uint64_t wall = thread_wall_ns(part->thread);
    for (size_t i = 0; i < problem->count; i++)
        before += problem->shares[i].row->phase == PHASE_BEFORE ? problem->shares[i].count : 0;
    evidence_ratio(finding, "share", part_share(part));
    evidence_ratio(finding, "share_of_busy", part_busy_share(part));
    evidence_text(finding, "loop_kind", part->thread->loop_kind);
    evidence_time(finding, "loop_wall_ns", wall);
    evidence_time(finding, "loop_idle_ns", part->thread->idle_ns < wall ? part->thread->idle_ns : wall);
    evidence_count(finding, "before_first_turn", round_whole(before));
    problem_evidence(problem, model, finding, findings);
    evidence_time(finding, "gil_wait_ns", runtime_wait(model, part->thread));
}

static void problem_find(const struct problem *problem, struct model *model, struct findings *findings)
{
    struct problem_part worst = problem_worst_part(problem);
    const struct share *heaviest = problem_heaviest(problem);
    struct arena *arena = findings->arena;
    struct finding *finding = problem_report(problem, &worst, rule_name, "blocked", findings);
    finding->remedy = remedy_of(heaviest, worst.thread->loop_kind);
    finding->title = arena_format(arena, "%s blocks the %s loop %s%s", who(heaviest, arena), worst.thread->loop_kind,
                                  how_long(finding, &worst, arena), for_what(heaviest, finding, arena));
    evidence_fill(problem, &worst, model, finding, findings);
}

static void rule_end(void *state, struct model *model, struct findings *findings)
{
    struct shares shares = {NULL, 0, 0};
    struct driver_sums sums = {NULL, 0, 0};
    struct problem problem;
    (void)state;
    shares_collect(model, &shares);
    shares_sort(&shares);
    driver_sums_collect(&shares, &sums);
    for (size_t i = 0; problems_next(&shares, &i, &problem);) {
        if (problem_is_reported(&problem, &sums, model->options))
            problem_find(&problem, model, findings);
    }
    free(sums.list);
    shares_free(&shares);
}

const struct rule rule_non_yielding_io = {.end = rule_end};
