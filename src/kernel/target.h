/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One observed process: its trace file, its threads, and the waits that still lack their user stack.
 *
 * The kernel reports a wait when it ends and the user stack when the thread returns to user space; several waits of one
 * system call share that stack. Not thread-safe.
 */
#ifndef CPROBE_KERNEL_TARGET_H
#define CPROBE_KERNEL_TARGET_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/offcpu.h"
#include "bpf/python.h"
#include "kernel/ksyms.h"
#include "trace/format.h"

struct target;

struct target_options {
    const char *directory;     /* exists; traces are created in it */
    uint64_t capacity;         /* of one trace, bytes */
    uint64_t mean_ns;          /* of the sampler */
    const struct ksyms *ksyms; /* NULL: kernel frames stay without names */
    /* A CPython interpreter was found in this run: from now on its frames are wanted. */
    void (*interpreter_found)(void *context, uint32_t run, const struct offcpu_interpreter *interpreter);
    void *context;
};

/* Begins the trace of a process that runs the program `run` (struct offcpu_head), PID-STARTTIME-N-kernel.trace.
   `options` must outlive it. 0 and *out, or negative errno: -ESRCH where the process is gone. */
int target_open(const struct target_options *options, pid_t pid, uint32_t run, struct target **out);
/* Waits without a stack are written without it, and the trace is complete. Frees the target. */
void target_close(struct target *t, enum trace_reason reason, uint64_t now_ns);

uint32_t target_pid(const struct target *t);
bool target_is_gone(const struct target *t); /* the process does not exist any more */

void target_wait(struct target *t, const struct offcpu_wait *wait); /* or wake-up */
/* Python frames and further parts come before the stack that they belong to. */
void target_stack_part(struct target *t, const struct offcpu_stack_part *part);
void target_python(struct target *t, const struct offcpu_python *python);
void target_stack(struct target *t, const struct offcpu_stack *stack);
void target_thread_ended(struct target *t, const struct offcpu_head *exit);
void target_total(struct target *t, const struct offcpu_call *call, const struct offcpu_total *total, uint64_t now_ns);
void target_sched(struct target *t, const struct offcpu_sched *sched);
void target_lose(struct target *t, enum trace_lost cause, uint64_t count);
void target_note(struct target *t, const char *text, uint64_t now_ns);

#endif
