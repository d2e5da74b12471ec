/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A weighted distribution of durations for percentiles: log-linear buckets, 16 to the octave, as in HdrHistogram
 * (Tene), so that a percentile is within 3.2 % of the true one. Only buckets in use take memory.
 */
#ifndef CPROBE_ANALYSIS_HISTOGRAM_H
#define CPROBE_ANALYSIS_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

struct histogram_bucket;

/* Zero-initialise before use. */
struct histogram {
    struct histogram_bucket *buckets; /* by bucket number */
    size_t count, capacity;
};

void histogram_add(struct histogram *h, uint64_t value_ns, double weight);
/* Adds what is in `other`, each weight times `factor`. */
void histogram_merge(struct histogram *h, const struct histogram *other, double factor);
/* The value below which the share `quantile` (0…1) of the weight lies; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *h, double quantile);
/* Sum of all weights. */
double histogram_weight(const struct histogram *h);
void histogram_free(struct histogram *h);

#endif
