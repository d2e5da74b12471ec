/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The traces that a running process writes: those that it has mapped (proc(5), /proc/PID/maps). */
#ifndef CPROBE_CLI_LIVE_H
#define CPROBE_CLI_LIVE_H

#include <stddef.h>

struct live {
    char **paths;
    size_t count, capacity;
};

/* pid: digits. 0, -ESRCH (no such process), -EACCES, or -ENODATA (it is not recorded), with a sentence that says what
   to do. */
int live_find(const char *pid, struct live *out, char *error, size_t error_size);
void live_free(struct live *live);

#endif
