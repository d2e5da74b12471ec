/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Identity of a process from outside: the header of its trace, from /proc. */
#ifndef CPROBE_KERNEL_TARGET_HEADER_H
#define CPROBE_KERNEL_TARGET_HEADER_H

#include <stdbool.h>
#include <sys/types.h>

#include "trace/format.h"

/* Fills the identity fields. 0, or -ESRCH where the process is gone. */
int target_header_read(pid_t pid, struct trace_header *header);

/* Whether the process that started then still runs; a zombie does not. */
bool target_header_alive(pid_t pid, uint64_t process_start);

/* CLOCK_MONOTONIC nanoseconds. */
uint64_t kernel_now(void);

#endif
