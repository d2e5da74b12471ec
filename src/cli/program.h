/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a program would not be recorded by a preloaded library.
 */
#ifndef CPROBE_CLI_PROGRAM_H
#define CPROBE_CLI_PROGRAM_H

#include <stddef.h>

/* Finds `name` as a shell would. 0, or -ENOENT; `path` has room for `size` bytes. */
int program_find(const char *name, char *path, size_t size);

/* A sentence about the executable at `path` that explains why the dynamic linker did not load the recorder into it:
   statically linked, set-uid, for another machine. NULL: nothing of the kind. The string is static. */
const char *program_obstacle(const char *path);

#endif
