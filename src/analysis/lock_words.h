/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks held, in words. */
#ifndef CPROBE_ANALYSIS_LOCK_WORDS_H
#define CPROBE_ANALYSIS_LOCK_WORDS_H

#include "analysis/model.h"

/* What a set (event_lockset) holds: "cache_lock and threading.Lock of app.py:12"; "no lock" for 0. After
   lock_table_finish. Memory of the model's arena. */
const char *lock_words_set(struct model *model, const struct model_process *process, uint32_t set);

#endif
