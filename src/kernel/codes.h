/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPython's code objects in another process, as numbers of its trace (event_code). Each is read once; what a program
 * compiles over and over is entered once, by its content. Not thread-safe.
 */
#ifndef CPROBE_KERNEL_CODES_H
#define CPROBE_KERNEL_CODES_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/interpreter.h"
#include "trace/writer.h"

struct codes;

/* `in` and `writer` must outlive it. NULL: no memory. */
struct codes *codes_new(pid_t pid, const struct interpreter *in, struct writer *writer);
void codes_free(struct codes *c);

struct code {
    uint32_t id;             /* event_code.id; 0: unknown */
    int32_t first_traceable; /* in code units: before it a frame is still being set up; 0 where the version has none */
};

enum codes_result {
    CODES_FOUND,
    CODES_REPLACED, /* it was freed since the frame was seen, and its place is another code object's */
    CODES_UNREADABLE,
};

/* The code object that this frame was running. *out is zero unless it is found. */
enum codes_result codes_find(struct codes *c, const struct offcpu_python_frame *frame, struct code *out);

#endif
