/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One wait: its begin, its end, and whether it is recorded. */
#ifndef CPROBE_BPF_WAITS_H
#define CPROBE_BPF_WAITS_H

#define SAME_CALL_NS 50000

#define STACKS_NS 100000000ull

/* wait_thin: stacks of a thread's short waits, at most 160 a second, and at least 40 where it has that many. */
#define THIN_STACKS 16
#define THIN_FAST_NS 100000000ull
#define THIN_SLOW_NS 400000000ull
#define THIN_MAX 8

static __noinline __s64 credit_draw(void)
{
    __s64 credit = credits[bpf_get_prandom_u32() % OFFCPU_CREDITS];
    return credit ? credit : 1;
}

/* Whether this wait is recorded: its time is spent from the thread's credit. */
static __always_inline bool wait_chosen(struct thread *thread, __u64 blocked, __u64 runqueue)
{
    __u64 worth = offcpu_worth(blocked, runqueue) >> stacks_thin;
    if (worth >= mean_ns || blocked + runqueue >= certain_ns)
        return true;
    if (!thread->credit)
        thread->credit = credit_draw();
    thread->credit -= (__s64)(worth >> thread->thin);
    if (thread->credit > 0)
        return false;
    thread->credit = credit_draw();
    return true;
}

/*
 * A thread that does little but wait for short times would get a stack for each mean of the time, a thousand a second,
 * which tells no more than a few hundred and costs a server some per cent. So its sampling is made half as dense, or
 * twice, whenever it took a number of stacks too fast, or slowly. (What is left of a credit is as good a draw for the
 * new mean: the distribution has no memory.)
 */
static void wait_thin(struct thread *thread, __u64 duration, __u64 now)
{
    if (duration >= mean_ns || ++thread->thin_count < THIN_STACKS)
        return;
    __u64 took = now - thread->thin_ns;
    if (took < THIN_FAST_NS && thread->thin < THIN_MAX)
        thread->thin++;
    else if (took > THIN_SLOW_NS && thread->thin > 0)
        thread->thin--;
    thread->thin_count = 0;
    thread->thin_ns = now;
}

/* The same for all threads together: a server may have thousands. */
static void stacks_count(__u64 now)
{
    __u32 taken = __sync_fetch_and_add(&stacks_taken, 1) + 1;
    __u64 since = stacks_since, took = now - since;
    if (took < STACKS_NS || __sync_val_compare_and_swap(&stacks_since, since, now) != since)
        return;
    stacks_taken = 0;
    if (taken * STACKS_NS > took * stacks_max && stacks_thin < THIN_MAX)
        stacks_thin++;
    else if (taken * STACKS_NS * 4 < took * stacks_max && stacks_thin > 0)
        stacks_thin--;
}

static __u16 wait_cause(const struct thread *thread)
{
    __s32 syscall = thread->syscall;
    if (syscall == NR_FUTEX || syscall == NR_FUTEX_WAITV || syscall == NR_FUTEX_WAIT)
        return CAUSE_LOCK;
    if (syscall == NR_NANOSLEEP || syscall == NR_CLOCK_NANOSLEEP)
        return CAUSE_SLEEP;
    if (thread->disk && syscall != NR_IO_URING_ENTER)
        return CAUSE_DISK;
    return syscall >= 0 ? CAUSE_SYSCALL : CAUSE_FAULT;
}

/* What a wait and a wake-up have in common. typed: `task` is a pointer that helpers take, also with `raw`. */
static struct offcpu_wait *wait_reserve(__u32 kind, struct task_struct *task, bool typed, const struct thread *thread,
                                        __u64 time_ns)
{
    struct offcpu_wait *wait = bpf_ringbuf_reserve(&records, sizeof(*wait), 0);
    if (!wait) {
        lose(OFFCPU_LOST_WAITS);
        return NULL;
    }
    head_fill(&wait->head, kind, task, thread, time_ns);
    wait->blocked_ns = 0;
    wait->runqueue_ns = 0;
    wait->woken_ns = 0;
    wait->sequence = thread->sequence;
    wait->waker_tid = 0;
    wait->fd = -1;
    wait->cause = 0;
    wait->flags = 0;
    wait->thin_all = stacks_thin;
    wait->thin = thread->thin + wait->thin_all;
    bpf_probe_read_kernel(wait->comm, sizeof(wait->comm), task->comm);
    long bytes = raw && !typed ? 0 : bpf_get_task_stack(task, wait->kernel, sizeof(wait->kernel), 0);
    wait->kernel_count = bytes > 0 ? (__u32)bytes / sizeof(__u64) : 0;
    return wait;
}

