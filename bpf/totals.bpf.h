/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exact totals of waits by thread and system call. */
#ifndef CPROBE_BPF_TOTALS_H
#define CPROBE_BPF_TOTALS_H

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
    call->total.tid = TASK_READ(task, pid);
    if (total)
        total_merge(total, &call->total);
    else if (bpf_map_update_elem(&totals, &key, &call->total, BPF_NOEXIST) != 0)
        lose(OFFCPU_LOST_TOTALS);
    thread->evicted = true;
    __builtin_memset(call, 0, sizeof(*call));
}

static __always_inline void total_add(struct task_struct *task, struct thread *thread, __s32 syscall, __u64 blocked,
                                      __u64 runqueue)
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

#endif
