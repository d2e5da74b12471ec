/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The locks of a session: how often each was taken and for how long held, who waited for it, and who had it meanwhile.
 *
 * Waits come from the wait table, calibrated to the recorder's exact counters. Acquisitions and hold times are
 * estimates from acquisitions that were timed at random; what owners cost others is an estimate from the contended
 * releases that were recorded (event_hold).
 *
 * A lock is one object of one process. Many objects are made in the same place (a mutex in each connection): they have
 * one name and are one class, which is what reports and findings are about.
 */
#ifndef CPROBE_ANALYSIS_LOCKS_H
#define CPROBE_ANALYSIS_LOCKS_H

#include "analysis/arena.h"
#include "analysis/finding.h"
#include "analysis/histogram.h"
#include "analysis/profile_index.h"
#include "trace/reader.h"

struct model;
struct model_process;
struct model_thread;
struct wait_row;

/* What a thread cost others by having a lock, left at one place. */
struct lock_owner {
    const struct model_thread *thread; /* NULL: not recorded */
    uint32_t stack;                    /* of its process's trace; 0: not known */
    double count, ns;                  /* ns: how long others waited for it meanwhile */
    uint64_t max_ns;
};

struct lock_row {
    const struct model_process *process;
    const struct trace_endpoint *endpoint;
    enum lock_kind kind;
    struct lock_owner *owners;
    size_t owner_count, owner_capacity;
    struct histogram holds;
    uint64_t hold_max_ns;
    struct histogram turns;         /* of owners while others waited, each weighted by its length */
    double queue_sum, queue_weight; /* weighted lengths of the queue at contended releases */
    uint32_t queue_max;
    bool left; /* it was left by a thread that had it: not merely a signal */
    /* After lock_table_finish: */
    double acquisitions, held_ns, contended, wait_ns;
    struct histogram waits;
    uint64_t wait_max_ns;
    size_t users; /* threads that are known to have taken it, or waited for it */
    uint32_t class;
};

/* Locks of one name in one process. */
struct lock_class {
    const struct model_process *process;
    const char *name;
    const char *kind;
    struct lock_row **rows;
    size_t row_count;
    uint64_t id; /* for fingerprints: name, without a line, and program; 0: only known by its address */
    double acquisitions, held_ns, contended, wait_ns;
    uint64_t wait_max_ns, wait_p99_ns, hold_p50_ns, hold_p99_ns, hold_max_ns;
    size_t users; /* most of any of its rows */
    double queue_mean;
    uint32_t queue_max;
    uint64_t turn_ns; /* how long owners had it while others waited: half of that time was in turns as long or longer */
};

/* A thread's waits for the interpreter lock that follow each other at once: CPython asks again every 5 ms. */
struct lock_run {
    uint64_t end_ns;
    double ns;
};

/* Zero-initialise. */
struct lock_table {
    struct lock_row *rows;
    size_t capacity;
    struct profile_index index; /* its count is that of the rows */
    struct lock_class *classes; /* after lock_table_finish: most waited for first */
    size_t class_count;
    struct lock_run *runs; /* by ordinal of the thread */
    size_t run_count;
};

/* Takes in one event, after the model has done with it as a wait. */
void lock_table_event(struct model *model, struct model_process *process, const union trace_event *event);
/* After the waits are calibrated and classified. */
void lock_table_finish(struct model *model);
void lock_table_free(struct lock_table *table);

/* NULL: nothing is known of a lock of that number. */
const struct lock_row *locks_find(const struct lock_table *table, const struct model_process *process, uint32_t id);
/* Whether a convoy formed at the lock: most acquisitions have to wait, in a queue, and for much longer than any owner
   has it: what makes them wait is the queue itself (Blasgen et al., The Convoy Phenomenon, 1979). */
bool locks_convoy(const struct lock_class *class);

const struct lock_class *locks_class(const struct lock_table *table, const struct lock_row *row);

/* The lock that a row of the wait table waited for, where the wait is for what another thread has: not for a condition,
   a barrier, a signal or the end of a thread. NULL otherwise. After lock_table_finish. */
const struct lock_row *locks_waited(const struct model *model, const struct wait_row *row);

/* Whether a wait for a semaphore was one for the end of a thread. */
bool locks_joins(const struct model *model, const struct model_process *process, uint32_t lock, uint32_t stack);

/* Fills the report's table; memory of `arena`. After lock_table_finish. */
void locks_report(const struct model *model, struct report *report, struct arena *arena);

#endif
