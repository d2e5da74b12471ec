/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether an object is changed by several threads with no lock in common: a lockset algorithm, as Eraser is one (Savage
 * et al., Eraser: a dynamic data race detector for multithreaded programs, 1997). While one thread alone uses the
 * object it needs no lock.
 *
 * Unlike Eraser's, what counts is a pair of threads that take turns: one changed the object, another did, and the first
 * did again, holding no lock that the other one had held. A thread that hands the object over for good, or looks at it
 * after the others have ended, is no offence. Readers do not count: what they see is a matter of the class; one that
 * met a writer inside is told by the overlap.
 */
#ifndef CPROBE_ANALYSIS_WATCHED_LOCKS_H
#define CPROBE_ANALYSIS_WATCHED_LOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/reader.h"

struct watched_mutator {
    uint32_t tid;
    uint64_t first_ns; /* of its changes since the object was shared */
};

struct watched_change {
    uint32_t tid, locks; /* tid 0: none yet */
    uint64_t time_ns;
};

/* Zero-initialise. */
struct watched_locks {
    uint32_t owner;     /* the first thread */
    uint64_t shared_ns; /* since when others use the object too; 0: they do not */
    struct watched_mutator *mutators;
    size_t count, capacity;
    struct watched_change last, other; /* the last change, and the last one by another thread than that */
    uint64_t hazard_ns;                /* when two threads had first taken turns without a lock in common; 0: never */
};

/* An operation, in order of time. `writes`: it may change the object. */
void watched_locks_add(struct watched_locks *locks, const struct trace *trace, const struct event_mutate *event,
                       bool writes);
void watched_locks_free(struct watched_locks *locks);

/* Whether two sets (of event_lockset) exclude each other: a lock that is in both, and not for reading in both. */
bool watched_locks_exclude(const struct trace *trace, uint32_t set, uint32_t other);

#endif
