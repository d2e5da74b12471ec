/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who ends a wait: the thread, unless it is an interrupt, and where that thread is. */
#ifndef CPROBE_BPF_WAKES_H
#define CPROBE_BPF_WAKES_H

static struct interrupts *interrupts_here(void)
{
    __u32 zero = 0;
    return bpf_map_lookup_elem(&interrupts, &zero);
}

/*
 * Whether the wait that ends now will be recorded, so that it is worth stacks. To read the clock costs as much as all
 * the rest here. A thread that wakes another had its run queue's clock read when it got its CPU or at the latest tick,
 * some ms ago at most: the clock is read again only for a wait that looks long by it, or whose thread usually waits
 * long enough. Interrupts are rarer, and may find a CPU idle for long.
 */
static __always_inline bool wake_is_worth(struct task_struct *waker, struct thread *thread)
{
    if (!thread->credit)
        thread->credit = credit_draw();
    __u64 credit = (__u64)thread->credit << thread->thin;
    __u64 enough = (credit < mean_ns ? credit : mean_ns) << stacks_thin;
    if (enough > certain_ns)
        enough = certain_ns;
    if (thread->waker_tid && !(thread->flags & OFFCPU_WAKER_SOFTIRQ)) {
        __u64 read = clock_of_switch(waker);
        __u64 guess = 2 * thread->last_ns + (read > thread->off_ns ? read - thread->off_ns : 0);
        if (guess < enough)
            return false;
    }
    return clock_now() - thread->off_ns >= enough;
}

static __noinline void wake_write(struct task_struct *waker, struct task_struct *task, struct thread *thread)
{
    struct thread *own = thread_find(waker);
    if (!own || own == thread)
        return;
    struct offcpu_wait *wake = wait_reserve(OFFCPU_WAKE, waker, true, own, bpf_ktime_get_ns());
    if (!wake)
        return;
    wake->head.other = TASK_READ(task, pid);
    wake->woken_ns = thread->off_monotonic = clock_monotonic(thread->off_ns);
    wake->syscall = 0;
    wake->flags = thread->flags;
    bpf_ringbuf_submit(wake, BPF_RB_NO_WAKEUP);
    stack_want(waker, own);
}

static __always_inline int waking(struct task_struct *task)
{
    struct thread *thread = thread_find(task);
    if (!thread || !thread->off_ns || thread->woken)
        return 0;
    struct interrupts *here = interrupts_here();
    struct task_struct *waker = bpf_get_current_task_btf();
    thread->woken = true;
    if (!delay_is_known())
        thread->wake_ns = clock_now();
    if (!waker->pid || (here && here->hard)) {
        thread->flags |= OFFCPU_WAKER_IRQ;
    } else {
        thread->waker_tid = waker->pid;
        if (here && here->soft)
            thread->flags |= OFFCPU_WAKER_SOFTIRQ;
    }
    if (!wake_is_worth(waker, thread))
        return 0;
    return_watch(task, thread);
    if (thread->waker_tid)
        wake_write(waker, task, thread);
    return 0;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(sched_waking, struct task_struct *task)
{
    return waking(task);
}

SEC("?raw_tp/sched_waking")
int BPF_PROG(raw_waking, struct task_struct *task)
{
    return waking(task);
}

/* Recording may begin in the middle of an interrupt, so an end can come without its beginning. The other way round
   would count too many for ever: ends are attached first, in the order in which they stand here. */
#define INTERRUPT(tracepoint, field, change)         \
    static int tracepoint##_seen(void)               \
    {                                                \
        struct interrupts *here = interrupts_here(); \
        if (here && (change > 0 || here->field > 0)) \
            here->field += change;                   \
        return 0;                                    \
    }                                                \
    SEC("tp_btf/" #tracepoint)                       \
    int tracepoint(void *ctx)                        \
    {                                                \
        return tracepoint##_seen();                  \
    }                                                \
    SEC("?raw_tp/" #tracepoint)                      \
    int raw_##tracepoint(void *ctx)                  \
    {                                                \
        return tracepoint##_seen();                  \
    }
INTERRUPT(irq_handler_exit, hard, -1)
INTERRUPT(irq_handler_entry, hard, 1)
INTERRUPT(hrtimer_expire_exit, hard, -1)
INTERRUPT(hrtimer_expire_entry, hard, 1)
INTERRUPT(softirq_exit, soft, -1)
INTERRUPT(softirq_entry, soft, 1)

#endif
