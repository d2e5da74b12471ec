/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which waits are recorded with their stack: a Poisson process along each thread's blocked time, so that a wait of
 * duration d is taken with probability p = 1 - exp(-d / mean), and always where d >= mean; each taken one stands for 1
 * / p. Sums of weight and of weight * duration are then unbiased whatever the distribution of the waits
 * (Horvitz-Thompson estimator; Go's block profile samples likewise, runtime/mprof.go, with p = d / rate).
 */
#ifndef CPROBE_CAPTURE_SAMPLER_H
#define CPROBE_CAPTURE_SAMPLER_H

#include <stdint.h>

/* A blocked time until the next sample, exponentially distributed, at least 1 ns. *state: non-zero random state,
   advanced. */
int64_t sampler_draw(uint64_t *state, uint64_t mean_ns);

/* How many waits of this duration a recorded one stands for. >= 1 */
float sampler_weight(uint64_t duration_ns, uint64_t mean_ns);

#endif
