/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When all operations on watched objects are recorded, so that what a lock would cost can be played through afterwards:
 * for the first 100 ms of every second at first, then as often as an allowance permits, which is a twentieth of the
 * trace's room for such records, renewed within five minutes. With the GIL held.
 */
#ifndef CPROBE_CAPTURE_PYTHON_WINDOW_H
#define CPROBE_CAPTURE_PYTHON_WINDOW_H

#include <stdint.h>

/* records: that the trace has room for. */
void python_window_begin(uint64_t records);

/* An operation begins at `now_ns`: the number of the window that it belongs to, 0: none is open. */
uint32_t python_window_now(uint64_t now_ns);

#endif
