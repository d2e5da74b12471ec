/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The programs of bpf/offcpu.bpf.c in the kernel: load, attach, read, detach. Everything about libbpf is behind this
 * header; programs_absent.c stands in where cprobe was built without it. Not thread-safe.
 */
#ifndef CPROBE_KERNEL_PROGRAMS_H
#define CPROBE_KERNEL_PROGRAMS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/offcpu.h"
#include "bpf/python.h"

struct programs;

struct programs_options {
    uint64_t mean_ns;    /* mean of the sampler's distribution; longer waits are always recorded */
    bool every_sys_exit; /* copy stacks at the end of system calls even where the kernel has task work (for tests) */
    bool raw;            /* use raw tracepoints even where the kernel has those with types (for tests) */
};

/* Whether they were built in. */
bool programs_built(void);
/* Whether this kernel copies a stack without a program at the end of every system call. */
bool programs_task_work(void);

/* Loads and attaches; watches nothing yet. Where the kernel refuses the programs on tracepoints with types (tp_btf)
   they go on raw tracepoints. 0, or negative errno with a sentence. */
int programs_open(const struct programs_options *options, struct programs **out, char *error, size_t error_size);
/* Whether they are on raw tracepoints: waits then come without the kernel's frames, and cost more (bpf/raw.bpf.h). */
bool programs_are_raw(const struct programs *p);
void programs_close(struct programs *p);

/* Numbers for `count` runs (struct offcpu_head) in a row; returns the first. The programs give numbers of their own. */
uint32_t programs_runs(struct programs *p, size_t count);
/* Watches all threads of these processes, and from then on all their descendants; the run of pids[i] has the number
   first_run + i, from programs_runs. 0 or negative errno. */
int programs_watch(struct programs *p, const pid_t *pids, size_t count, uint32_t first_run);

/* Hands every record that is there to `take`, after waiting up to timeout_ms for the first. 0 or negative errno. */
typedef void programs_take(void *context, const struct offcpu_head *record, size_t size);
int programs_read(struct programs *p, int timeout_ms, programs_take *take, void *context);

/* Detaches, and captures the threads that still wait: programs_read has the records afterwards. 0 or negative errno. */
int programs_finish(struct programs *p);

/* Hands the totals of one run (0: of all) to `take` and removes them. */
typedef void programs_take_total(void *context, const struct offcpu_call *call, const struct offcpu_total *total);
void programs_totals(struct programs *p, uint32_t run, programs_take_total *take, void *context);

/* From now on stacks of this run come with the frames of its CPython interpreter; NULL: its run is over. */
void programs_interpreter(struct programs *p, uint32_t run, const struct offcpu_interpreter *interpreter);

/* How many were lost so far. */
uint64_t programs_lost(const struct programs *p, enum offcpu_lost cause);

#endif
