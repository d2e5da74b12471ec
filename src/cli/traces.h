/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which trace files a directory holds, so that `run` can tell those of its own program from older ones. A file counts
 * as new when its name is new or the recording in it has another start: clocks and reused process ids do not matter.
 */
#ifndef CPROBE_CLI_TRACES_H
#define CPROBE_CLI_TRACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_file {
    char *path;
    bool kernel;                           /* recorded through the kernel */
    uint64_t start_mono_ns, start_real_ns; /* of its header; 0 where it cannot be read */
};

struct trace_files {
    struct trace_file *items; /* ordered by path */
    size_t count, capacity;
};

/* Lists `directory`; a missing one is empty. 0 or negative errno. */
int traces_list(struct trace_files *files, const char *directory);

/* Removes from `files` what `before` has too. */
void traces_remove_old(struct trace_files *files, const struct trace_files *before);

void traces_free(struct trace_files *files);

#endif
