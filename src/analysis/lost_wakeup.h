/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Wake-ups that were lost, it seems: a condition was signalled when nobody waited for it; then a thread began to wait
 * for it, without having had the mutex in between to see what it was to be told, and was never woken. A thread that
 * waits says so in its slot (format.h, wanted_signal_ns).
 */
#ifndef CPROBE_ANALYSIS_LOST_WAKEUP_H
#define CPROBE_ANALYSIS_LOST_WAKEUP_H

#include "analysis/model.h"

struct lost_wakeups;
struct lost_wakeups *lost_wakeups_new(const struct analysis_options *options);
/* Takes in one event of the process. */
void lost_wakeups_event(struct lost_wakeups *lost, const struct model_process *process, const union trace_event *event);
void lost_wakeups_free(struct lost_wakeups *lost);

/* The next thread of the process at or behind *position (0 at first) whose wake-up seems lost; one for each condition.
   NULL: there is none. */
const struct model_thread *lost_wakeups_next(const struct lost_wakeups *lost, const struct model_process *process,
                                             size_t *position);

#endif
