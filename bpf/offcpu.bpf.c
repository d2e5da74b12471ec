/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Off-CPU time of chosen processes and all their descendants: how long each thread waited, in which system call or
 * fault, how long it then waited for a CPU, and who woke it.
 *
 * A thread is watched if it has a task storage entry. The iterator gives one to every thread of the processes in
 * `seeds` when recording begins, fork hands it on. For all other threads each program ends after one look-up.
 *
 * Cost is paid for long waits only. sched_switch adds up totals and decides, weighted by duration, whether a wait is
 * recorded (src/capture/sampler.h). The user stack cannot be read there: the thread that is about to run is not the
 * one whose memory is mapped. So it is copied when the thread returns to user space: by task work that is queued for
 * that one thread (Linux 6.18), or, on older kernels, by a program at the end of every system call.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "clock.bpf.h"
#include "compat.bpf.h"
#include "offcpu.h"

char LICENSE[] SEC("license") = "GPL";

/* Set before loading. */
const volatile __u64 mean_ns = 1000000;            /* of the sampler's distribution */
const volatile __u32 credits[OFFCPU_CREDITS] = {}; /* its quantiles */
const volatile bool has_task_work = false;         /* bpf_task_work_schedule_resume exists */

/* Set while loaded. */
bool finishing = false; /* the iterator captures who still waits; else it seeds */
__u32 last_run = 0;     /* numbers given so far: struct offcpu_head */
__u32 last_thread = 0;

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

    __u64 queued_ns; /* for how long it had queued for CPUs when the wait began */
    __s64 credit;    /* blocked time until the next recorded wait; 0: not drawn yet */
    __u32 waker_tid;
    __u32 sequence;
    __u16 flags;
    bool woken; /* the wait is over */
    bool disk;  /* the kernel counts the wait as one for a disk */
    bool stack_wanted;
    bool evicted; /* some of its totals are in the map */
    __u8 call_oldest;

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

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 16 << 20);
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

static struct thread *thread_find(struct task_struct *task)
{
    return bpf_task_storage_get(&threads, task, NULL, 0);
}

static void head_fill(struct offcpu_head *head, __u32 kind, const struct task_struct *task, const struct thread *thread,
                      __u64 time_ns)
{
    head->kind = kind;
    head->pid = task->tgid;
    head->tid = task->pid;
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

/* ---- the user stack ---- */

static void registers_copy(__u64 *to, const struct pt_regs *from)
{
    const struct pt_regs *r = from;
    to[0] = BPF_CORE_READ(r, ax);
    to[1] = BPF_CORE_READ(r, dx);
    to[2] = BPF_CORE_READ(r, cx);
    to[3] = BPF_CORE_READ(r, bx);
    to[4] = BPF_CORE_READ(r, si);
    to[5] = BPF_CORE_READ(r, di);
    to[6] = BPF_CORE_READ(r, bp);
    to[7] = BPF_CORE_READ(r, sp);
    to[8] = BPF_CORE_READ(r, r8);
    to[9] = BPF_CORE_READ(r, r9);
    to[10] = BPF_CORE_READ(r, r10);
    to[11] = BPF_CORE_READ(r, r11);
    to[12] = BPF_CORE_READ(r, r12);
    to[13] = BPF_CORE_READ(r, r13);
    to[14] = BPF_CORE_READ(r, r14);
    to[15] = BPF_CORE_READ(r, r15);
    to[16] = BPF_CORE_READ(r, ip);
}

/* Page by page: what lies beyond the last mapped page ends the copy, not fails it. READ is one of the two ways to read.
 */
#define STACK_FILL(record, READ)                                               \
    do {                                                                       \
        __u64 at = (record)->registers[OFFCPU_RSP];                            \
        __u64 size = OFFCPU_PAGE - (at & (OFFCPU_PAGE - 1));                   \
        (record)->size = 0;                                                    \
        if (READ((record)->bytes, size, at) == 0) {                            \
            for (int page = 1; page < OFFCPU_STACK_PAGES; page++) {            \
                if (size > (page)*OFFCPU_PAGE)                                 \
                    break;                                                     \
                if (READ((record)->bytes + size, OFFCPU_PAGE, at + size) != 0) \
                    break;                                                     \
                size += OFFCPU_PAGE;                                           \
            }                                                                  \
            (record)->size = size;                                             \
        }                                                                      \
    } while (0)

#define READ_NOW(to, size, from) bpf_probe_read_user((to), (size), (void *)(from))
#define READ_SLEEPABLE(to, size, from) bpf_copy_from_user((to), (size), (void *)(from))

static struct offcpu_stack *stack_begin(struct task_struct *task, const struct thread *thread, __u32 sequence)
{
    struct offcpu_stack *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
    if (!record) {
        lose(OFFCPU_LOST_STACKS);
        return NULL;
    }
    head_fill(&record->head, OFFCPU_STACK, task, thread, bpf_ktime_get_ns());
    record->sequence = sequence;
    registers_copy(record->registers, (struct pt_regs *)bpf_task_pt_regs(task));
    return record;
}

#include "python.bpf.h"

static int stack_on_return(struct bpf_map *map, void *key, void *value)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct thread *thread = thread_find(task);
    if (!thread || !thread->stack_wanted)
        return 0;
    thread->stack_wanted = false;
    python_write(PYTHON_SLEEPABLE, task, thread, thread->sequence);
    struct offcpu_stack *record = stack_begin(task, thread, thread->sequence++);
    if (!record)
        return 0;
    STACK_FILL(record, READ_SLEEPABLE);
    bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
    return 0;
}

