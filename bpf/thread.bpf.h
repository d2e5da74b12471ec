/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is kept of each watched thread, and the maps through which all is handed out. */
#ifndef CPROBE_BPF_THREAD_H
#define CPROBE_BPF_THREAD_H

/* Set before loading. */
const volatile __u64 mean_ns = 1000000;            /* of the sampler's distribution */
const volatile __u64 certain_ns = 10000000;        /* waits that are recorded whatever happens */
const volatile __u32 stacks_max = 25;              /* in STACKS_NS, on the whole machine; what is certain may be more */
const volatile __u32 credits[OFFCPU_CREDITS] = {}; /* its quantiles */
const volatile bool has_task_work = false;         /* bpf_task_work_schedule_resume exists */
const volatile bool raw = false;                   /* attached to raw tracepoints: raw.bpf.h */

/* Set while loaded. */
bool finishing = false; /* the iterator captures who still waits; else it seeds */
__u32 last_run = 0;     /* numbers given so far: struct offcpu_head */
__u32 last_thread = 0;

/* Stacks taken since then, and by how much they are fewer than asked for: waits.bpf.h, stacks_count. */
__u64 stacks_since = 0;
__u32 stacks_taken = 0, stacks_thin = 0;

/* enum offcpu_cause of src/trace/format.h */
enum { CAUSE_SYSCALL = 1, CAUSE_LOCK = 2, CAUSE_SLEEP = 3, CAUSE_DISK = 4, CAUSE_FAULT = 5 };

enum {
    NR_NANOSLEEP = 35,
    NR_FUTEX = 202,
    NR_CLOCK_NANOSLEEP = 230,
    NR_IO_URING_ENTER = 426,
    NR_FUTEX_WAITV = 449,
    NR_FUTEX_WAIT = 455
};

/* Totals of the system calls that a thread waited in lately. Adding to the map each time would cost more than all the
   rest of a short wait. */
#define CALLS 4

struct call {
    __s32 number;
    struct offcpu_total total; /* run and tid are filled in when it is handed out */
};

struct thread {
    __u32 run, number; /* struct offcpu_head; 0: not given yet */

    /* Of these, those that are not 0 say what it does now, and since when, by the scheduler's clock (clock.bpf.h). */
    __u64 on_ns;    /* it has a CPU */
    __u64 off_ns;   /* it waits */
    __u64 wake_ns;  /* it is ready: it was created, or woken (where the kernel does not know how long it queues) */
    __u64 ready_ns; /* it is ready: it had to give its CPU up */

    __u64 queued_ns;     /* for how long it had queued for CPUs when the wait began */
    __s64 credit;        /* blocked time until the next recorded wait; 0: not drawn yet */
    __u64 last_ns;       /* length of the latest wait */
    __u64 off_monotonic; /* off_ns as it was told with the wake-up; 0: was not */
    __u32 waker_tid;
    __u32 sequence;
    __s32 fd;
    __s32 syscall;
    __u16 flags;
    bool woken; /* the wait is over */
    bool disk;  /* the kernel counts the wait as one for a disk */
    bool stack_wanted;
    bool work_queued; /* it runs on_return when it returns to user space */
    bool evicted;     /* some of its totals are in the map */
    __u8 call_oldest;
    __u8 thin, thin_count; /* waits.bpf.h, wait_thin */
    __u64 thin_ns;

    __u64 begin_ns, oncpu_ns, blocked_ns, runqueue_ns, preempted_ns, waits; /* struct offcpu_sched */
    __u32 preemptions;
    struct call calls[CALLS];
};

struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct thread);
} threads SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __type(key, __u32);   /* process */
    __type(value, __u32); /* its run */
} seeds SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384); /* preallocated: entries are added where memory cannot be waited for */
    __type(key, struct offcpu_call);
    __type(value, struct offcpu_total);
} totals SEC(".maps");

#define RECORDS_BYTES (16 << 20)

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, RECORDS_BYTES);
} records SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, OFFCPU_LOST_CAUSES);
    __type(key, __u32);
    __type(value, __u64);
} lost SEC(".maps");

/* How deep this CPU is in interrupts. The kernel's own counter (preempt_count) is a variable whose address programs get
   on kernels with CONFIG_KALLSYMS_ALL only, so the places that wake threads are counted themselves. */
struct interrupts {
    __u32 hard; /* handlers of devices, and timers */
    __u32 soft;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct interrupts);
} interrupts SEC(".maps");

struct work {
    struct bpf_task_work queued;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u32); /* tid */
    __type(value, struct work);
} works SEC(".maps");

static void lose(__u32 cause)
{
    __u64 *count = bpf_map_lookup_elem(&lost, &cause);
    if (count)
        __sync_fetch_and_add(count, 1);
}

#include "raw.bpf.h"

/* Most tasks have no storage at all: that takes a load to see, not a call. */
static struct thread *thread_find(struct task_struct *task)
{
    if (raw)
        return raw_find(task);
    return task->bpf_storage ? bpf_task_storage_get(&threads, task, NULL, 0) : NULL;
}

/* Finds it, or makes it one to be watched. NULL: no memory. */
static struct thread *thread_create(struct task_struct *task)
{
    return raw ? raw_create(task) : bpf_task_storage_get(&threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static void thread_delete(struct task_struct *task)
{
    if (raw)
        raw_delete(task);
    else
        bpf_task_storage_delete(&threads, task);
}

static void head_fill(struct offcpu_head *head, __u32 kind, struct task_struct *task, const struct thread *thread,
                      __u64 time_ns)
{
    head->kind = kind;
    head->pid = TASK_READ(task, tgid);
    head->tid = TASK_READ(task, pid);
    head->run = thread->run;
    head->thread = thread->number;
    head->other = 0;
    head->time_ns = time_ns;
}

static __u32 run_new(void)
{
    return __sync_fetch_and_add(&last_run, 1) + 1;
}

static __u32 thread_new(void)
{
    return __sync_fetch_and_add(&last_thread, 1) + 1;
}

#endif
