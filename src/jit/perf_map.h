/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file /tmp/perf-PID.map in which run-time compilers (node --perf-basic-prof, java with perf-map-agent or jcmd
 * Compiler.perfmap, .NET, …) name the code that they generate: one line a function, "START SIZE NAME" in hexadecimal
 * (Linux, tools/perf/Documentation/jit-interface.txt). It grows while the program runs; of two functions at one address
 * the later one is meant. Not thread-safe.
 */
#ifndef CPROBE_JIT_PERF_MAP_H
#define CPROBE_JIT_PERF_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct perf_map;

struct perf_map_entry {
    uint64_t start, end;
    const char *name; /* valid until the next perf_map_read */
};

/* NULL: no memory. */
struct perf_map *perf_map_new(void);
void perf_map_free(struct perf_map *m);

/* Opens the map of process `pid` (in its own pid namespace) below the directory `root`, which the process may have
   arranged as it likes: only a regular file of `owner` or root is taken, and no link leads out. A descriptor, or
   negative errno. */
int perf_map_open(int root, uint32_t pid, uid_t owner);

/* Takes in the complete lines that were added since the last call; all of them where it is another file, or a shorter
   one. Returns how many entries there were before the new ones, or negative errno. */
ssize_t perf_map_read(struct perf_map *m, int fd);

/* In the order of the file. */
size_t perf_map_count(const struct perf_map *m);
struct perf_map_entry perf_map_at(const struct perf_map *m, size_t i);

/* The latest function at `pc`. */
bool perf_map_find(struct perf_map *m, uint64_t pc, struct perf_map_entry *out);

#endif
