/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which locks of several processes are one: locks on files, by the file's path. All others are their process's own.
 * Processes of different machines or boots share none.
 */
#ifndef CPROBE_ANALYSIS_LOCK_IDENTITY_H
#define CPROBE_ANALYSIS_LOCK_IDENTITY_H

#include "analysis/model.h"

/* What the lock is called in every process that uses it; NULL: it is the process's own. */
const char *lock_shared_name(const struct model_process *process, uint32_t lock);

/* Whether two processes can share locks at all. */
bool locks_meet(const struct model_process *a, const struct model_process *b);

/* Whether lock `a` of one process is lock `b` of the other (or the same) one. */
bool lock_is_same(const struct model_process *process_a, uint32_t a, const struct model_process *process_b, uint32_t b);

#endif
