/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waits as the kernel saw them (events OFFCPU), added up by thread, stack and what one may ask about them. Totals are
 * the sums of the events' weights times their lengths. Memory grows with distinct rows, not with events.
 *
 * A process may have been recorded from inside as well. Then its waits are known already, and only what the kernel
 * alone sees is taken from here.
 */
#ifndef CPROBE_ANALYSIS_PROFILE_OFFCPU_H
#define CPROBE_ANALYSIS_PROFILE_OFFCPU_H

#include "analysis/model.h"
#include "analysis/profile_index.h"
#include "analysis/profile_times.h"

/* What a row tells of its waits. */
enum offcpu_part {
    OFFCPU_BLOCKED,  /* until they were woken */
    OFFCPU_RUNNABLE, /* from then on until there was a CPU */
    OFFCPU_IDLE,     /* both of these, of waits in an epoll set, where nothing else tells which are the loop's own */
    OFFCPU_WAKER,    /* until they were woken, by whom */
};

struct offcpu_row {
    enum offcpu_part part;
    const struct model_thread *thread; /* whose trace has the stack */
    uint32_t stack;                    /* 0: not known */
    uint16_t syscall, cause;           /* as in event_offcpu */
    uint32_t waker;                    /* OFFCPU_WAKER only; 0: no thread */
    uint16_t flags;                    /* OFFCPU_WAKER only: OFFCPU_FLAG_UNFINISHED, OFFCPU_FLAG_WAKER_* */
    bool waits_for_events;             /* in an epoll set */
    bool seen_twice;                   /* the process was recorded from inside as well */
    double count, total_ns;
    struct time_slices slices;
};

struct profile_offcpu {
    struct model *model;
    const struct profile_times *times;
    const struct model_process **inside; /* by process: the same one as recorded from inside, or NULL */
    struct profile_index index;
    struct offcpu_row *rows;
    size_t count, capacity;
};

/* An empty table; model and times outlive it. */
void profile_offcpu_init(struct profile_offcpu *offcpu, struct model *model, const struct profile_times *times);
void profile_offcpu_free(struct profile_offcpu *offcpu);

/* Takes in one event of the thread. */
void profile_offcpu_add(struct profile_offcpu *offcpu, const struct model_thread *thread,
                        const struct event_offcpu *event);

/* The thread that people know: as recorded from inside where it was, else row->thread. */
const struct model_thread *profile_offcpu_owner(const struct profile_offcpu *offcpu, const struct offcpu_row *row);

/* What stands behind the stack, in brackets: "[runnable: waiting for a CPU]", "[disk]", "[woken by writer (4712)]".
   NULL: nothing. Static or the arena's. */
const char *profile_offcpu_leaf(const struct profile_offcpu *offcpu, const struct offcpu_row *row, struct arena *arena);

#endif
