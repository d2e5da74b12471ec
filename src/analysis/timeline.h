/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How often something happened over time, in a fixed number of steps that widen as the time grows; and its bursts. */
#ifndef CPROBE_ANALYSIS_TIMELINE_H
#define CPROBE_ANALYSIS_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMELINE_STEPS 48

/* Zero-initialise. */
struct timeline {
    uint64_t start_ns, step_ns;
    uint64_t counts[TIMELINE_STEPS];
    size_t count; /* steps up to the last one in use */
};

/* A time before the first one counts as that. */
void timeline_add(struct timeline *timeline, uint64_t time_ns);

/* The last times of something; storms are found as they come. Zero-initialise, then set both limits. */
struct storm {
    size_t limit;       /* so many … */
    uint64_t window_ns; /* … within this are a storm */
    uint64_t *last;     /* ring of the last `limit` times */
    size_t seen;
};

/* In order of time, nearly. True: this one is part of a storm. */
bool storm_add(struct storm *storm, uint64_t time_ns);
void storm_free(struct storm *storm);

#endif
