/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a lock around a watched object would cost, from its recorded operations (lock_replay.h), as evidence. */
#ifndef CPROBE_ANALYSIS_LOCK_QUESTION_H
#define CPROBE_ANALYSIS_LOCK_QUESTION_H

#include "analysis/findings.h"
#include "analysis/model.h"

struct lock_answer {
    double busy;      /* share of the time for which one lock would be had */
    double waits;     /* share of the operations that would wait for it */
    uint64_t mean_ns; /* over all operations; the percentiles as well */
    uint64_t p50_ns, p99_ns, max_ns;
};

/* False: too few operations were recorded in windows to say. After model_finish. */
bool lock_question_answer(struct model *model, const struct watched_object *object, struct lock_answer *answer);

/* Adds `one_lock` in words, its numbers, and a table of other rates and kinds of locks. Adds nothing where too few
   operations were recorded. After model_finish. */
void lock_question_evidence(struct model *model, const struct watched_object *object, struct finding *finding);

#endif
