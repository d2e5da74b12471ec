/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The calling thread's stack, native and Python, entered into the trace's stack table. */
#ifndef CPROBE_CAPTURE_STACK_H
#define CPROBE_CAPTURE_STACK_H

#include "capture/thread.h"

struct scratch {
    uint64_t native[STACK_MAX_NATIVE];
    uint64_t python[STACK_MAX_PYTHON];
    char copy[UNWIND_SCRATCH];
};

/* Number of the stack, 0 where it could not be taken (counted as lost). The thread has entered the recorder. */
uint32_t stack_capture(struct thread *t);

/* The same, from where a signal interrupted the thread. */
uint32_t stack_capture_interrupted(struct thread *t, const struct unwind_registers *at);

/* A stack of Python frames alone: `count` of them as python_frames gives them, flags as of struct trace_stack. */
uint32_t stack_python(const uint64_t *frames, size_t count);

/* The Python frames of another thread, whose PyThreadState is given and which waits for the GIL that the calling thread
   `t` has. */
uint32_t stack_of_thread(struct thread *t, uintptr_t state);

#endif
