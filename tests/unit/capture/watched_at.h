/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CPROBE_TESTS_WATCHED_AT_H
#define CPROBE_TESTS_WATCHED_AT_H

#include "capture/watchlist.h"

/* The range that contains `address`, found by drawing so often that none of a test's few ranges is missed; always the
   same draws. */
static inline bool watched_at(uintptr_t address, struct watch_range *out)
{
    for (uint64_t random = 0; random < 50000; random++)
        if (watchlist_pick(random * UINT64_C(0x9E3779B97F4A7C15), out) && address - out->start < out->size)
            return true;
    return false;
}

#endif