static void stack_want(struct task_struct *task, struct thread *thread)
{
    __u32 tid = task->pid;
    struct work *work, empty = {};

    if (thread->stack_wanted)
        return;
    thread->stack_wanted = true;
    if (!has_task_work)
        return;
    work = bpf_map_lookup_elem(&works, &tid);
    if (!work) {
        bpf_map_update_elem(&works, &tid, &empty, BPF_NOEXIST);
        work = bpf_map_lookup_elem(&works, &tid);
    }
    if (!work || bpf_task_work_schedule_resume_impl(task, &work->queued, &works, stack_on_return, NULL) != 0) {
        thread->stack_wanted = false;
        thread->sequence++;
        lose(OFFCPU_LOST_STACKS);
    }
}

SEC("tp_btf/sys_exit")
int BPF_PROG(sys_exit, struct pt_regs *regs, long result)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct thread *thread = thread_find(task);
    if (!thread || !thread->stack_wanted)
        return 0;
    thread->stack_wanted = false;
    python_write(PYTHON_NOW, task, thread, thread->sequence);
    struct offcpu_stack *record = stack_begin(task, thread, thread->sequence++);
    if (!record)
        return 0;
    STACK_FILL(record, READ_NOW);
    bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
    return 0;
}

/* ---- waits ---- */

/* Number of the highest bit, 0 for 0. */
static __u32 magnitude(__u64 value)
{
    __u32 bits = 0;
    if (value >> 32)
        bits += 32, value >>= 32;
    if (value >> 16)
        bits += 16, value >>= 16;
    if (value >> 8)
        bits += 8, value >>= 8;
    if (value >> 4)
        bits += 4, value >>= 4;
    if (value >> 2)
        bits += 2, value >>= 2;
    return bits + (value >> 1 & 1);
}

static void total_merge(struct offcpu_total *into, const struct offcpu_total *from)
{
    into->count += from->count;
    into->blocked_ns += from->blocked_ns;
    into->runqueue_ns += from->runqueue_ns;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
    for (int i = 0; i < OFFCPU_HIST; i++)
        into->hist[i] += from->hist[i];
}

