/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time as the recorder sees it: read through the vDSO itself, so that a preload that fakes clock_gettime (libfaketime)
   neither slows it down nor bends it. */
#ifndef CPROBE_CAPTURE_CLOCK_H
#define CPROBE_CAPTURE_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "base/compiler.h"
#include "base/sys.h"

extern HIDDEN int (*clock_vdso)(clockid_t, struct timespec *); /* NULL: none, the system call serves */

void clock_init(void);

static inline uint64_t clock_read(clockid_t id)
{
    struct timespec t = {0, 0};
    if (unlikely(!clock_vdso || clock_vdso(id, &t) != 0))
        SYS_CALL(SYS_clock_gettime, id, &t, 0, 0, 0, 0);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* CLOCK_MONOTONIC, ns */
static inline uint64_t clock_now(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

/*
 * CLOCK_MONOTONIC, read twice as fast: a thread that has just read the clock goes on from there by the processor's time
 * stamp counter. Only where the kernel itself makes its clock of that counter (the same on all processors, at a
 * constant rate); elsewhere clock_now. Off by some tens of nanoseconds: two such times of different threads tell no
 * order.
 */
struct clock_tick {
    uint64_t tsc; /* when the clock was read last; 0: never */
    uint64_t ns;
};

#define CLOCK_TICK_NS 250000 /* so long is a reading gone on from: at 100 ppm, 25 ns */

extern HIDDEN uint64_t clock_scale; /* any: ns << 32 of one tick; 0: not known */
extern HIDDEN uint64_t clock_ticks; /* any: CLOCK_TICK_NS in ticks */

COLD uint64_t clock_tick_read(struct clock_tick *tick);

/* `tick`: the calling thread's, which no signal handler may use meanwhile. */
static inline uint64_t clock_quick(struct clock_tick *tick)
{
    uint64_t since = __builtin_ia32_rdtsc() - tick->tsc;
    if (unlikely(since >= load_relaxed(&clock_ticks)))
        return clock_tick_read(tick);
    return tick->ns + (since * load_relaxed(&clock_scale) >> 32);
}

/* CPU time of the calling thread, ns; a system call */
static inline uint64_t clock_thread_cpu(void)
{
    struct timespec t = {0, 0};
    SYS_CALL(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &t, 0, 0, 0, 0);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

#endif
