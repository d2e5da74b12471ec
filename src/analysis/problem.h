/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From wait rows to findings: rows that a rule objects to are collected, grouped by fingerprint into problems, and each
 * problem that is worth reporting becomes one finding, over however many threads and processes it is spread.
 */
#ifndef CPROBE_ANALYSIS_PROBLEM_H
#define CPROBE_ANALYSIS_PROBLEM_H

#include "analysis/findings.h"
#include "analysis/model.h"
#include "analysis/place.h"

/* One row's part in a problem. */
struct share {
    uint64_t id; /* of the problem */
    enum wait_class class;
    const struct wait_row *row;
    const struct stack *stack;
    struct place place;
    const struct trace_operation *operation; /* what was asked; NULL: not known */
    double count, total_ns;                  /* what is reported */
    double counted_ns; /* what thresholds are compared with: total without calls that only cost CPU */
    uint64_t max_ns;
};

struct shares {
    struct share *list;
    size_t count, capacity;
};

/* Adds the row's part with count, total and max of the row and counted_ns = total; the caller may change those in the
   returned share. Resolves the stack. */
struct share *shares_add(struct shares *shares, const char *rule, struct model *model, const struct wait_row *row);

/* For fingerprints: what was asked, whoever was asked. */
uint64_t operation_hash(uint64_t hash, const struct trace_operation *operation);

/* All shares of one problem: shares[0..count), ordered by thread. */
struct problem {
    const struct share *shares;
    size_t count;
};

/* The shares of one thread in a problem, added up. */
struct problem_part {
    struct model_thread *thread;
    enum wait_class class;
    uint64_t driver_id; /* of the same driver's problems in this thread and class; 0: no driver */
    double count, total_ns, counted_ns;
    double loop_counted_ns, loop_count; /* of these, during the loop's life */
    double before_count, before_ns;     /* of these, before the loop's first wait */
    uint64_t max_ns;
    uint64_t samples;
};

/* Orders the shares by problem and thread; then call problems_next until it returns false. */
void shares_sort(struct shares *shares);
/* *position: 0 at first. */
bool problems_next(const struct shares *shares, size_t *position, struct problem *problem);
/* Likewise the threads of a problem. */
bool problem_parts_next(const struct problem *problem, size_t *position, struct problem_part *part);
/* The part with most counted time. */
struct problem_part problem_worst_part(const struct problem *problem);
void shares_free(struct shares *shares);

/* The share with most time; the one that has a stack is preferred. */
const struct share *problem_heaviest(const struct problem *problem);

/* What findings of problems have in common: id, totals, percentiles, process and thread (of `worst`), stacks, peer,
   operation, times. `role`: of the stacks ("blocked"). The rule adds title, remedy and evidence. Valid until the next
   finding. */
struct finding *problem_report(const struct problem *problem, const struct problem_part *worst, const char *rule,
                               const char *role, struct findings *findings);
/* Evidence that every wait problem has: category, driver, line of the user's code, p50, time of the longest wait,
 * processes; where the kernel saw the waits, how long they then waited for a CPU, and who ended them, with its stack.
 */
void problem_evidence(const struct problem *problem, const struct model *model, struct finding *finding,
                      struct findings *findings);

#endif
