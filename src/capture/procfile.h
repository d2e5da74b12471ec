/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads what the kernel says in lines of text (proc(5)). No allocation, no locks; any thread; async-signal-safe. errno
 * stays as it was. */
#ifndef CPROBE_CAPTURE_PROCFILE_H
#define CPROBE_CAPTURE_PROCFILE_H

#include <stdbool.h>
#include <stdint.h>

/* Gives each line, without its end, to `take` until that returns true. Whether it did. A line of more than 4 KiB ends
   it. */
bool procfile_lines(const char *path, bool (*take)(void *context, const char *line), void *context);

/* What stands behind a number that is followed by the character `end`; NULL: there is no such number. */
const char *procfile_number(const char *text, unsigned base, char end, uint64_t *out);

#endif
