/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPython frames, between the kernel programs (python.bpf.h) and src/kernel: where an interpreter keeps them, and what
 * was found there. Included on both sides, after offcpu.h.
 */
#ifndef CPROBE_BPF_PYTHON_H
#define CPROBE_BPF_PYTHON_H

#define OFFCPU_PYTHON_FRAMES 256
#define OFFCPU_PYTHON_ABSENT 0xffffffffu /* an offset: this version has no such member */
#define OFFCPU_PYTHON_MARKER 3 /* owner of a frame that marks where the interpreter's C function was entered */

/* Where the interpreter of one program keeps its threads and their frames: src/python/layout.h with the address filled
   in. Offsets in bytes. */
struct offcpu_interpreter {
    __u64 interpreters; /* address of the pointer to the first PyInterpreterState */
    __u32 interpreter_next;
    __u32 interpreter_threads;
    __u32 thread_next;
    __u32 thread_id;
    __u32 thread_frame;
    __u32 cframe_frame; /* or OFFCPU_PYTHON_ABSENT, as the next two */
    __u32 frame_owner;
    __u32 frame_entry;
    __u32 frame_code;
    __u32 frame_previous;
    __u32 frame_lasti;
    __u32 code_name;
    __u32 code_linetable;
    __u32 code_first_line;
};

/* One frame, as the interpreter has it. The last three say which code object it was: its address may be used again
   before anybody looks. */
struct offcpu_python_frame {
    __u64 code;
    __u64 lasti; /* 8 bytes from frame_lasti on */
    __u64 name;
    __u64 linetable;
    __u32 first_line;
    __u8 owner;
    __u8 entry;
    __u16 reserved;
};

/* offcpu_python.flags */
#define OFFCPU_PYTHON_LOST 0x1      /* the chain could not be followed to its end */
#define OFFCPU_PYTHON_TRUNCATED 0x2 /* there are more frames */

/* The frames that belong to the OFFCPU_STACK record of the same thread and sequence, which follows. */
struct offcpu_python {
    struct offcpu_head head;
    __u32 sequence;
    __u16 count;
    __u16 flags;
    struct offcpu_python_frame frames[OFFCPU_PYTHON_FRAMES]; /* innermost first */
};

#endif
