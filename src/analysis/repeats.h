/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The N+1 pattern: one SQL statement that runs many times in each request that is served. Requests are sampled, so they
 * are not counted one by one: the recorder's exact counts of the statement and of the served requests, and the samples'
 * share of the statement that belongs to them, give how often it runs in one on average, which some request reaches.
 * Where it is not known which requests a statement belongs to nothing is claimed.
 */
#ifndef CPROBE_ANALYSIS_REPEATS_H
#define CPROBE_ANALYSIS_REPEATS_H

#include "analysis/findings.h"

/* Zero-initialise. */
struct repeats {
    struct repeat *list;
    size_t count, capacity;
};

/* Takes a request to a peer, with what model_event knows of it. */
void repeats_add(struct repeats *repeats, struct model *model, struct source *source,
                 const struct event_request *request);
/* After the last event: adds the findings of `rule`, frees everything. */
void repeats_report(struct repeats *repeats, const char *rule, struct model *model, struct findings *findings);

#endif
