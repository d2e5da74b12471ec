/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of blocking system calls, from traces recorded through the kernel: exact counts and times per thread and
 * call, also of what no library call shows. They describe the same waits as a preloaded recorder's and are never added
 * to those.
 */
#ifndef CPROBE_ANALYSIS_SYSCALLS_H
#define CPROBE_ANALYSIS_SYSCALLS_H

#include <stddef.h>

#include "analysis/arena.h"
#include "analysis/finding.h"

struct model;
struct source;

/* Zero-initialise before use. */
struct syscall_table {
    struct syscall_row *list;
    size_t count, capacity;
};

/* Takes in one SYSCALL event of a kernel-side trace. */
void syscalls_add(struct model *model, const struct source *source, const struct event_syscall *event);
/* The rows, most time first; owned by the arena. */
void syscalls_report(struct model *model, struct report *report, struct arena *arena);
void syscalls_free(struct syscall_table *table);

#endif