/* Moves the totals of a call into the map. */
static __noinline void call_evict(struct task_struct *task, struct thread *thread, struct call *call)
{
    struct offcpu_call key = {.thread = thread->number, .syscall = call->number};
    struct offcpu_total *total = bpf_map_lookup_elem(&totals, &key);
    call->total.run = thread->run;
    call->total.tid = task->pid;
    if (total)
        total_merge(total, &call->total);
    else if (bpf_map_update_elem(&totals, &key, &call->total, BPF_NOEXIST) != 0)
        lose(OFFCPU_LOST_TOTALS);
    thread->evicted = true;
    __builtin_memset(call, 0, sizeof(*call));
}

static void total_add(struct task_struct *task, struct thread *thread, __s32 syscall, __u64 blocked, __u64 runqueue)
{
    struct offcpu_total *total = NULL;
    for (__u32 i = 0; i < CALLS && !total; i++) {
        struct call *call = &thread->calls[i];
        if (call->number == syscall || !call->total.count) {
            call->number = syscall;
            total = &call->total;
        }
    }
    if (!total) {
        struct call *oldest = &thread->calls[thread->call_oldest++ % CALLS];
        call_evict(task, thread, oldest);
        oldest->number = syscall;
        total = &oldest->total;
    }
    total->count++;
    total->blocked_ns += blocked;
    total->runqueue_ns += runqueue;
    if (blocked > total->max_ns)
        total->max_ns = blocked;
    __u32 bucket = magnitude(blocked);
    total->hist[bucket < OFFCPU_HIST ? bucket : OFFCPU_HIST - 1]++;
}

static __s64 credit_draw(void)
{
    __s64 credit = credits[bpf_get_prandom_u32() % OFFCPU_CREDITS];
    return credit ? credit : 1;
}

/* Whether this wait is recorded: its time is spent from the thread's credit. */
static bool wait_chosen(struct thread *thread, __u64 duration)
{
    if (duration >= mean_ns)
        return true;
    if (!thread->credit)
        thread->credit = credit_draw();
    thread->credit -= (__s64)duration;
    if (thread->credit > 0)
        return false;
    thread->credit = credit_draw();
    return true;
}

static __u16 wait_cause(const struct thread *thread, __s32 syscall)
{
    if (syscall == NR_FUTEX || syscall == NR_FUTEX_WAITV || syscall == NR_FUTEX_WAIT)
        return CAUSE_LOCK;
    if (syscall == NR_NANOSLEEP || syscall == NR_CLOCK_NANOSLEEP)
        return CAUSE_SLEEP;
    if (thread->disk && syscall != NR_IO_URING_ENTER)
        return CAUSE_DISK;
    return syscall >= 0 ? CAUSE_SYSCALL : CAUSE_FAULT;
}

static bool wait_write(struct task_struct *task, struct thread *thread, __s32 syscall, __u64 blocked, __u64 runqueue)
{
    struct offcpu_wait *wait = bpf_ringbuf_reserve(&records, sizeof(*wait), 0);
    if (!wait) {
        lose(OFFCPU_LOST_WAITS);
        return false;
    }
    head_fill(&wait->head, OFFCPU_WAIT, task, thread, clock_monotonic(thread->off_ns));
    wait->blocked_ns = blocked;
    wait->runqueue_ns = runqueue;
    wait->sequence = thread->sequence;
    wait->waker_tid = thread->waker_tid;
    const struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
    wait->fd = syscall >= 0 ? (__s32)regs->di : -1;
    wait->syscall = syscall;
    wait->cause = wait_cause(thread, syscall);
    wait->flags = thread->flags;
    wait->reserved = 0;
    bpf_probe_read_kernel(wait->comm, sizeof(wait->comm), task->comm);
    long bytes = bpf_get_task_stack(task, wait->kernel, sizeof(wait->kernel), 0);
    wait->kernel_count = bytes > 0 ? (__u32)bytes / sizeof(__u64) : 0;
    bpf_ringbuf_submit(wait, BPF_RB_NO_WAKEUP);
    return true;
}

