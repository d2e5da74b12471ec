/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lock question: what would it cost to put operations that were recorded without a lock under one?
 *
 * The recorded operations (who, when, how long) are replayed through a lock: a trace-driven simulation of one server
 * with a first-come-first-served queue. For one thread at a time that is Lindley's recursion (The theory of queues with
 * a single server, 1952), W(n+1) = max(0, W(n) + S(n) - T(n)); here the system is closed: a thread that waits comes
 * back later by as much, for it thinks as long between two operations as it did in the recording.
 *
 * In an interpreter with a global lock (CPython) operations do not run side by side anyway: who comes while another
 * one *runs* waits for the interpreter, with the lock or without. For the lock it waits only where the one that has it
 * stands still in the middle of the operation, because the interpreter was taken from it (replay_split finds that in
 * the recording). A thread that had to queue is woken and needs the interpreter back before it goes on, and has the
 * lock meanwhile: handover_ns. That is what makes convoys (Blasgen et al., The convoy phenomenon, 1979), and what
 * decides from which rate on a lock is dear.
 *
 * Pure: no files, no clock, no state. Memory is the caller's but for what one call needs and frees. One call a time per
 * set of operations; different sets may be replayed at the same time.
 */
#ifndef CPROBE_ANALYSIS_LOCK_REPLAY_H
#define CPROBE_ANALYSIS_LOCK_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/histogram.h"

/* Times in nanoseconds, of any clock. */
struct replay_operation {
    uint64_t begin_ns, end_ns; /* as recorded */
    uint64_t thread;           /* who: a thread, or a fiber */
    bool shared;               /* does not change the object: a reader */
    /* By replay_split; without it all of the time is run_ns. */
    uint64_t run_ns;   /* runs, from its begin on, */
    uint64_t stood_ns; /* then stands still, */
    uint64_t rest_ns;  /* then runs to its end */
};

enum replay_lock {
    REPLAY_ONE,     /* one lock for all */
    REPLAY_STRIPED, /* REPLAY_STRIPES locks, by key; keys are not known, so each operation gets one at random */
    REPLAY_SHARED,  /* a read-write lock, first come first served: neighbours that read have it together */
    REPLAY_LOCKS
};
#define REPLAY_STRIPES 16

struct replay_setup {
    enum replay_lock lock;
    double speed;         /* at so many times the recorded rate: what threads do between operations takes 1/speed */
    bool interpreter;     /* operations cannot run side by side */
    uint64_t handover_ns; /* from being woken to going on */
    uint64_t
        stood_max_ns; /* what stood_ns counts at most: with the lock, those that took the interpreter would soon wait */
};

/* Sums over all windows that are replayed into it. Zero-initialise; replay_result_free. */
struct replay_result {
    uint64_t operations, queued; /* queued: had to wait */
    double busy_ns, time_ns;     /* that the locks were had (of all stripes), and that the windows took in the replay */
    double wait_ns;
    uint64_t wait_max_ns;
    struct histogram waits;
    uint64_t queue_max; /* most that waited at once for one lock */
};

/*
 * Who had the interpreter while several were inside? It runs one at a time: the one that began last, until the next
 * event; and before an operation ends, that one. What is left is time in which the operation stood still. `list` is in
 * order of begin_ns.
 */
void replay_split(struct replay_operation *list, size_t count);

/* Replays the operations of one window, in order of begin_ns; between windows nothing is known. */
void replay_window(const struct replay_operation *list, size_t count, const struct replay_setup *setup,
                   struct replay_result *result);

/* Share of the time for which a lock was had (of one stripe: the average). */
double replay_utilisation(const struct replay_result *result, enum replay_lock lock);
/* Length of the queue, on average over time: Little's law, waits divided by time. */
double replay_queue_mean(const struct replay_result *result);
void replay_result_free(struct replay_result *result);

#endif
