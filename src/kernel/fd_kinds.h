/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the descriptors of one process are. Not thread-safe. */
#ifndef CPROBE_KERNEL_FD_KINDS_H
#define CPROBE_KERNEL_FD_KINDS_H

#include <stdint.h>
#include <sys/types.h>

#include "trace/format.h"

#define FD_KINDS 64

struct fd_kinds { /* zeroed at first */
    struct {
        uint64_t read_ns; /* 0: not read */
        int fd;
        enum endpoint_kind kind;
    } known[FD_KINDS];
};

/* What descriptor `fd` is, or was up to 20 ms ago: records are read so late. ENDPOINT_NONE: there is none. */
enum endpoint_kind fd_kinds_get(struct fd_kinds *k, pid_t pid, int fd, uint64_t now_ns);

#endif
