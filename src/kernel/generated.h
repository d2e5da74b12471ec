/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names of code that one process generates at run time, as its perf map says (src/jit/perf_map.h): it is read in
 * the process's own mount and pid namespaces, again and again while it grows. Not thread-safe.
 */
#ifndef CPROBE_KERNEL_GENERATED_H
#define CPROBE_KERNEL_GENERATED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "jit/perf_map.h"

struct generated;

/* NULL: no memory. */
struct generated *generated_new(pid_t pid);
void generated_free(struct generated *g);

/* The function at `pc`, in no file, is to be named. */
void generated_want(struct generated *g, uint64_t pc);

/* Whether anything was ever wanted: else there is nothing to read. */
bool generated_used(const struct generated *g);

/* Reads what was added to the map. True: some of what was taken before is other code now, so that its addresses are to
   be asked for again. */
bool generated_read(struct generated *g);

/* Hands out the functions at the addresses that are wanted, as far as they have names now; each function once.
   replaces: its place was another's before. */
typedef void generated_take(void *context, const struct perf_map_entry *entry, bool replaces);
void generated_each(struct generated *g, generated_take *take, void *context);

#endif
