/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What breakpoints cost a program besides being hit, for the watcher's budget. Pure arithmetic; times in nanoseconds.
 */
#ifndef CPROBE_CAPTURE_WATCHCOST_H
#define CPROBE_CAPTURE_WATCHCOST_H

#include <stdint.h>

/*
 * What a thread's breakpoints add to each of its context switches: the kernel looks through its events, and writes the
 * processor's registers for those that are on, which on virtual machines may go through the hypervisor. Measured there:
 * 0.9 us where some are open, and 0.5 us for each that is on, where switching one on and off (on_off_ns) takes 2.4 us.
 */
static inline uint64_t watchcost_switch(uint64_t on_off_ns, uint32_t words)
{
    return on_off_ns * 3 / 8 + words * on_off_ns / 5;
}

/*
 * How long words stay armed that took arming_ns, where per_ms context switches of the program each cost switch_ns more
 * meanwhile: so long that arming is within share_per_mille of the time, but not so long that switches cost more than
 * that. Not limited to what makes sense otherwise.
 */
static inline uint64_t watchcost_window(uint64_t arming_ns, uint64_t share_per_mille, uint64_t per_ms,
                                        uint64_t switch_ns)
{
    uint64_t length = arming_ns * 1000 / share_per_mille, burden = per_ms * switch_ns;
    uint64_t even = burden ? arming_ns * 1000000 / burden : length;
    return even < length ? even : length;
}

#endif
