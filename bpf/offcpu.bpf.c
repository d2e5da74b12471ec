/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Off-CPU time of chosen processes and all their descendants: how long each thread waited, in which system call or
 * fault, how long it then waited for a CPU, and who woke it.
 *
 * A thread is watched if it has a task storage entry. The iterator gives one to every thread of the processes in
 * `seeds` when recording begins, fork hands it on. For all other threads each program ends after one look-up.
 *
 * Cost is paid for long waits only. sched_switch adds up totals and decides, weighted by duration, whether a wait is
 * recorded (src/capture/sampler.h); sched_waking notes who ended it. The user stack cannot be read there: the thread
 * that is about to run is not the one whose memory is mapped. So it is copied when the thread returns to user space: by
 * task work that is queued for that one thread (Linux 6.18), or, on older kernels, by a program at the end of every
 * system call.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "compat.bpf.h"
#include "offcpu.h"

#include "thread.bpf.h"

/* Use what thread.bpf.h declares. */
#include "clock.bpf.h"

#include "stack.bpf.h"

#include "return.bpf.h"
#include "totals.bpf.h"

#include "waits.bpf.h"

#include "wakes.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Of a switch, fork, exec and exit the current task is the first one. */
static __always_inline int switched(bool preempt, struct task_struct *prev, struct task_struct *next,
                                    unsigned int prev_state)
{
    struct thread *leaves = thread_find(prev), *comes = thread_find(next);
    if (!leaves && !comes && clock_measured)
        return 0;
    __u64 now = clock_of_switch(prev);
    if (!clock_measured)
        clock_measure(now);
    if (leaves)
        thread_leaves(prev, leaves, preempt || !prev_state, now);
    if (comes)
        thread_comes(next, comes, now);
    return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
    return switched(preempt, prev, next, prev_state);
}

SEC("?raw_tp/sched_switch")
int BPF_PROG(raw_switch, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
    return switched(preempt, bpf_get_current_task_btf(), next, prev_state);
}

/* ---- processes ---- */

static void head_write(__u32 kind, struct task_struct *task, const struct thread *thread, __u32 other, __u64 flags)
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
    if (thread->off_ns && delay_is_known())
        wait_end_unseen(task, thread, false);
    __u64 queued = thread->off_ns ? wait_queued(task, thread, now) : 0;
    if (thread->on_ns)
        thread->oncpu_ns += now - thread->on_ns;
    else if (thread->off_ns)
        wait_add(task, thread, now - thread->off_ns - queued, queued);
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

static int forked(struct task_struct *parent, struct task_struct *child)
{
    struct thread *creator = thread_find(parent), *created;
    if (!creator)
        return 0;
    bool process = TASK_READ(child, tgid) != parent->tgid;
    created = thread_create(child);
    if (!created) {
        lose(OFFCPU_LOST_WAITS);
        return 0;
    }
    if (created->number) /* the iterator was faster */
        return 0;
    created->wake_ns = clock_now();
    thread_begin(created, process ? run_new() : creator->run, created->wake_ns);
    if (process) {
        python_fork(creator->run, created->run);
        head_write(OFFCPU_FORK, child, created, parent->tgid, BPF_RB_FORCE_WAKEUP);
    }
    return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(sched_process_fork, struct task_struct *parent, struct task_struct *child)
{
    return forked(parent, child);
}

SEC("?raw_tp/sched_process_fork")
int BPF_PROG(raw_fork, struct task_struct *parent, struct task_struct *child)
{
    return forked(bpf_get_current_task_btf(), child);
}

static int executed(struct task_struct *task)
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

SEC("tp_btf/sched_process_exec")
int BPF_PROG(sched_process_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
    return executed(task);
}

SEC("?raw_tp/sched_process_exec")
int BPF_PROG(raw_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
    return executed(bpf_get_current_task_btf());
}

static int exited(struct task_struct *task)
{
    struct thread *thread = thread_find(task);
    __u32 tid = task->pid;
    if (!thread)
        return 0;
    if (has_task_work)
        bpf_map_delete_elem(&works, &tid);
    thread_write(task, thread, clock_now());
    head_write(OFFCPU_EXIT, task, thread, 0, BPF_RB_NO_WAKEUP);
    thread_delete(task); /* a zombie waits for its parent: that is no wait of its own */
    return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(sched_process_exit, struct task_struct *task)
{
    return exited(task);
}

SEC("?raw_tp/sched_process_exit")
int BPF_PROG(raw_exit, struct task_struct *task)
{
    return exited(bpf_get_current_task_btf());
}

/* ---- all threads, when recording begins and ends ---- */

static void thread_seed(struct task_struct *task)
{
    __u32 pid = task->tgid;
    __u32 *run = bpf_map_lookup_elem(&seeds, &pid);
    if (!run || thread_find(task))
        return;
    struct thread *thread = thread_create(task);
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
    if (!wait_write(task, true, thread, now - thread->off_ns, 0))
        return;
    stack_copy(USER_OTHER_TASK, task, thread, thread->sequence);
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
