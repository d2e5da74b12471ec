/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The barrier that ThreadSanitizer's tests order their threads by, for builds without ThreadSanitizer: it must not be
 * one that tools know.
 */
#include <sched.h>

void __tsan_testonly_barrier_init(unsigned *barrier, unsigned count);
void __tsan_testonly_barrier_wait(unsigned *barrier);

void __tsan_testonly_barrier_init(unsigned *barrier, unsigned count)
{
    __atomic_store_n(barrier, count << 16, __ATOMIC_RELEASE);
}

/* Upper half: how many meet; lower half: how many have come. */
void __tsan_testonly_barrier_wait(unsigned *barrier)
{
    unsigned old = __atomic_fetch_add(barrier, 1, __ATOMIC_ACQ_REL), count = old >> 16;
    unsigned turn = (old & 0xffff) / count;
    while ((__atomic_load_n(barrier, __ATOMIC_ACQUIRE) & 0xffff) / count == turn)
        sched_yield();
}
