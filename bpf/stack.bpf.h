/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copies a thread's user stack: the Python frames first, where there are any, then what lies far from the stack
 * pointer, then the registers and what is near. src/kernel has all of it when the last one comes.
 *
 * Part of offcpu.bpf.c, behind its maps.
 */
#ifndef CPROBE_BPF_STACK_BPF_H
#define CPROBE_BPF_STACK_BPF_H

#include "user.bpf.h"

#include "python.bpf.h"

#define STACK_SIZE_MAX (8ull << 20) /* of a thread's, as is usual: what seems larger is another kind of stack */

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

/* Room that stacks leave to all other records, which are small and say more: without the record of its end, say, a
   process would seem to go on. */
#define STACK_ROOM (RECORDS_BYTES - RECORDS_BYTES / 4)

static bool stack_has_room(void)
{
    if (bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) < STACK_ROOM)
        return true;
    lose(OFFCPU_LOST_STACKS);
    return false;
}

/* src/kernel looks for records now and then. It is woken where it looks too seldom. */
#define STACK_WAKEUP (RECORDS_BYTES / 4)

static void stack_submit(struct offcpu_stack *record)
{
    bool many = bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) >= STACK_WAKEUP;
    bpf_ringbuf_submit(record, many ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

/* Bytes read from `at`, which lies in a page's middle for the first record only, until `end`: page by page, for what
   lies beyond the last mapped page ends the copy, and does not fail it. */
static __always_inline __u32 stack_fill(enum user_reader reader, struct task_struct *task, __u8 *bytes, int pages,
                                        __u64 at, __u64 end)
{
    __u64 size = OFFCPU_PAGE - (at & (OFFCPU_PAGE - 1));
    if (!user_read(reader, task, bytes, size, at))
        return 0;
    for (int page = 1; page < pages; page++) {
        if (at + size >= end)
            break;
        if (size > page * OFFCPU_PAGE || !user_read(reader, task, bytes + size, OFFCPU_PAGE, at + size))
            break;
        size += OFFCPU_PAGE;
    }
    return size;
}

/* Where the thread's stack ends: the C library puts the thread's own data above it, to which the FS register points;
   the first thread's is where the program began. 0: on neither, as coroutines are. */
static __always_inline __u64 stack_end(struct task_struct *task, __u64 at)
{
    __u64 own = task->thread.fsbase, first = BPF_CORE_READ(task, mm, start_stack);
    if (own > at && own - at <= STACK_SIZE_MAX)
        return own;
    return first > at && first - at <= STACK_SIZE_MAX ? first : 0;
}

/* Deep stacks: what one record does not hold. */
static __always_inline void stack_copy_rest(enum user_reader reader, struct task_struct *task,
                                            const struct thread *thread, __u32 sequence, __u64 sp, __u64 end)
{
    __u64 at = (sp & ~(OFFCPU_PAGE - 1ull)) + OFFCPU_STACK_BYTES;
#pragma clang loop unroll(disable)
    for (__u32 part = 1; part < OFFCPU_STACK_PARTS; part++) {
        if (at >= end)
            return;
        struct offcpu_stack_part *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
        if (!record) {
            lose(OFFCPU_LOST_STACKS);
            return;
        }
        head_fill(&record->head, OFFCPU_STACK_PART, task, thread, bpf_ktime_get_ns());
        record->sequence = sequence;
        record->part = part;
        record->size = stack_fill(reader, task, record->bytes, OFFCPU_STACK_PAGES, at, end);
        record->reserved = 0;
        bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
        at += OFFCPU_STACK_BYTES;
    }
}

/* What is near the stack pointer. pages: a constant, that the record has room for. */
static __always_inline void stack_copy_near(enum user_reader reader, struct task_struct *task,
                                            const struct thread *thread, __u32 sequence, int pages, __u64 end)
{
    struct offcpu_stack *record = bpf_ringbuf_reserve(&records, OFFCPU_STACK_RECORD(pages * OFFCPU_PAGE), 0);
    if (!record) {
        lose(OFFCPU_LOST_STACKS);
        return;
    }
    head_fill(&record->head, OFFCPU_STACK, task, thread, bpf_ktime_get_ns());
    record->sequence = sequence;
    registers_copy(record->registers, (struct pt_regs *)bpf_task_pt_regs(task));
    record->size = stack_fill(reader, task, record->bytes, pages, record->registers[OFFCPU_RSP], end);
    stack_submit(record);
}

/* Few stacks are deep: most of a server's threads wait some 3 KiB below the stack's end, and what is not copied costs
   neither the thread nor who reads the record. */
static __always_inline void stack_copy(enum user_reader reader, struct task_struct *task, const struct thread *thread,
                                       __u32 sequence)
{
    if (!stack_has_room())
        return;
    python_write(reader, task, thread, sequence);
    const struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
    __u64 sp = BPF_CORE_READ(regs, sp), end = stack_end(task, sp);
    if (end && end <= (sp & ~(OFFCPU_PAGE - 1ull)) + OFFCPU_SHALLOW_BYTES) {
        stack_copy_near(reader, task, thread, sequence, OFFCPU_SHALLOW_PAGES, end);
        return;
    }
    stack_copy_rest(reader, task, thread, sequence, sp, end);
    stack_copy_near(reader, task, thread, sequence, OFFCPU_STACK_PAGES, end ? end : ~0ull);
}

#endif
