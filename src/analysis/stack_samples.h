/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What several samples of where a thread was have in common. */
#ifndef CPROBE_ANALYSIS_STACK_SAMPLES_H
#define CPROBE_ANALYSIS_STACK_SAMPLES_H

#include "analysis/symbols.h"

struct stack_sample {
    const struct stack *stack;
    double weight;
};

/* Follows the samples from the outside in as long as most of them (two of three) agree. Leaves those that did in
   samples[0..*count); returns how many outer frames they have in common. */
size_t stack_samples_common(struct stack_sample *samples, size_t *count);

#endif
