/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which threads run an event loop, and how the time of each loop was spent.
 *
 * A thread is an event loop if one of its waitset call sites was waited in again and again (LOOP_TURNS_MIN turns) and
 * either belongs to a known loop library or watched at least two descriptors at once. Its own site is the place of a
 * known library, else an epoll, else the place with most idle time. All other waits of the thread block the loop.
 */
#ifndef CPROBE_ANALYSIS_LOOPS_H
#define CPROBE_ANALYSIS_LOOPS_H

#include "analysis/finding.h"
#include "analysis/model.h"

#define LOOP_TURNS_MIN 3

/* Sets the loop fields of every thread of the process. Reads (and rewinds) the trace's events. */
void loops_learn(struct model *model, struct model_process *process);

/* The waitset's row in the tables says that a driver waits there, which nobody took for a loop. */
bool loop_site_is_driver(struct model *model, const struct model_process *process, uint32_t endpoint);

/* The loops table of the report: after model_finish. The array belongs to `arena`. */
struct loop *loops_report(struct model *model, struct arena *arena, size_t *count);

/*
 * How the time of one loop was spent. From inside, a wait is what its call took: time on CPU in it and time until there
 * was a CPU again are part of idle_ns and blocked_ns. Where the kernel watched the whole life of the loop, idle_ns and
 * blocked_ns are the times off the CPU until the thread was woken; what is left of the wall time it was on CPU or
 * runnable, in the proportion that the kernel counted for the thread.
 */
struct loop_times {
    uint64_t wall_ns, idle_ns, oncpu_ns, blocked_ns, runtime_ns; /* runtime: GIL and the like, part of blocked */
    uint64_t runnable_ns;                                        /* could have run, but had no CPU */
    bool exact; /* the kernel was watching: the four add up to wall_ns, and runnable_ns is known */
};
struct loop_times loop_times_of(const struct model *model, const struct model_thread *thread);

#endif
