/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel programs (offcpu.bpf.c) hand to src/kernel: records of one ring buffer, the statistics map, and how a
 * recording is set up. Included on both sides, so it uses the kernel's own type names and nothing else.
 *
 * All times are CLOCK_MONOTONIC nanoseconds (bpf_ktime_get_ns).
 */
#ifndef CPROBE_BPF_OFFCPU_H
#define CPROBE_BPF_OFFCPU_H

#define OFFCPU_KERNEL_FRAMES 32
#define OFFCPU_PAGE 4096
#define OFFCPU_STACK_PAGES 8 /* of the user stack that are copied, the first one in part */
#define OFFCPU_STACK_BYTES (OFFCPU_STACK_PAGES * OFFCPU_PAGE)
#define OFFCPU_SHALLOW_PAGES 2 /* of a stack whose end is not further */
#define OFFCPU_SHALLOW_BYTES (OFFCPU_SHALLOW_PAGES * OFFCPU_PAGE)
#define OFFCPU_STACK_PARTS 4 /* records of a deep stack */
#define OFFCPU_CREDITS 1024
#define OFFCPU_CERTAIN_NS 10000000 /* no shorter than the sampler's mean: waits that are recorded whatever happens */
#define OFFCPU_QUEUE_PART 8
#define OFFCPU_HIST 36 /* bucket i: [2^i, 2^(i+1)) ns; the last one holds all longer waits */

enum offcpu_record_kind {
    OFFCPU_WAIT = 1,        /* a wait has ended and is worth recording */
    OFFCPU_STACK = 2,       /* the user stack of the thread's waits with the same `sequence` */
    OFFCPU_FORK = 3,        /* `pid` is a new process, child of `other` */
    OFFCPU_EXEC = 4,        /* `pid` runs another program from here on; `other` was its run until then */
    OFFCPU_EXIT = 5,        /* thread `tid` has ended */
    OFFCPU_PYTHON = 6,      /* python.h */
    OFFCPU_TOTAL = 7,       /* totals of a thread in one system call; its others may be in the map `totals` */
    OFFCPU_SCHED = 8,       /* where a thread's time went, until now */
    OFFCPU_STACK_PART = 10, /* more of the OFFCPU_STACK with the same `sequence`, which follows */
    OFFCPU_WAKE = 9, /* a struct offcpu_wait: the thread has ended the wait of thread `other` that began at woken_ns */
};

/* offcpu_wait.flags */
#define OFFCPU_UNFINISHED 0x0001 /* still waiting when recording ended */
#define OFFCPU_EARLIER 0x0002    /* began before recording did: longer than said */
#define OFFCPU_WAKER_IRQ 0x0004  /* woken by a hardware interrupt (a timer, a device): no thread is the waker */
#define OFFCPU_WAKER_SOFTIRQ                                                                \
    0x0008 /* woken from deferred interrupt work: the thread named may only have been there \
            */

/* Records and totals may be read long after they were written: by then the process may run another program, and process
   and thread ids may belong to others. Numbers that are never used again tell them apart. */
struct offcpu_head {
    __u32 kind; /* enum offcpu_record_kind */
    __u32 pid;  /* process (tgid) */
    __u32 tid;
    __u32 run;    /* number of one program in one process: from fork or exec until exec or exit */
    __u32 thread; /* number of one thread in one run */
    __u32 other;
    __u64 time_ns; /* waits: of their begin */
};

struct offcpu_wait {
    struct offcpu_head head;
    __u64 blocked_ns;  /* until it was woken */
    __u64 runqueue_ns; /* from then on until it ran */
    __u64 woken_ns;    /* OFFCPU_WAKE: see there */
    __u32 sequence;    /* of its stack */
    __u32 waker_tid;   /* 0: no thread */
    __s32 fd;          /* first argument of the system call */
    __s16 syscall;     /* number, -1: none (page fault) */
    __u16 cause;       /* enum offcpu_cause of src/trace/format.h */
    __u16 flags;
    __u16 kernel_count; /* frames used in `kernel` */
    __u16 thin;         /* the mean of the sampling was the sampler's << thin, of offcpu_worth … */
    __u16 thin_all;     /* … but what was worth the sampler's << thin_all was certain */
    char comm[16];
    __u64 kernel[OFFCPU_KERNEL_FRAMES]; /* innermost first */
};

/* What a wait counts for when it is decided whether it is recorded. Its stack says why the thread was blocked, and
   nothing about why it then queued for a CPU. On a busy machine most waits are short and most of their time is that. */
static inline __u64 offcpu_worth(__u64 blocked_ns, __u64 runqueue_ns)
{
    return blocked_ns + runqueue_ns / OFFCPU_QUEUE_PART;
}

/* DWARF register numbers of x86_64: System V ABI, AMD64 supplement, figure 3.36. */
enum { OFFCPU_RBP = 6, OFFCPU_RSP = 7, OFFCPU_RIP = 16, OFFCPU_REGISTERS = 17 };

struct offcpu_stack {
    struct offcpu_head head;
    __u32 sequence;
    __u32 size; /* bytes copied, from the stack pointer upwards */
    __u64 registers[OFFCPU_REGISTERS];
    __u8 bytes[OFFCPU_STACK_BYTES]; /* the record has OFFCPU_SHALLOW_BYTES of them where `size` is not more */
};

/* The bytes of a record that has so many of the stack. */
#define OFFCPU_STACK_RECORD(size) (__builtin_offsetof(struct offcpu_stack, bytes) + (size))

/* Bytes of the stack from the page of the stack pointer plus part * OFFCPU_STACK_BYTES upwards. */
struct offcpu_stack_part {
    struct offcpu_head head;
    __u32 sequence;
    __u32 part; /* 1 … OFFCPU_STACK_PARTS - 1, in this order */
    __u32 size; /* bytes copied */
    __u32 reserved;
    __u8 bytes[OFFCPU_STACK_BYTES];
};

/* Exact: every wait of a thread in one system call, recorded or not. */
struct offcpu_call {
    __u32 thread; /* as in offcpu_head */
    __s32 syscall;
};

struct offcpu_total {
    __u32 run;
    __u32 tid;
    __u64 count;
    __u64 blocked_ns;
    __u64 runqueue_ns;
    __u64 max_ns; /* of blocked_ns */
    __u32 hist[OFFCPU_HIST];
};

struct offcpu_total_record {
    struct offcpu_head head;
    struct offcpu_call call;
    struct offcpu_total total;
};

/* Exact: the four times are all the time from begin_ns until head.time_ns. */
struct offcpu_sched {
    struct offcpu_head head;
    __u64 begin_ns;
    __u64 oncpu_ns;
    __u64 blocked_ns;   /* until it was woken */
    __u64 runqueue_ns;  /* from then on, or from its creation, until it ran */
    __u64 preempted_ns; /* ready to run, but another had the CPU */
    __u64 waits;
    __u32 preemptions;
    __u32 reserved;
    char comm[16];
};

/* What was lost, by cause: indexes of the map `lost`. */
enum offcpu_lost { OFFCPU_LOST_WAITS, OFFCPU_LOST_STACKS, OFFCPU_LOST_TOTALS, OFFCPU_LOST_CAUSES };

#endif
