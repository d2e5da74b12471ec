/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What came between two reports on the same recordings, made one after the other while these grow: a live view.
 *
 * Counts, times and bytes are those of the interval. What only the whole recording can tell (percentiles, maxima,
 * titles, evidence) stays as the later report has it. Things that did not move in the interval are left out.
 */
#ifndef CPROBE_ANALYSIS_INTERVAL_H
#define CPROBE_ANALYSIS_INTERVAL_H

#include "analysis/finding.h"

struct interval {
    struct report report;  /* loops, endpoints, locks and findings of the interval, most first; the rest as of `now` */
    struct finding *quiet; /* findings of the later report that did not move */
    size_t quiet_count;
};

/* before NULL: everything since the recordings began. The result borrows all strings and stacks from `now`. */
void interval_between(const struct report *before, const struct report *now, struct interval *out);

/* Frees what interval_between allocated. */
void interval_free(struct interval *interval);

#endif
