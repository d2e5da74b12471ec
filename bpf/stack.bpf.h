/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user stack, copied when the thread returns to user space: registers, Python frames, and the top of the stack. */
#ifndef CPROBE_BPF_STACK_H
#define CPROBE_BPF_STACK_H

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

static void wait_end_unseen(struct task_struct *task, struct thread *thread, bool in_call);

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
    python_write(PYTHON_NOW, task, thread, thread->sequence);
    struct offcpu_stack *record = stack_begin(task, thread, thread->sequence++);
    if (!record)
        return 0;
    STACK_FILL(record, READ_NOW);
    bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
    return 0;
}

#endif
