/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user stack: wanted for a wait, and copied when the thread returns to user space. */
#ifndef CPROBE_BPF_STACK_H
#define CPROBE_BPF_STACK_H

#include "copy.bpf.h"

static void wait_end_unseen(struct task_struct *task, struct thread *thread);

static int stack_on_return(struct bpf_map *map, void *key, void *value)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct thread *thread = thread_find(task);
    if (!thread || !thread->stack_wanted)
        return 0;
    if (thread->off_ns && delay_is_known())
        wait_end_unseen(task, thread);
    thread->stack_wanted = false;
    stack_copy(USER_SLEEPABLE, task, thread, thread->sequence++);
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
    if (thread->off_ns && delay_is_known())
        wait_end_unseen(task, thread);
    thread->stack_wanted = false;
    stack_copy(USER_NOW, task, thread, thread->sequence++);
    return 0;
}

#endif
