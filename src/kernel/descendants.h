/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which processes descend from others, at this moment: /proc. */
#ifndef CPROBE_KERNEL_DESCENDANTS_H
#define CPROBE_KERNEL_DESCENDANTS_H

#include <stddef.h>
#include <sys/types.h>

/* *out: the processes themselves and all that descend from them, without repetition; free() it. Returns how many, or
   -ENOMEM, or the system's error. */
ssize_t descendants_find(const pid_t *pids, size_t count, pid_t **out);

#endif