/* The system call that a thread which is not running is in; -1: none. */
static __s32 syscall_of(struct task_struct *task)
{
    const struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
    __s64 number = (__s64)regs->orig_ax;
    return number >= 0 ? (__s32)number : -1;
}

static void wait_begin(struct task_struct *task, struct thread *thread, __u64 now)
{
    thread->off_ns = now;
    thread->wake_ns = 0;
    thread->woken = false;
    thread->waker_tid = 0;
    thread->flags = 0;
    if (delay_is_known())
        thread->queued_ns = queued_until(task, now);
    thread->disk = BPF_CORE_READ_BITFIELD(task, in_iowait);
}

static void wait_add(struct task_struct *task, struct thread *thread, __s32 syscall, __u64 blocked, __u64 runqueue)
{
    thread->waits++;
    thread->blocked_ns += blocked;
    thread->runqueue_ns += runqueue;
    total_add(task, thread, syscall, blocked, runqueue);
}

/* How much of the wait until now was queueing for a CPU. */
static __u64 wait_queued(const struct task_struct *task, const struct thread *thread, __u64 now)
{
    __u64 all = now - thread->off_ns, queued = 0;
    if (delay_is_known())
        queued = queued_until(task, now) - thread->queued_ns;
    else if (thread->wake_ns)
        queued = now - thread->wake_ns;
    return queued < all ? queued : all;
}

static void wait_end(struct task_struct *task, struct thread *thread, __u64 now)
{
    __u64 runqueue = wait_queued(task, thread, now);
    __u64 blocked = now - thread->off_ns - runqueue;
    __s32 syscall = syscall_of(task);

    wait_add(task, thread, syscall, blocked, runqueue);
    if (!wait_chosen(thread, blocked + runqueue)) {
        thread->off_ns = 0;
        return;
    }
    clock_measure(now);
    if (wait_write(task, thread, syscall, blocked, runqueue))
        stack_want(task, thread);
    thread->off_ns = 0;
}

static void thread_leaves(struct task_struct *task, struct thread *thread, bool preempted, bool ready, __u64 now)
{
    if (thread->on_ns)
        thread->oncpu_ns += now - thread->on_ns;
    thread->on_ns = 0;
    if (!ready) {
        wait_begin(task, thread, now);
        return;
    }
    thread->ready_ns = now;
    if (preempted)
        thread->preemptions++;
}

static void thread_comes(struct task_struct *task, struct thread *thread, __u64 now)
{
    if (thread->off_ns)
        wait_end(task, thread, now);
    else if (thread->ready_ns)
        thread->preempted_ns += now - thread->ready_ns;
    else if (thread->wake_ns)
        thread->runqueue_ns += now - thread->wake_ns;
    thread->ready_ns = 0;
    thread->wake_ns = 0;
    thread->on_ns = now;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
    struct thread *thread;
    if (!clock_measured)
        clock_measure(clock_of_switch(next));
    thread = thread_find(prev);
    if (thread)
        thread_leaves(prev, thread, preempt, preempt || !prev_state, clock_of_switch(prev));
    thread = thread_find(next);
    if (thread)
        thread_comes(next, thread, clock_of_switch(next));
    return 0;
}

static struct interrupts *interrupts_here(void)
{
    __u32 zero = 0;
    return bpf_map_lookup_elem(&interrupts, &zero);
}

SEC("tp_btf/sched_waking")
int BPF_PROG(sched_waking, struct task_struct *task)
{
    struct thread *thread = thread_find(task);
    if (!thread || !thread->off_ns || thread->woken)
        return 0;
    struct interrupts *here = interrupts_here();
    thread->woken = true;
    if (!delay_is_known())
        thread->wake_ns = clock_now();
    thread->waker_tid = (__u32)bpf_get_current_pid_tgid();
    if (!thread->waker_tid || (here && here->hard)) {
        thread->waker_tid = 0;
        thread->flags |= OFFCPU_WAKER_IRQ;
    } else if (here && here->soft) {
        thread->flags |= OFFCPU_WAKER_SOFTIRQ;
    }
    return 0;
}

