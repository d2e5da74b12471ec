/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Raw tracepoints, where the kernel refuses those with types (tp_btf). Their arguments are numbers to the verifier: of
 * a task that is not the current one, fields are read through a helper, and neither may its storage be had, so threads
 * are kept in a map by their number, nor its kernel stack. What is not taken is dropped when the programs are loaded,
 * for `raw` is a constant then.
 *
 * Part of thread.bpf.h.
 */
#ifndef CPROBE_BPF_RAW_H
#define CPROBE_BPF_RAW_H

/* A field of a task, whoever it is. */
#define TASK_READ(task, field) (raw ? BPF_CORE_READ(task, field) : (task)->field)

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u32); /* tid */
    __type(value, struct thread);
} raw_threads SEC(".maps");

/* Too large for a program's stack. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct thread);
} raw_empty SEC(".maps");

static struct thread *raw_find(struct task_struct *task)
{
    __u32 tid = BPF_CORE_READ(task, pid);
    return bpf_map_lookup_elem(&raw_threads, &tid);
}

static struct thread *raw_create(struct task_struct *task)
{
    __u32 tid = BPF_CORE_READ(task, pid), zero = 0;
    struct thread *empty = bpf_map_lookup_elem(&raw_empty, &zero);
    if (empty)
        bpf_map_update_elem(&raw_threads, &tid, empty, BPF_NOEXIST);
    return bpf_map_lookup_elem(&raw_threads, &tid);
}

static void raw_delete(struct task_struct *task)
{
    __u32 tid = BPF_CORE_READ(task, pid);
    bpf_map_delete_elem(&raw_threads, &tid);
}

#endif
