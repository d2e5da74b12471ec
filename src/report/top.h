/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The live view as lines of text: what happens now, from two reports made one after the other (analysis/interval.h). */
#ifndef CPROBE_REPORT_TOP_H
#define CPROBE_REPORT_TOP_H

#include "analysis/interval.h"
#include "report/format.h"

struct top {
    const char *what;                /* what is looked at, as the user named it */
    const struct report *now;        /* since the recordings began */
    const struct interval *interval; /* what came in the last interval_ns */
    uint64_t interval_ns;
    uint64_t real_ns; /* when the view was made, CLOCK_REALTIME */
    bool first;       /* there is no interval yet: all of it is since the recordings began */
};

/* Whole lines; failures show in ferror(out). */
void top_write(const struct top *top, const struct report_style *style, FILE *out);

/* How many of the processes are still recording. */
size_t top_recording(const struct report *report);

#endif