static bool wait_write(struct task_struct *task, bool typed, struct thread *thread, __u64 blocked, __u64 runqueue)
{
    struct offcpu_wait *wait =
        wait_reserve(OFFCPU_WAIT, task, typed, thread,
                     thread->off_monotonic ? thread->off_monotonic : clock_monotonic(thread->off_ns));
    if (!wait)
        return false;
    wait->blocked_ns = blocked;
    wait->runqueue_ns = runqueue;
    wait->waker_tid = thread->waker_tid;
    wait->fd = thread->fd;
    wait->syscall = thread->syscall;
    wait->cause = wait_cause(thread);
    wait->flags = thread->flags;
    bpf_ringbuf_submit(wait, BPF_RB_NO_WAKEUP);
    return true;
}

static __always_inline void wait_begin(struct task_struct *task, struct thread *thread, __u64 now)
{
    const struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
    __s64 number = (__s64)regs->orig_ax;
    thread->syscall = number >= 0 ? (__s32)number : -1;
    thread->fd = number >= 0 ? (__s32)regs->di : -1;
    thread->off_ns = now;
    thread->off_monotonic = 0;
    thread->wake_ns = 0;
    thread->woken = false;
    thread->waker_tid = 0;
    thread->flags = 0;
    if (delay_is_known())
        thread->queued_ns = queued_until(task, now);
    thread->disk = BPF_CORE_READ_BITFIELD(task, in_iowait);
}

static __always_inline void wait_add(struct task_struct *task, struct thread *thread, __u64 blocked, __u64 runqueue)
{
    thread->waits++;
    thread->blocked_ns += blocked;
    thread->runqueue_ns += runqueue;
    total_add(task, thread, thread->syscall, blocked, runqueue);
}

/* How much of the wait until now was queueing for a CPU. */
static __always_inline __u64 wait_queued(const struct task_struct *task, const struct thread *thread, __u64 now)
{
    __u64 all = now - thread->off_ns, queued = 0;
    if (delay_is_known())
        queued = queued_until(task, now) - thread->queued_ns;
    else if (thread->wake_ns)
        queued = now - thread->wake_ns;
    return queued < all ? queued : all;
}

/* Apart, so that what every switch runs through lies close together. */
static __noinline void wait_record(struct task_struct *task, struct thread *thread, __u64 blocked, __u64 now)
{
    __u64 all = now - thread->off_ns;
    clock_measure(now);
    if (wait_write(task, false, thread, blocked, all - blocked))
        stack_want(task, thread);
    stacks_count(now);
    wait_thin(thread, all, now);
}

static __always_inline void wait_end(struct task_struct *task, struct thread *thread, __u64 now)
{
    __u64 runqueue = wait_queued(task, thread, now);
    __u64 blocked = now - thread->off_ns - runqueue;

    wait_add(task, thread, blocked, runqueue);
    thread->last_ns = blocked;
    if (wait_chosen(thread, blocked, runqueue))
        wait_record(task, thread, blocked, now);
    thread->off_ns = 0;
}

/*
 * A thread that runs although its wait has not been seen to end: where the kernel runs no tracing programs while
 * certain threads are current, the switch from such a thread to this one is not traced, nor is a wake-up by an
 * interrupt on top of one (seen in a sandbox, whose own agent is protected so: one wait of 2,000, more when it is
 * busy). The scheduler knows when the thread came. in_call: it is about to leave a system call, which is the one in
 * which it waited if it came a moment ago.
 */
static __noinline void wait_end_unseen(struct task_struct *task, struct thread *thread, bool in_call)
{
    __u64 came = arrived_at(task), queued = 0, all;
    if (came <= thread->off_ns)
        return;
    all = came - thread->off_ns;
    queued = queued_until(task, came) - thread->queued_ns;
    if (queued > all)
        queued = all;
    wait_add(task, thread, all - queued, queued);
    if (wait_chosen(thread, all - queued, queued) && wait_write(task, true, thread, all - queued, queued)) {
        if (in_call && clock_now() - came < SAME_CALL_NS)
            thread->stack_wanted = true; /* whoever asks copies it next */
        else if (!thread->stack_wanted)
            thread->sequence++; /* the next stack may be of another call */
    }
    thread->off_ns = 0;
    thread->wake_ns = 0;
    thread->on_ns = came;
}

static __always_inline void thread_leaves(struct task_struct *task, struct thread *thread, bool ready, __u64 now)
{
    if (thread->off_ns && delay_is_known())
        wait_end_unseen(task, thread, false);
    if (thread->on_ns)
        thread->oncpu_ns += now - thread->on_ns;
    thread->on_ns = 0;
    if (!ready) {
        wait_begin(task, thread, now);
        return;
    }
    thread->ready_ns = now;
    thread->preemptions++;
}

static __always_inline void thread_comes(struct task_struct *task, struct thread *thread, __u64 now)
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

#endif
