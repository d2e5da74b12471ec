/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operations of windows in which all of them were recorded, kept until it is known of which objects the lock
 * question (lock_replay.h) is asked. Bounded: where there are more, every second window is let go, again and again.
 */
#ifndef CPROBE_ANALYSIS_WATCHED_WINDOWS_H
#define CPROBE_ANALYSIS_WATCHED_WINDOWS_H

#include <stddef.h>
#include <stdint.h>

#include "analysis/lock_replay.h"
#include "trace/format.h"

struct watched_operation {
    uint64_t begin_ns;
    uint32_t duration_ns; /* at most 4.29 s */
    uint32_t object;      /* number of the watched_object */
    uint32_t window;
    uint32_t tid;
    uint32_t fiber; /* hash of it, 0: none */
    bool writes;
    bool met; /* another one was inside when it began */
};

/* Zero-initialise. */
struct watched_windows {
    struct watched_operation *list; /* in the stream's order */
    size_t count, capacity;
    uint32_t stride; /* windows whose number it divides are kept; 0 and 1: all */
};

void watched_windows_add(struct watched_windows *windows, uint32_t object, const struct event_mutate *event);
/* After the last event: orders what is there by object, window and time. */
void watched_windows_finish(struct watched_windows *windows);
void watched_windows_free(struct watched_windows *windows);

/* How many of the object's operations found another one inside. */
uint64_t watched_windows_met(const struct watched_windows *windows, uint32_t object);

/* Whether operations stood still in the middle (replay_split), and how long the others took. */
struct watched_standing {
    double share;      /* of the operations that did */
    uint64_t usual_ns; /* 99 of 100 of those that did not take at most so long; 0: there are none */
};
struct watched_standing watched_windows_standing(const struct watched_windows *windows, uint32_t object);

/* Replays all windows of one object. Takes `result` zero-initialised; replay_result_free it. */
void watched_windows_replay(const struct watched_windows *windows, uint32_t object, const struct replay_setup *setup,
                            struct replay_result *result);

#endif
