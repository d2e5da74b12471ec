/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One stream of waits from recordings of both sides: the same wait appears once. Where the recorder inside the process
 * saw it, its event is the wait, and the kernel's events in it add what only the kernel knows: cause, time in the run
 * queue, waker. What the kernel alone saw becomes a wait of its own, whose call is the system call
 * (trace_call_of_syscall).
 *
 * A kernel's wait lies in the recorder's if it began in it, in the same thread. Calls of one thread follow each other
 * and both streams are in order of time, so one recorded wait a thread is all that has to be remembered.
 *
 *     struct merge *merge = merge_new(model);
 *     while (… session_next(session, &event)) { const struct merged *m = merge_event(merge, source, event); … }
 */
#ifndef CPROBE_ANALYSIS_MERGE_H
#define CPROBE_ANALYSIS_MERGE_H

#include "analysis/model.h"

enum merged_kind {
    MERGED_NONE,   /* no wait, or one that is known already */
    MERGED_WAIT,   /* a wait that the recorder saw */
    MERGED_KERNEL, /* a wait that only the kernel saw */
    MERGED_DETAIL, /* what the kernel knows about a wait that the recorder saw or counted */
};

struct merged {
    enum merged_kind kind;
    /* The wait. MERGED_DETAIL: the recorder's wait that it is part of, event NULL where that was counted only. Its
       thread is the one as known from inside, where the process was recorded so. */
    struct wait_sample wait;
    bool idle;                          /* the own wait for events of the thread's loop */
    const struct event_offcpu *offcpu;  /* MERGED_KERNEL, MERGED_DETAIL */
    struct model_process *kernel;       /* whose trace has offcpu->stack */
    const struct model_thread *sleeper; /* as the kernel's side has it */
    double weight;                      /* how many waits of this length `offcpu` stands for, calibrated */
};

struct merge;

struct merge *merge_new(struct model *model);
void merge_free(struct merge *merge);

/* Takes the next event of the session's stream. Valid until the next call; never NULL. */
const struct merged *merge_event(struct merge *merge, struct source *source, const union trace_event *event);

/* The thread as known from inside the process; the same thread where it was not recorded from there. */
struct model_thread *merge_thread(const struct model_thread *sleeper);

#endif
