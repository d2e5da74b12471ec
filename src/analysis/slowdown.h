/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much slower a server answered everybody else while it was held by sweeps: the durations of all other requests to
 * it, of all processes, apart by whether a sweep was going on meanwhile.
 */
#ifndef CPROBE_ANALYSIS_SLOWDOWN_H
#define CPROBE_ANALYSIS_SLOWDOWN_H

#include <stdbool.h>

#include "analysis/histogram.h"

/* Zero-initialise. Requests and sweeps must come in the order of their begin, all times on one clock. */
struct slowdown {
    struct slowdown_server *list;
    size_t count, capacity;
};

struct slowdown_result {
    double inside, outside; /* how many other requests */
    uint64_t inside_p50_ns, inside_p99_ns, outside_p50_ns, outside_p99_ns;
};

/* `server`: any text that names it. */
void slowdown_sweep(struct slowdown *slowdown, const char *server, uint64_t begin_ns, uint64_t end_ns);
void slowdown_request(struct slowdown *slowdown, const char *server, uint64_t begin_ns, uint64_t end_ns, double weight);
/* After the last event. False: the server has no sweep or no other request. */
bool slowdown_of(struct slowdown *slowdown, const char *server, struct slowdown_result *result);
void slowdown_free(struct slowdown *slowdown);

#endif
