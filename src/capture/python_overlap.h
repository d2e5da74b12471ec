/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two operations that were inside one object at the same time, at least one of which changes it. Whether they excluded
 * each other by a lock that both took inside (a class that locks by itself) is known only when both have ended: until
 * then an overlap waits in a small table, with both stacks as they were when it began.
 *
 * With the GIL held; the threads have entered.
 */
#ifndef CPROBE_CAPTURE_PYTHON_OVERLAP_H
#define CPROBE_CAPTURE_PYTHON_OVERLAP_H

#include "capture/python_use.h"

/* `index` begins while others are inside its object. */
void python_overlap_begin(uint16_t index);

/* `index`, which overlaps wait for, ends on the calling thread. locks: the set that it held. */
void python_overlap_end(uint16_t index, uint32_t locks);

/* The object, or the process that had the threads, is no more: NULL stands for all objects. */
void python_overlap_forget(const struct python_object *o);

#endif
