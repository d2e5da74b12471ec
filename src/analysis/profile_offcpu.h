/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waits as the kernel saw them (events OFFCPU), added up by thread, stack and what one may ask about them. Totals are
 * the sums of the events' weights times their lengths. Memory grows with distinct rows, not with events.
 *
 * A process may have been recorded from inside as well. Then the waits that the recorder saw have its stack, with the
 * kernel's frames on top, and all are told of the thread as known from inside.
 */
#ifndef CPROBE_ANALYSIS_PROFILE_OFFCPU_H
#define CPROBE_ANALYSIS_PROFILE_OFFCPU_H

#include "analysis/merge.h"
#include "analysis/profile_index.h"
#include "analysis/profile_times.h"

/* What a row tells of its waits. */
enum offcpu_part {
    OFFCPU_BLOCKED,  /* until they were woken */
    OFFCPU_RUNNABLE, /* from then on until there was a CPU */
    OFFCPU_WAKER,    /* until they were woken, by whom */
};

struct offcpu_row {
    enum offcpu_part part;
    const struct model_thread *thread;  /* who waited */
    const struct model_process *kernel; /* whose trace has the stack as the kernel saw it */
    uint32_t stack;                     /* 0: not known */
    const struct model_process *inside; /* whose trace has the recorder's stack, or NULL */
    uint32_t inside_stack;
    uint16_t inside_call;               /* calls.def */
    uint16_t syscall, cause;            /* as in event_offcpu */
    uint32_t waker;                     /* OFFCPU_WAKER only; 0: no thread */
    uint16_t flags;                     /* OFFCPU_WAKER only: OFFCPU_FLAG_UNFINISHED, OFFCPU_FLAG_WAKER_* */
    const struct model_process *waking; /* OFFCPU_WAKER only: whose trace has the waker's stack, or NULL */
    uint32_t waking_stack;
    double count, total_ns;
    struct time_slices slices;
};

/* Zero-initialise, then set model and times, which outlive it. */
struct profile_offcpu {
    struct model *model;
    const struct profile_times *times;
    struct profile_index index;
    struct offcpu_row *rows;
    size_t count, capacity;
    struct profile_index open_index;
    struct open_wakeup *open; /* one for each thread: its latest wait, until it is known where its waker was */
    size_t open_capacity;
};

void profile_offcpu_free(struct profile_offcpu *offcpu);

/* Takes in what the kernel saw of a wait. */
void profile_offcpu_add(struct profile_offcpu *offcpu, const struct merged *merged);

/* Where a waker was; comes after the wait that it ended, and before the thread's next one. */
void profile_offcpu_wake(struct profile_offcpu *offcpu, const struct model_process *process,
                         const struct event_wake *event);
/* After the last event. */
void profile_offcpu_finish(struct profile_offcpu *offcpu);

/* What stands behind the stack, in brackets: "[runnable: waiting for a CPU]", "[disk]", "[woken by writer (4712)]".
   NULL: nothing. Static or the arena's. */
const char *profile_offcpu_leaf(const struct profile_offcpu *offcpu, const struct offcpu_row *row, struct arena *arena);

#endif
