/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a lock is called: the variable that it is, or the place that made it. */
#ifndef CPROBE_ANALYSIS_LOCK_NAME_H
#define CPROBE_ANALYSIS_LOCK_NAME_H

#include "analysis/model.h"

/* Of an endpoint of kind ENDPOINT_LOCK; 0: not known. */
enum lock_kind lock_kind_of(const struct trace_endpoint *endpoint);
/* "mutex", "read-write lock", "lock" … */
const char *lock_kind_name(enum lock_kind kind);

/*
 * In this order: "GIL"; the variable ("cache_lock", of a library "cache_lock in libfoo.so"); the line of the user's
 * code, or of the library, that initialised it ("mutex of pool_new (pool.c:40)", "threading.Lock of app.py:12"); where
 * it was left while others waited (`owner_stack`, 0: not known); its address. Memory of the model's arena.
 */
const char *lock_name(struct model *model, const struct model_process *process, const struct trace_endpoint *endpoint,
                      uint32_t owner_stack);

#endif
