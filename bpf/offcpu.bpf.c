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

struct thread {
    __u32 run, number; /* struct offcpu_head; 0: not given yet */
    __u64 off_ns;      /* when it left the CPU to wait; 0: it did not */
    __u64 wake_ns;     /* when it was woken since; 0: not yet */
    __s64 credit;      /* blocked time until the next recorded wait; 0: not drawn yet */
    __u32 waker_tid;
    __s32 fd;
    __u32 sequence;
    __s16 syscall;
    __u16 cause;
    __u16 flags;
    bool stack_wanted;
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
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
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

static int stack_on_return(struct bpf_map *map, void *key, void *value)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct thread *thread = thread_find(task);
    if (!thread || !thread->stack_wanted)
        return 0;
    thread->stack_wanted = false;
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
    struct offcpu_stack *record = stack_begin(task, thread, thread->sequence++);
    if (!record)
        return 0;
    STACK_FILL(record, READ_NOW);
    bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
    return 0;
}

/* ---- waits ---- */

static void total_add(struct task_struct *task, const struct thread *thread, __u64 blocked, __u64 runqueue)
{
    struct offcpu_call key = {.thread = thread->number, .syscall = thread->syscall};
    struct offcpu_total *total = bpf_map_lookup_elem(&totals, &key);
    if (!total) {
        struct offcpu_total empty = {.run = thread->run, .tid = task->pid};
        bpf_map_update_elem(&totals, &key, &empty, BPF_NOEXIST);
        total = bpf_map_lookup_elem(&totals, &key);
        if (!total) {
            lose(OFFCPU_LOST_TOTALS);
            return;
        }
    }
    total->count++;
    total->blocked_ns += blocked;
    total->runqueue_ns += runqueue;
    if (blocked > total->max_ns)
        total->max_ns = blocked;
    __u32 bucket = 0;
    __u64 rest = blocked;
    if (rest >> 32)
        bucket += 32, rest >>= 32;
    if (rest >> 16)
        bucket += 16, rest >>= 16;
    if (rest >> 8)
        bucket += 8, rest >>= 8;
    if (rest >> 4)
        bucket += 4, rest >>= 4;
    if (rest >> 2)
        bucket += 2, rest >>= 2;
    bucket += rest >> 1 & 1;
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

static bool wait_write(struct task_struct *task, struct thread *thread, __u64 blocked, __u64 runqueue, __u16 flags)
{
    struct offcpu_wait *wait = bpf_ringbuf_reserve(&records, sizeof(*wait), 0);
    if (!wait) {
        lose(OFFCPU_LOST_WAITS);
        return false;
    }
    head_fill(&wait->head, OFFCPU_WAIT, task, thread, thread->off_ns);
    wait->blocked_ns = blocked;
    wait->runqueue_ns = runqueue;
    wait->sequence = thread->sequence;
    wait->waker_tid = thread->waker_tid;
    wait->fd = thread->fd;
    wait->syscall = thread->syscall;
    wait->cause = thread->cause;
    wait->flags = thread->flags | flags;
    wait->reserved = 0;
    bpf_probe_read_kernel(wait->comm, sizeof(wait->comm), task->comm);
    long bytes = bpf_get_task_stack(task, wait->kernel, sizeof(wait->kernel), 0);
    wait->kernel_count = bytes > 0 ? (__u32)bytes / sizeof(__u64) : 0;
    bpf_ringbuf_submit(wait, BPF_RB_NO_WAKEUP);
    return true;
}

/* The thread leaves the CPU to wait, at `now`. */
static void wait_begin(struct task_struct *task, struct thread *thread, __u64 now)
{
    const struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
    __s64 number = (__s64)regs->orig_ax;

    thread->off_ns = now;
    thread->wake_ns = 0;
    thread->waker_tid = 0;
    thread->flags = 0;
    thread->fd = number >= 0 ? (__s32)regs->di : -1;
    thread->syscall = number >= 0 ? number : -1;
    if (number == NR_FUTEX || number == NR_FUTEX_WAITV || number == NR_FUTEX_WAIT)
        thread->cause = CAUSE_LOCK;
    else if (number == NR_NANOSLEEP || number == NR_CLOCK_NANOSLEEP)
        thread->cause = CAUSE_SLEEP;
    else if (number != NR_IO_URING_ENTER && BPF_CORE_READ_BITFIELD(task, in_iowait))
        thread->cause = CAUSE_DISK;
    else
        thread->cause = number >= 0 ? CAUSE_SYSCALL : CAUSE_FAULT;
}

/* The thread is about to run again. */
static void wait_end(struct task_struct *task, struct thread *thread, __u64 now)
{
    __u64 woken = thread->wake_ns ? thread->wake_ns : now;
    __u64 blocked = woken - thread->off_ns, runqueue = now - woken;

    total_add(task, thread, blocked, runqueue);
    if (wait_chosen(thread, blocked + runqueue) && wait_write(task, thread, blocked, runqueue, 0))
        stack_want(task, thread);
    thread->off_ns = 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
    struct thread *leaves = preempt || !prev_state ? NULL : thread_find(prev), *comes = thread_find(next);
    if (!leaves && !comes)
        return 0;
    __u64 now = bpf_ktime_get_ns();
    if (leaves)
        wait_begin(prev, leaves, now);
    if (comes && comes->off_ns)
        wait_end(next, comes, now);
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
    if (!thread || !thread->off_ns || thread->wake_ns)
        return 0;
    struct interrupts *here = interrupts_here();
    thread->wake_ns = bpf_ktime_get_ns();
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
    created->number = thread_new();
    created->run = child->tgid == parent->tgid ? creator->run : run_new();
    if (child->tgid != parent->tgid)
        head_write(OFFCPU_FORK, child, created, parent->tgid, BPF_RB_FORCE_WAKEUP);
    return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(sched_process_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
    struct thread *thread = thread_find(task);
    if (!thread)
        return 0;
    __u32 before = thread->run;
    thread->run = run_new();
    thread->number = thread_new();
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
    thread->run = *run;
    thread->number = thread_new();
    if (!task->__state || task->on_cpu)
        return;
    wait_begin(task, thread, bpf_ktime_get_ns());
    thread->flags = OFFCPU_EARLIER;
}

#define READ_TASK(to, size, from) bpf_copy_from_user_task((to), (size), (void *)(from), task, 0)

static void thread_finish(struct task_struct *task)
{
    struct thread *thread = thread_find(task);
    if (!thread || !thread->off_ns || !task->__state)
        return;
    __u64 now = bpf_ktime_get_ns();
    __u64 off = thread->off_ns;
    if (now <= off)
        return;
    total_add(task, thread, now - off, 0);
    if (!wait_write(task, thread, now - off, 0, OFFCPU_UNFINISHED))
        return;
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
