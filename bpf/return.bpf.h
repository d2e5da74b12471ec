/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done when a thread returns to user space: its stack is copied, and a wait that ended unseen is ended. */
#ifndef CPROBE_BPF_RETURN_H
#define CPROBE_BPF_RETURN_H

static void wait_end_unseen(struct task_struct *task, struct thread *thread, bool in_call);

static int stack_on_return(struct bpf_map *map, void *key, void *value)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct thread *thread = thread_find(task);
    if (!thread || !thread->stack_wanted)
        return 0;
    thread->stack_wanted = false;
    stack_copy(USER_SLEEPABLE, task, thread, thread->sequence++);
    return 0;
}

static struct work *work_get(void *map, __u32 tid)
{
    struct work *work, empty = {};
    work = bpf_map_lookup_elem(map, &tid);
    if (work)
        return work;
    bpf_map_update_elem(map, &tid, &empty, BPF_NOEXIST);
    return bpf_map_lookup_elem(map, &tid);
}

static void stack_want(struct task_struct *task, struct thread *thread)
{
    struct work *work;

    if (thread->stack_wanted)
        return;
    thread->stack_wanted = true;
    if (!has_task_work)
        return;
    work = work_get(&works, task->pid);
    if (!work || bpf_task_work_schedule_resume_impl(task, &work->queued, &works, stack_on_return, NULL) != 0) {
        thread->stack_wanted = false;
        thread->sequence++;
        lose(OFFCPU_LOST_STACKS);
    }
}

static int wait_on_return(struct bpf_map *map, void *key, void *value)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct thread *thread = thread_find(task);
    if (thread && thread->off_ns && delay_is_known())
        wait_end_unseen(task, thread, true);
    return 0;
}

/* Looks, when the thread returns to user space, whether the wait that ends now has been seen to end. */
static void wait_watch(struct task_struct *task)
{
    struct work *work = has_task_work ? work_get(&late_works, task->pid) : NULL;
    if (work) /* what fails is that one is queued already */
        bpf_task_work_schedule_resume_impl(task, &work->queued, &late_works, wait_on_return, NULL);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(sys_exit, struct pt_regs *regs, long result)
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

#endif
