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

/* CPU time of the calling thread, ns; a system call */
static inline uint64_t clock_thread_cpu(void)
{
    struct timespec t = {0, 0};
    SYS_CALL(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &t, 0, 0, 0, 0);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

#endif
