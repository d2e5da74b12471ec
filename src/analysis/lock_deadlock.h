/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads that wait for each other's locks for ever. A thread that waits for a lock while it holds others says so in
 * its slot, where it can be read while the process hangs and after it was killed: what it waits for, and what it holds.
 * A circle of such threads, each of which holds what another one wants, is a deadlock: none of them can go on. Threads
 * of several processes wait for each other where they share locks (lock_identity.h).
 */
#ifndef CPROBE_ANALYSIS_LOCK_DEADLOCK_H
#define CPROBE_ANALYSIS_LOCK_DEADLOCK_H

#include "analysis/model.h"

#define DEADLOCK_MAX 16 /* threads in a circle */

/* threads[i] wants a lock that threads[i + 1] holds; one thread: a lock that it holds itself. */
struct deadlock {
    const struct model_thread *threads[DEADLOCK_MAX];
    size_t count;
};

/* The next circle at or behind *position (0 at first); false: there is none. Each is given once. */
bool deadlock_next(const struct model *model, size_t *position, struct deadlock *deadlock);

#endif
