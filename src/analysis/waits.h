/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All waits of a session, added up by who waited, in which call, for what, and from where.
 *
 * Samples say how the time is spread over stacks; the recorder's counters say how much there is. waits_finish scales
 * each counter's samples so that they add up to the counter exactly (Horvitz-Thompson weights, calibrated to the known
 * total). Memory grows with distinct rows, not with events.
 */
#ifndef CPROBE_ANALYSIS_WAITS_H
#define CPROBE_ANALYSIS_WAITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/histogram.h"
#include "analysis/wait_class.h"
#include "analysis/wait_context.h"
#include "trace/reader.h"

struct model_process;
struct model_thread;
struct own_call;

/* Where in the life of an event loop a wait began. */
enum wait_phase {
    PHASE_BEFORE, /* before the loop's first wait: start-up */
    PHASE_LOOP,   /* also: any wait of a thread that is no event loop */
    PHASE_AFTER,  /* after the loop's last wait */
};

/* What the kernel adds to a row of waits. */
#define WAIT_WAKERS 4 /* that are told apart; a later one takes the place of the least */
struct wait_kernel {
    double seen_ns,
        runqueue_ns;   /* time that the kernel saw, and the part of it in the run queue, weighted like the row */
    double unfinished; /* waits that had not ended when recording did */
    struct wait_waker {
        uint32_t tid;   /* 0: no thread */
        uint16_t flags; /* OFFCPU_FLAG_WAKER_* */
        double ns;
        const struct model_process *process; /* whose trace has `stack`: where it was then, most of the time */
        uint32_t stack;                      /* 0: not known */
        double stack_ns;                     /* how far it leads: wakes_vote */
    } wakers[WAIT_WAKERS];
};

struct wait_row {
    struct model_thread *thread;
    struct model_process *process; /* whose trace has stack, endpoint and context: the thread's, or the kernel's side */
    uint32_t endpoint, stack;      /* stack 0: not known */
    struct wait_context context;
    uint32_t counted_as; /* endpoint of the exact counter: ENDPOINT_OVERFLOW where the thread's counters were full */
    uint16_t call;
    uint16_t flags; /* WAIT_WAITSET, WAIT_SERVER_SIDE, WAIT_GIL_HELD */
    enum wait_phase phase;

    /* Set by wait_classify, after waits_calibrate. */
    enum wait_class class;
    bool runtime; /* the wait of a language runtime for itself: CPython's GIL, a JVM's or V8's garbage collector */
    const struct own_call *own; /* what the program called, where its runtime made another call of it; else NULL */

    /* From samples, weighted; after waits_finish calibrated to the exact counters. */
    double count, total_ns;
    double long_count, long_ns; /* the part of it in waits of at least wait_table.long_limit_ns */
    struct histogram histogram;
    uint64_t max_ns;
    uint64_t max_at_ns; /* begin of the longest wait; 0: not recorded */
    uint64_t samples;
    int32_t result_max;         /* greatest return value of a sample: bytes, for calls that send or receive */
    uint64_t first_ns, last_ns; /* begin of the first and end of the last sample (without samples: of all) */
    struct wait_kernel kernel;
};

/* One recorded wait. */
struct wait_sample {
    struct model_thread *thread;
    struct model_process *process; /* as in wait_row */
    enum wait_phase phase;
    const struct event_wait *event;
    double weight; /* how many waits of this length it stands for */
    struct wait_context context;
};

/* Zero-initialise, then set long_limit_ns. */
struct wait_table {
    uint64_t long_limit_ns;
    struct wait_row *rows;
    size_t count, capacity;
    size_t sorted;   /* rows in order, set by waits_sort; rows behind them have no samples */
    uint32_t *index; /* hash index: row number + 1 */
    size_t index_size;
};

/* The recorder's own weight of a wait: at least 1, whatever a damaged file says. */
double wait_weight(const struct event_wait *event);

void waits_add(struct wait_table *table, const struct wait_sample *sample);
/* What the kernel saw of a sample that was added before; `weight`: of the kernel's event. Both sides sample
   independently of each other, so that one event stands for the product of both weights; 1 where both are the same
   event. Returns the row's number, valid until waits_sort. */
size_t waits_add_kernel(struct wait_table *table, const struct wait_sample *sample, const struct event_offcpu *event,
                        double weight);

/* Calibrates the rows of one thread to its counters and adds rows for counters without any sample. Call waits_sort
 * first. */
void waits_calibrate(struct wait_table *table, struct model_thread *thread);
/* The same for a table of what waits_calibrate leaves out: the own waits of the thread's event loop. */
void waits_calibrate_idle(struct wait_table *table, struct model_thread *thread);
/* Orders the rows by thread, call, counter, flags; the index is gone afterwards, so that waits_add must not follow. */
void waits_sort(struct wait_table *table);
void waits_free(struct wait_table *table);

#endif
