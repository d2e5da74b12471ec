/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done when a thread returns to user space: its stack is copied, and a wait that ended unseen is ended. */
#ifndef CPROBE_BPF_RETURN_H
#define CPROBE_BPF_RETURN_H

static __noinline void wait_end_unseen(struct task_struct *task, struct thread *thread, bool in_call);

static int on_return(struct bpf_map *map, void *key, void *value)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct thread *thread = thread_find(task);
    if (!thread)
        return 0;
    if (thread->off_ns && delay_is_known())
        wait_end_unseen(task, thread, true);
    thread->work_queued = false;
    if (!thread->stack_wanted)
        return 0;
    thread->stack_wanted = false;
    stack_copy(USER_SLEEPABLE, task, thread, thread->sequence++);
    return 0;
}

static struct work *work_get(__u32 tid)
{
    struct work *work, empty = {};
    work = bpf_map_lookup_elem(&works, &tid);
    if (work)
        return work;
    bpf_map_update_elem(&works, &tid, &empty, BPF_NOEXIST);
    return bpf_map_lookup_elem(&works, &tid);
}

/*
 * Queues on_return, once for all that is wanted of it. The kernel does it from an interrupt that it sends to itself,
 * which takes a virtual machine some 10 us: the larger part of what a recorded wait costs.
 */
static void return_watch(struct task_struct *task, struct thread *thread)
{
    if (!has_task_work || thread->work_queued)
        return;
    struct work *work = work_get(task->pid);
    thread->work_queued = work && bpf_task_work_schedule_resume_impl(task, &work->queued, &works, on_return, NULL) == 0;
}

static void stack_want(struct task_struct *task, struct thread *thread)
{
    if (thread->stack_wanted)
        return;
    return_watch(task, thread);
    thread->stack_wanted = !has_task_work || thread->work_queued;
    if (!thread->stack_wanted) {
        thread->sequence++;
        lose(OFFCPU_LOST_STACKS);
    }
}

static int call_ends(void)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct thread *thread = thread_find(task);
    if (!thread)
        return 0;
    if (thread->off_ns && delay_is_known())
        wait_end_unseen(task, thread, true);
    if (!thread->stack_wanted)
        return 0;
    thread->stack_wanted = false;
    stack_copy(USER_NOW, task, thread, thread->sequence++);
    return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(sys_exit, struct pt_regs *regs, long result)
{
    return call_ends();
}

SEC("?raw_tp/sys_exit")
int BPF_PROG(raw_sys_exit, struct pt_regs *regs, long result)
{
    return call_ends();
}

#endif
