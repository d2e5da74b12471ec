/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the addresses in one process's stacks stand for, as its trace has to say: the files that are mapped, and the
 * names of functions that nobody can look up later. Not thread-safe.
 */
#ifndef CPROBE_KERNEL_CODEMAP_H
#define CPROBE_KERNEL_CODEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/images.h"
#include "kernel/ksyms.h"
#include "trace/writer.h"

struct codemap;

/* Knows no files before codemap_refresh. `writer` and `ksyms` (NULL: no names) must outlive it. NULL: no memory. */
struct codemap *codemap_new(pid_t pid, struct writer *writer, const struct ksyms *ksyms);
void codemap_free(struct codemap *c);

/* Reads the process's mappings. True: they have changed, and the trace says so. */
bool codemap_refresh(struct codemap *c);
/* The same, if some of these addresses are in no known file and it was not done just now. */
bool codemap_refresh_for(struct codemap *c, const uint64_t *frames, size_t count);

/* The files, for unwinding. */
struct images *codemap_images(struct codemap *c);
/* The module generation of stacks that are written now (struct trace_stack). */
uint32_t codemap_generation(const struct codemap *c);

/* A stack with these return addresses is about to be written. */
void codemap_need(struct codemap *c, const uint64_t *frames, size_t count);
/* Recording ends: names what has no name yet. */
void codemap_finish(struct codemap *c);

#endif
