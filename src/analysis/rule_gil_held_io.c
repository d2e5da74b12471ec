/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gil-held-io: a call that waited while its thread held CPython's global interpreter lock. Every thread of the process
 * that runs Python stood still meanwhile, so a process in which only one thread does is left alone.
 *
 * The exact counters are not kept by interpreter lock: totals are estimates from samples, calibrated like all others.
 */
#include "analysis/problem.h"
#include "analysis/rule.h"

static const char rule_name[] = "gil-held-io";

static bool row_counts(const struct wait_row *row)
{
    const struct model_process *process = row->thread->process;
    if (!(row->flags & WAIT_GIL_HELD) || row->count <= 0 || process->python_threads < 2)
        return false;
    return row->last_ns > process->second_python_ns && !wait_is_page_cache(row) && !wait_is_spawn(row) && !row->runtime;
}

static bool part_is_too_much(const struct problem_part *part, const struct analysis_options *options)
{
    double share = part->counted_ns / (double)thread_life_ns(part->thread);
    return (part->counted_ns >= (double)options->gil_total && share >= options->gil_share) ||
           part->max_ns >= options->gil_single;
}

static bool problem_is_reported(const struct problem *problem, const struct analysis_options *options)
{
    struct problem_part part;
    for (size_t i = 0; problem_parts_next(problem, &i, &part);) {
        if (part_is_too_much(&part, options))
            return true;
    }
    return false;
}

static void problem_find(const struct problem *problem, struct model *model, struct findings *findings)
{
    struct problem_part worst = problem_worst_part(problem);
    const struct share *heaviest = problem_heaviest(problem);
    const struct model_process *process = worst.thread->process;
    struct arena *arena = findings->arena;
    const char *call = trace_call_name(heaviest->row->call);
    struct finding *finding = problem_report(problem, &worst, rule_name, "holding the GIL", findings);
    double share = worst.counted_ns / (double)thread_life_ns(worst.thread);
    finding->title = arena_format(
        arena, "%s%s%s waits for %s in all while it holds the GIL: %zu Python threads stand still",
        heaviest->place.driver ? driver_name(heaviest->place.driver, arena) : call, heaviest->place.user ? " in " : "",
        heaviest->place.user ? words_function(heaviest->place.user, arena) : "",
        words_duration(finding->total_ns, arena), process->python_threads - 1);
    finding->remedy =
        "Release the interpreter lock around the call: ctypes.CDLL instead of ctypes.PyDLL, "
        "Py_BEGIN_ALLOW_THREADS in an extension, 'with nogil' in Cython; or use a driver that does.";
    evidence_ratio(finding, "share", share < 1 ? share : 1);
    evidence_count(finding, "python_threads", process->python_threads);
    problem_evidence(problem, model, finding, findings);
}

static void rule_end(void *state, struct model *model, struct findings *findings)
{
    struct shares shares = {NULL, 0, 0};
    struct problem problem;
    (void)state;
    for (size_t i = 0; i < model->waits.count; i++) {
        if (row_counts(&model->waits.rows[i]))
            shares_add(&shares, rule_name, model, &model->waits.rows[i]);
    }
    shares_sort(&shares);
    for (size_t i = 0; problems_next(&shares, &i, &problem);) {
        if (problem_is_reported(&problem, model->options))
            problem_find(&problem, model, findings);
    }
    shares_free(&shares);
}

const struct rule rule_gil_held_io = {.end = rule_end};
