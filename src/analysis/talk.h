/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What processes said to their peers, added up while the stream goes by: how long requests took, by operation, and what
 * became of connects. The recorder's counters have the exact numbers of requests; this is how they are distributed.
 */
#ifndef CPROBE_ANALYSIS_TALK_H
#define CPROBE_ANALYSIS_TALK_H

#include "analysis/histogram.h"
#include "analysis/profile_index.h"
#include "trace/reader.h"

struct model_process;

/* Samples of one operation of one process. */
struct talk_operation {
    const struct model_process *process;
    uint32_t operation;
    struct histogram durations, first_bytes; /* first_bytes: from the request to the first byte of its answer */
};

/* Connects of one process to one endpoint. */
struct talk_connects {
    const struct model_process *process;
    uint32_t endpoint;
    double succeeded, failed, failed_ns; /* weighted; failed: refused, timed out or given up */
    uint16_t error;                      /* of the last one that failed */
};

/* Zero-initialise. */
struct talk_table {
    struct talk_operation *operations;
    size_t operation_capacity;
    struct profile_index operation_index; /* its count is that of the operations */
    struct talk_connects *connects;
    size_t connect_capacity;
    struct profile_index connect_index;
};

void talk_add_request(struct talk_table *table, const struct model_process *process,
                      const struct event_request *request);
void talk_add_connect(struct talk_table *table, const struct model_process *process,
                      const struct event_connect *connect);
void talk_free(struct talk_table *table);

/* How many requests a recorded one stands for: 1 / probability of having been recorded, by the trace's mean. */
double request_weight(const struct trace_info *info, const struct event_request *request);
/* Begin of the request until the first byte of the answer, nanoseconds. */
uint64_t request_first_byte_ns(const struct event_request *request);

#endif
