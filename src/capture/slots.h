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
#define SLOT_RECENT 8
#define SLOT_RECENT_REQUESTS 4

/* Per waitset call site and epoll set (trace_site): what is needed to measure the next turn. */
struct turn {
    uintptr_t pc;
    int32_t epoll;
    int32_t habit;       /* of poll and select: > 0 it mostly waits for several descriptors here */
    uint64_t end_ns;     /* end of the last wait here: the turn's begin */
    uint64_t blocked_ns; /* thread.blocked_ns and .waits then */
    uint64_t waits;
};

/* What belongs to the thread that has the slot, and to nobody after it. */
struct slot_thread {
    struct trace_counter *recent[SLOT_RECENT];                   /* counters used last, by call; within the slot */
    struct trace_counter *recent_requests[SLOT_RECENT_REQUESTS]; /* the same, by operation */
    struct turn turns[TRACE_SITES];
    uint64_t served_ns;      /* when thread.served began */
    uint64_t turn_ns;        /* how long turn_operation took */
    uint32_t turn_operation; /* served longest in this turn, so far */
    uint32_t request_second; /* second in which requests are counted that were recorded */
    uint32_t requests_recorded;
    uint32_t stack_second; /* second in which stacks of requests are counted */
    uint32_t stack_count;
};

struct slot {
    uint32_t number;
    uint32_t counters; /* room for counters in the slot's own segment */
    struct trace_thread_slot *data;
    struct slot_thread thread;
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
