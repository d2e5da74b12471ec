/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a trace recorded through the kernel needs so that its waits can stand beside those of a recorder inside the
 * process: exact totals, whose stacks pass through the recorder, and endpoints in the terms of the recorder's.
 *
 * The kernel's sampler and the recorder's are independent, so that a wait may be sampled by one side, both or none.
 * What decides how a kernel's sample counts is therefore a property of the wait itself, not of the other side's sample:
 * whether the recorder was called for it, which its stack tells. Then sums over samples stay unbiased:
 *
 *   recorder's calls      their totals are the recorder's exact counters; the kernel's samples in them add detail only
 *   all other waits       sum(weight * length) over the kernel's samples whose stack does not pass through the recorder
 *   kernel's weights      calibrated, per thread and system call, to the kernel's own exact totals (event_syscall):
 * those of samples that were taken by chance; a wait that is always recorded stands for itself
 *
 * A call that never came back to the recorder is in none of its counters: the kernel's wait stands for it. A short wait
 * whose stack was lost and that lies in no recorded wait is taken for one of the recorder's calls, so that nothing
 * counts twice.
 */
#ifndef CPROBE_ANALYSIS_KERNEL_SIDE_H
#define CPROBE_ANALYSIS_KERNEL_SIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/profile_index.h"
#include "trace/reader.h"

struct arena;
struct model;
struct model_process;
struct model_thread;

/* Ids from here on are endpoints of kernel_side.endpoints, not of the trace. */
#define KERNEL_ENDPOINT 0x80000000u

/* What the frames of a stack say. */
struct kernel_stack {
    uint32_t id;
    uint32_t modules;
    bool known;      /* there are frames of the program */
    bool hooked;     /* the recorder was called, and called the C library in turn */
    uint64_t caller; /* return address of the call into the recorder, else into the C library; 0: not known */
};

/* All samples of a thread in one system call, and the exact totals. */
struct kernel_call {
    const struct model_thread *thread;
    uint16_t syscall;
    double certain_ns, chance_ns; /* sums of weighted samples that are always recorded, and of others */
    uint64_t exact_ns;            /* 0: the trace has no total */
};

struct kernel_side {
    struct model_process *process;
    struct model_process *inside; /* the same process as recorded from inside, or NULL */
    bool attached;                /* the process had been running when recording began */
    struct profile_index stack_index, call_index;
    struct kernel_stack *stacks;
    size_t stack_capacity;
    struct kernel_call *calls;
    size_t call_capacity;
    struct trace_endpoint *endpoints;
    uint16_t *endpoint_calls; /* as in wait_row; 0: of no call in particular */
    size_t endpoint_count;
};

/* For a process whose trace has the kernel as origin; reads (and rewinds) its events. All processes have been read. */
struct kernel_side *kernel_side_new(struct model *model, struct model_process *process);
void kernel_side_free(struct kernel_side *side);

/* Never NULL; valid until the next call. */
const struct kernel_stack *kernel_side_stack(struct kernel_side *side, uint32_t stack);

/* How many waits of this length the event stands for; `thread`: of this side's process. */
double kernel_side_weight(const struct kernel_side *side, const struct model_thread *thread,
                          const struct event_offcpu *event);

/* The endpoint of a wait: the place that waits, for calls that wait for readiness (one for each epoll set), else one
   that tells the kind only. 0: none. */
uint32_t kernel_side_endpoint(struct kernel_side *side, const struct event_offcpu *event);

/* Calls that wait for readiness of descriptors: epoll_wait, poll, select and their relatives. */
bool kernel_call_is_waitset(uint16_t syscall);
bool kernel_call_is_epoll(uint16_t syscall);

#endif
