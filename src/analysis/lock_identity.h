/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which locks of several processes are one: locks on files, by the file's path, and those in memory that processes
 * share, by where they lie in it (events SHARED). All others are their process's own. Processes of different machines
 * or boots share none.
 */
#ifndef CPROBE_ANALYSIS_LOCK_IDENTITY_H
#define CPROBE_ANALYSIS_LOCK_IDENTITY_H

#include "analysis/model.h"

/* What a lock is in every process that uses it. All zero: it is the process's own. */
struct lock_identity {
    const char *path; /* of the file; NULL: it lies in memory, */
    uint64_t device, inode, offset;
};

struct lock_identity lock_identity_of(const struct model_process *process, uint32_t lock);
bool lock_identity_is_own(const struct lock_identity *identity);
/* Less than, equal to or greater than 0. */
int lock_identity_compare(const struct lock_identity *a, const struct lock_identity *b);

/* Whether lock `a` of one process is lock `b` of the other (or the same) one. */
bool lock_is_same(const struct model_process *process_a, uint32_t a, const struct model_process *process_b, uint32_t b);

#endif
