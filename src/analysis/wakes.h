/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the thread was that ended a wait, for the rows of waits. The kernel tells of it in the waker's trace, after the
 * wait's begin and before the next wait of that thread: so one wait a thread is all that has to be remembered.
 */
#ifndef CPROBE_ANALYSIS_WAKES_H
#define CPROBE_ANALYSIS_WAKES_H

#include "analysis/profile_index.h"
#include "analysis/waits.h"

struct merged;

/* Zero-initialise. */
struct wakes {
    struct profile_index index;
    struct wake_open *open; /* one for each thread that the kernel saw wait: its latest wait */
    size_t capacity;
};

/* Takes a wait that was added to row number `row`, where it stands for `ns`. */
void wakes_wait(struct wakes *wakes, const struct merged *merged, size_t row, double ns);
/* Takes a wake-up from the trace of `process`: its stack goes to the row of the wait that it ended. */
void wakes_end(struct wakes *wakes, struct wait_table *table, const struct model_process *process,
               const struct event_wake *event);
void wakes_free(struct wakes *wakes);

/* The waker was in this stack of that process for `ns` of the waits. The one with more than half of the time is kept
   (Boyer and Moore's majority vote); where there is none, any. */
void wakes_vote(struct wait_waker *waker, const struct model_process *process, uint32_t stack, double ns);

#endif
