/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unlocked-mutation, of Python objects: operations on a watched object that change it by several threads (or greenlets)
 * with no lock in common. The interpreter's lock makes each bytecode atomic, not the operation.
 *
 *   overlap  a method that changes the object began while another one was inside: it happened
 *   hazard   threads change it in turns, and no lock was held at all of these changes: it will (watched_locks.h)
 *
 * Methods that only read count for neither; look-ups that reorder a cache (LRU) are a warning where nothing else is
 * seen. Objects of one class that were made in one place are one finding, over all processes. Called by
 * rule_unlocked_mutation.c; after model_finish.
 */
#ifndef CPROBE_ANALYSIS_MUTATION_PYTHON_H
#define CPROBE_ANALYSIS_MUTATION_PYTHON_H

#include "analysis/findings.h"
#include "analysis/model.h"

void mutation_python_end(struct model *model, struct findings *findings);

#endif
