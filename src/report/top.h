/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The live view: what happened between two readings of the same recordings, as lines of text. With one reading it is
 * everything up to there. Rows are told from one reading to the next by what they are called.
 */
#ifndef CPROBE_REPORT_TOP_H
#define CPROBE_REPORT_TOP_H

#include <stdio.h>

#include "analysis/finding.h"
#include "analysis/profile.h"
#include "report/format.h"

/* One reading. Borrowed. */
struct top_reading {
    const struct report *report;
    const struct profile *profile;
    uint64_t at_ns; /* CLOCK_MONOTONIC, when it was made */
};

/* A place where threads were blocked. */
struct top_place {
    const char *process, *where, *awaited; /* awaited NULL: what was waited for has no name */
    char *key;
    uint64_t ns, count;
};

struct top_places {
    struct top_place *list;
    size_t count, capacity;
};

/* The places of a profile, most blocked first; `before`'s time is taken off (NULL: nothing is). Free with
   top_places_free. */
void top_places_collect(struct top_places *places, const struct profile *now, const struct profile *before);
void top_places_free(struct top_places *places);

/* Writes at most `lines` lines, `before` NULL: of the whole recording. `where`: what is read, for the first line. */
void top_write(const struct top_reading *now, const struct top_reading *before, const char *where,
               const struct report_style *style, unsigned lines, FILE *out);

#endif
