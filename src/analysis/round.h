/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From sums of weighted samples back to whole numbers. */
#ifndef CPROBE_ANALYSIS_ROUND_H
#define CPROBE_ANALYSIS_ROUND_H

#include <stdint.h>

/* The nearest whole number; 0 for what is negative or no number, UINT64_MAX for what is too large. A hostile trace can
   hold any value. */
static inline uint64_t round_whole(double value)
{
    if (!(value > 0))
        return 0;
    if (value >= 0x1p63)
        return value >= 0x1p64 ? UINT64_MAX : (uint64_t)value;
    return (uint64_t)(value + 0.5);
}

#endif
