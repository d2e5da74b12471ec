/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lock side of profiles: where locks were left by those who had them while others waited (locks.h, lock_owner).
 *
 * What a lock's owners cost is an estimate; its waits are exact. So each lock's waits are shared out to its owners in
 * proportion to what they cost: seen by waiter or by owner, a lock's time is the same.
 */
#ifndef CPROBE_ANALYSIS_PROFILE_OWNERS_H
#define CPROBE_ANALYSIS_PROFILE_OWNERS_H

#include "analysis/merge.h"
#include "analysis/profile_times.h"

struct owner_part {
    const struct lock_row *lock;
    struct wait_row row; /* thread: the owner, or the process's first where it is not known; stack 0: not known */
};

/* Takes in one event of the process, for the time line. */
void profile_owners_event(struct profile_times *times, const struct model *model, const struct model_process *process,
                          const struct merged *merged, const union trace_event *event);

/* "[mutex ledger_lock]": what a row of waits waited for. NULL: for no lock. */
const char *profile_owners_lock(const struct model *model, const struct wait_row *row, struct arena *arena);

/* The next part of the waits for locks; false: there is none. *lock and *owner: 0 at first. */
bool profile_owners_next(const struct model *model, size_t *lock, size_t *owner, struct owner_part *part);

#endif