/* Recording may begin in the middle of an interrupt, so an end can come without its beginning. The other way round
   would count too many for ever: ends are attached first, in the order in which they stand here. */
#define INTERRUPT(tracepoint, field, change)         \
    SEC("tp_btf/" #tracepoint)                       \
    int tracepoint(void *ctx)                        \
    {                                                \
        struct interrupts *here = interrupts_here(); \
        if (here && (change > 0 || here->field > 0)) \
            here->field += change;                   \
        return 0;                                    \
    }
INTERRUPT(irq_handler_exit, hard, -1)
INTERRUPT(irq_handler_entry, hard, 1)
INTERRUPT(hrtimer_expire_exit, hard, -1)
INTERRUPT(hrtimer_expire_entry, hard, 1)
INTERRUPT(softirq_exit, soft, -1)
INTERRUPT(softirq_entry, soft, 1)

/* ---- processes ---- */

static void head_write(__u32 kind, const struct task_struct *task, const struct thread *thread, __u32 other,
                       __u64 flags)
{
    struct offcpu_head *head = bpf_ringbuf_reserve(&records, sizeof(*head), 0);
    if (!head) {
        lose(OFFCPU_LOST_WAITS);
        return;
    }
    head_fill(head, kind, task, thread, bpf_ktime_get_ns());
    head->other = other;
    bpf_ringbuf_submit(head, flags);
}

static void sched_write(struct task_struct *task, const struct thread *thread, __u64 now)
{
    struct offcpu_sched *sched = bpf_ringbuf_reserve(&records, sizeof(*sched), 0);
    if (!sched) {
        lose(OFFCPU_LOST_TOTALS);
        return;
    }
    head_fill(&sched->head, OFFCPU_SCHED, task, thread, clock_monotonic(now));
    sched->begin_ns = clock_monotonic(thread->begin_ns);
    sched->oncpu_ns = thread->oncpu_ns;
    sched->blocked_ns = thread->blocked_ns;
    sched->runqueue_ns = thread->runqueue_ns;
    sched->preempted_ns = thread->preempted_ns;
    sched->waits = thread->waits;
    sched->preemptions = thread->preemptions;
    sched->reserved = 0;
    bpf_probe_read_kernel(sched->comm, sizeof(sched->comm), task->comm);
    bpf_ringbuf_submit(sched, BPF_RB_NO_WAKEUP);
}

static void call_write(struct task_struct *task, struct thread *thread, struct call *call)
{
    struct offcpu_total_record *record;
    if (!call->total.count)
        return;
    record = thread->evicted ? NULL : bpf_ringbuf_reserve(&records, sizeof(*record), 0);
    if (!record) {
        call_evict(task, thread, call);
        return;
    }
    head_fill(&record->head, OFFCPU_TOTAL, task, thread, 0);
    record->call.thread = thread->number;
    record->call.syscall = call->number;
    record->total = call->total;
    record->total.run = thread->run;
    record->total.tid = task->pid;
    bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

/* Hands out what was added up: the thread's or the recording's end. */
static void thread_write(struct task_struct *task, struct thread *thread, __u64 now)
{
    __u64 queued = thread->off_ns ? wait_queued(task, thread, now) : 0;
    if (thread->on_ns)
        thread->oncpu_ns += now - thread->on_ns;
    else if (thread->off_ns)
        wait_add(task, thread, syscall_of(task), now - thread->off_ns - queued, queued);
    else if (thread->ready_ns)
        thread->preempted_ns += now - thread->ready_ns;
    else if (thread->wake_ns)
        thread->runqueue_ns += now - thread->wake_ns;
    sched_write(task, thread, now);
    for (int i = 0; i < CALLS; i++)
        call_write(task, thread, &thread->calls[i]);
}

static void thread_begin(struct thread *thread, __u32 run, __u64 now)
{
    thread->run = run;
    thread->number = thread_new();
    thread->begin_ns = now;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(sched_process_fork, struct task_struct *parent, struct task_struct *child)
{
    struct thread *creator = thread_find(parent), *created;
    if (!creator)
        return 0;
    created = bpf_task_storage_get(&threads, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (!created) {
        lose(OFFCPU_LOST_WAITS);
        return 0;
    }
    if (created->number) /* the iterator was faster */
        return 0;
    created->wake_ns = clock_now();
    thread_begin(created, child->tgid == parent->tgid ? creator->run : run_new(), created->wake_ns);
    if (child->tgid != parent->tgid) {
        python_fork(creator->run, created->run);
        head_write(OFFCPU_FORK, child, created, parent->tgid, BPF_RB_FORCE_WAKEUP);
    }
    return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(sched_process_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
    struct thread *thread = thread_find(task);
    if (!thread)
        return 0;
    __u64 now = clock_now();
    __u32 before = thread->run;
    thread_write(task, thread, now);
    __builtin_memset(&thread->begin_ns, 0, sizeof(*thread) - __builtin_offsetof(struct thread, begin_ns));
    thread->evicted = false;
    thread->on_ns = now;
    thread_begin(thread, run_new(), now);
    head_write(OFFCPU_EXEC, task, thread, before, BPF_RB_FORCE_WAKEUP);
    return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(sched_process_exit, struct task_struct *task)
{
    struct thread *thread = thread_find(task);
    __u32 tid = task->pid;
    if (!thread)
        return 0;
    if (has_task_work)
        bpf_map_delete_elem(&works, &tid);
    thread_write(task, thread, clock_now());
    head_write(OFFCPU_EXIT, task, thread, 0, BPF_RB_NO_WAKEUP);
    bpf_task_storage_delete(&threads, task); /* a zombie waits for its parent: that is no wait of its own */
    return 0;
}

/* ---- all threads, when recording begins and ends ---- */

static void thread_seed(struct task_struct *task)
{
    __u32 pid = task->tgid;
    __u32 *run = bpf_map_lookup_elem(&seeds, &pid);
    if (!run || thread_find(task))
        return;
    struct thread *thread = bpf_task_storage_get(&threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (!thread) {
        lose(OFFCPU_LOST_WAITS);
        return;
    }
    __u64 now = clock_now();
    thread_begin(thread, *run, now);
    if (thread->on_ns || thread->off_ns || thread->ready_ns)
        return; /* a switch was faster */
    if (task->on_cpu) {
        thread->on_ns = now;
    } else if (task->__state) {
        wait_begin(task, thread, now);
        thread->flags = OFFCPU_EARLIER;
    } else {
        thread->ready_ns = now;
    }
}

#define READ_TASK(to, size, from) bpf_copy_from_user_task((to), (size), (void *)(from), task, 0)

static void thread_finish(struct task_struct *task)
{
    struct thread *thread = thread_find(task);
    if (!thread)
        return;
    __u64 now = clock_now();
    thread_write(task, thread, now);
    if (!thread->off_ns || thread->woken)
        return;
    thread->flags |= OFFCPU_UNFINISHED;
    if (!wait_write(task, thread, syscall_of(task), now - thread->off_ns, 0))
        return;
    python_write(PYTHON_OTHER_TASK, task, thread, thread->sequence);
    struct offcpu_stack *record = stack_begin(task, thread, thread->sequence);
    if (!record)
        return;
    STACK_FILL(record, READ_TASK);
    bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

SEC("iter.s/task")
int each_thread(struct bpf_iter__task *ctx)
{
    struct task_struct *task = ctx->task;
    if (!task)
        return 0;
    if (finishing)
        thread_finish(task);
    else
        thread_seed(task);
    return 0;
}
