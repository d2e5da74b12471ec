/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPython frames of a thread, copied at the same instant as its stack: later it runs on, and they are others. Where
 * they are is found as debuggers do (CPython's Tools/gdb, Include/internal/pycore_runtime.h): _PyRuntime, its
 * interpreters, their threads, of these the one whose thread_id is what pthread_self() returns there: the address in
 * the FS register (x86_64 ABI for thread-local storage). The list is searched once a thread.
 *
 * Part of stack.bpf.h. Names and lines are not read here: src/kernel
 * reads them from the code objects, once each.
 */
#ifndef CPROBE_BPF_PYTHON_BPF_H
#define CPROBE_BPF_PYTHON_BPF_H

#include "python.h"

#define PYTHON_THREADS 1024                  /* thread states looked at in one search */
#define PYTHON_SEARCH_NS 1000000000ull       /* a thread that has none is searched again after so long */
#define PYTHON_ADDRESS_MAX 0x7ffffffff000ull /* of the user half of the address space */

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u32); /* run */
    __type(value, struct offcpu_interpreter);
} interpreters SEC(".maps");

struct python_thread {
    __u64 state;       /* PyThreadState, 0: has none */
    __u64 newest;      /* first of the main interpreter's list when it was searched: new ones come first */
    __u64 searched_ns; /* 0: not yet */
};

struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct python_thread);
} python_threads SEC(".maps");

static __always_inline __u64 python_pointer(enum user_reader reader, struct task_struct *task, __u64 at)
{
    __u64 pointer = 0;
    return user_read(reader, task, &pointer, sizeof(pointer), at) ? pointer : 0;
}

static __always_inline bool python_plausible(__u64 address)
{
    return address >= OFFCPU_PAGE && address < PYTHON_ADDRESS_MAX && !(address & 7);
}

/* The thread's innermost frame; 0: none. */
static __always_inline __u64 python_innermost(enum user_reader reader, struct task_struct *task,
                                              const struct offcpu_interpreter *in, __u64 state)
{
    __u64 frame = python_pointer(reader, task, state + in->thread_frame);
    if (in->cframe_frame != OFFCPU_PYTHON_ABSENT && frame)
        frame = python_pointer(reader, task, frame + in->cframe_frame);
    return frame;
}

/* A thread may have several states, one an interpreter: the one that runs something is meant. */
static __always_inline __u64 python_search(enum user_reader reader, struct task_struct *task,
                                           const struct offcpu_interpreter *in, __u64 id)
{
    __u64 interpreter = python_pointer(reader, task, in->interpreters), idle = 0;
    __u64 state = interpreter ? python_pointer(reader, task, interpreter + in->interpreter_threads) : 0;

#pragma clang loop unroll(disable)
    for (int i = 0; i < PYTHON_THREADS; i++) {
        if (!state) {
            if (!interpreter)
                break;
            interpreter = python_pointer(reader, task, interpreter + in->interpreter_next);
            if (!interpreter)
                break;
            state = python_pointer(reader, task, interpreter + in->interpreter_threads);
            continue;
        }
        if (python_pointer(reader, task, state + in->thread_id) == id) {
            if (python_innermost(reader, task, in, state))
                return state;
            idle = state;
        }
        state = python_pointer(reader, task, state + in->thread_next);
    }
    return idle;
}

/* The thread's innermost frame; 0: none. */
static __always_inline __u64 python_find(enum user_reader reader, struct task_struct *task,
                                         const struct offcpu_interpreter *in)
{
    struct python_thread *known = bpf_task_storage_get(&python_threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
    __u64 id = task->thread.fsbase, frame;
    if (!known || !id)
        return 0;
    if (known->state && python_pointer(reader, task, known->state + in->thread_id) == id) {
        frame = python_innermost(reader, task, in, known->state);
        if (frame)
            return frame;
    } else if (known->state) {
        known->searched_ns = 0;
    }
    __u64 interpreter = python_pointer(reader, task, in->interpreters);
    __u64 newest = interpreter ? python_pointer(reader, task, interpreter + in->interpreter_threads) : 0;
    __u64 now = bpf_ktime_get_ns();
    if (known->searched_ns && known->newest == newest && now - known->searched_ns < PYTHON_SEARCH_NS)
        return 0;
    known->state = python_search(reader, task, in, id);
    known->newest = newest;
    known->searched_ns = now;
    return known->state ? python_innermost(reader, task, in, known->state) : 0;
}

static __always_inline bool python_frame_read(enum user_reader reader, struct task_struct *task,
                                              const struct offcpu_interpreter *in, __u64 frame,
                                              struct offcpu_python_frame *out)
{
    out->owner = out->entry = 0;
    out->reserved = 0;
    out->name = out->linetable = 0;
    out->first_line = 0;
    out->lasti = 0;
    out->code = 0;
    if (in->frame_owner != OFFCPU_PYTHON_ABSENT && !user_read(reader, task, &out->owner, 1, frame + in->frame_owner))
        return false;
    if (out->owner == OFFCPU_PYTHON_MARKER)
        return true;
    if (in->frame_entry != OFFCPU_PYTHON_ABSENT && !user_read(reader, task, &out->entry, 1, frame + in->frame_entry))
        return false;
    out->code = python_pointer(reader, task, frame + in->frame_code);
    if (!python_plausible(out->code))
        return false;
    return user_read(reader, task, &out->lasti, sizeof(out->lasti), frame + in->frame_lasti) &&
           user_read(reader, task, &out->name, sizeof(out->name), out->code + in->code_name) &&
           user_read(reader, task, &out->linetable, sizeof(out->linetable), out->code + in->code_linetable) &&
           user_read(reader, task, &out->first_line, sizeof(out->first_line), out->code + in->code_first_line);
}

static __always_inline void python_walk(enum user_reader reader, struct task_struct *task,
                                        const struct offcpu_interpreter *in, __u64 frame, struct offcpu_python *record)
{
    __u32 count = 0, flags = 0;
#pragma clang loop unroll(disable)
    for (int i = 0; i < OFFCPU_PYTHON_FRAMES; i++) {
        if (!frame)
            break;
        if (!python_plausible(frame) || !python_frame_read(reader, task, in, frame, &record->frames[i])) {
            flags = OFFCPU_PYTHON_LOST;
            break;
        }
        count = i + 1;
        frame = python_pointer(reader, task, frame + in->frame_previous);
    }
    if (frame && !flags)
        flags = OFFCPU_PYTHON_TRUNCATED;
    record->count = count;
    record->flags = flags;
}

/* To be called in front of the copy of the stack with this sequence. Costs a look-up where there is no interpreter. */
static __always_inline void python_write(enum user_reader reader, struct task_struct *task, const struct thread *thread,
                                         __u32 sequence)
{
    __u32 run = thread->run;
    struct offcpu_interpreter *in = bpf_map_lookup_elem(&interpreters, &run);
    __u64 frame = in ? python_find(reader, task, in) : 0;
    if (!frame)
        return;
    struct offcpu_python *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
    if (!record) {
        lose(OFFCPU_LOST_STACKS);
        return;
    }
    head_fill(&record->head, OFFCPU_PYTHON, task, thread, bpf_ktime_get_ns());
    record->sequence = sequence;
    python_walk(reader, task, in, frame, record);
    bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

/* A new process is a copy of its parent's memory, interpreter and all. */
static void python_fork(__u32 parent_run, __u32 run)
{
    struct offcpu_interpreter *in = bpf_map_lookup_elem(&interpreters, &parent_run);
    if (in)
        bpf_map_update_elem(&interpreters, &run, in, BPF_ANY);
}

#endif
