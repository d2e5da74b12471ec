/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When waits happened: for each place that was waited in, its recorded waits spread over the buckets of the time line.
 */
#ifndef CPROBE_ANALYSIS_PROFILE_TIMES_H
#define CPROBE_ANALYSIS_PROFILE_TIMES_H

#include "analysis/model.h"
#include "analysis/profile_index.h"

struct time_slice {
    uint32_t bucket;
    double weight;
};

struct time_slices {
    struct time_slice *list; /* by bucket */
    size_t count, capacity;
};

struct time_key {
    const struct model_thread *thread;
    uint32_t stack, endpoint;
    uint16_t call;
};

struct profile_times {
    uint64_t start_ns, span_ns; /* on the session's clock */
    struct profile_index index;
    struct time_key *keys;
    struct time_slices *slices; /* by key */
    size_t key_capacity, slice_capacity;
};

/* An empty time line over all recordings of the session. */
void profile_times_init(struct profile_times *times, const struct session *session);
void profile_times_free(struct profile_times *times);

/* Adds `weight`, spread evenly over the time from begin_ns to end_ns (of the thread's trace), to `slices`. */
void profile_times_range(const struct profile_times *times, const struct model_thread *thread, uint64_t begin_ns,
                         uint64_t end_ns, double weight, struct time_slices *slices);
/* Adds the slices of `from`. */
void profile_times_join(struct time_slices *slices, const struct time_slices *from);

/* The time of one place on the time line: from begin_ns to end_ns of the thread's trace. */
void profile_times_place(struct profile_times *times, const struct time_key *place, uint64_t begin_ns, uint64_t end_ns,
                         double weight);
/* One recorded wait. */
void profile_times_add(struct profile_times *times, const struct wait_sample *sample);

/* Adds `weight` to `slices` as the recorded waits of the row's place are spread; where none was recorded, evenly from
   the row's first to its last wait. */
void profile_times_spread(const struct profile_times *times, const struct wait_row *row, double weight,
                          struct time_slices *slices);

#endif
