/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Thread slots: where the exact counters of each thread live in the trace. When the room for them is used up, the slot
 * of the thread that ended first is folded into slot 0 ("ended threads") and given to the new one: totals stay exact
 * whatever number of threads comes and goes.
 */
#ifndef CPROBE_CAPTURE_SLOTS_H
#define CPROBE_CAPTURE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/format.h"

#define SLOT_COUNTER_SEGMENTS 16

struct slot {
    uint32_t number;
    uint32_t counters; /* room for counters in the slot's own segment */
    struct trace_thread_slot *data;
    struct segment *more[SLOT_COUNTER_SEGMENTS]; /* COUNTERS segments, in order; NULL: not there */
};

/* A slot for thread `tid`, its counters empty; NULL: no room. */
struct slot *slot_take(uint32_t tid, uint64_t now_ns);

/* The thread ended; its counters stay readable until the slot is needed again. */
void slot_give(struct slot *slot);

/* The counter for this key, entered if new. Where there is no room for another one, the one for the key (call,
   ENDPOINT_OVERFLOW), and as a last resort NULL. Called by the slot's thread only. */
struct trace_counter *slot_counter(struct slot *slot, uint16_t call, uint16_t flags, uint32_t endpoint);

/* In the child after fork: no slot is taken. */
void slots_forked(void);

#endif
