/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a cache's own counter of its size still agrees with its content (cachetools: Cache.__currsize, __data and
 * __size; the order that its subclasses keep). Looked at while nobody is inside, or, where somebody always is, when the
 * difference is larger than those inside can account for. So seldom that it takes a thousandth of the time, through
 * functions that run no Python code.
 */
#ifndef CPROBE_CAPTURE_PYTHON_DRIFT_H
#define CPROBE_CAPTURE_PYTHON_DRIFT_H

#include "capture/python_objects.h"

/* An operation on the object has ended at now_ns without exception. GIL held, thread entered. */
void python_drift_check(struct python_object *o, uint64_t now_ns);

#endif
