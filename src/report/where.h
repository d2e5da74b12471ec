/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which frame of a finding's stack a reader should look at first.
 */
#ifndef CPROBE_REPORT_WHERE_H
#define CPROBE_REPORT_WHERE_H

#include <stddef.h>

#include "analysis/finding.h"

#define WHERE_NONE ((size_t)-1)

/* Index of the innermost frame that belongs to the user's own code: a Python file outside of site-packages and
   dist-packages, or a function of the process's executable; where there is none, the innermost frame that does not
   belong to the system. WHERE_NONE: no such frame. */
size_t where_user(const struct stack *stack, const struct process_info *process);

/* Index of the innermost frame that does not belong to the system: the driver, when the user's code calls one. */
size_t where_driver(const struct stack *stack);

/* The frame at an index that one of the above returned; NULL for WHERE_NONE. */
const struct frame *where_frame(const struct stack *stack, size_t i);

/* "/srv/app/views.py:33", the module where the file is unknown. Returns `buffer`. */
const char *where_place(const struct frame *frame, char *buffer, size_t size);

#endif
