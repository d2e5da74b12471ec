/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Python side of one recorded process: finds its interpreter, and turns the frames that the kernel programs copied
 * into those of the trace, as the recorder inside a process would have written them. Not thread-safe.
 */
#ifndef CPROBE_KERNEL_PYTHON_H
#define CPROBE_KERNEL_PYTHON_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/interpreter.h"
#include "trace/writer.h"

struct python;

/* `writer` must outlive it. NULL: no memory. */
struct python *python_new(pid_t pid, struct writer *writer);
void python_free(struct python *p);

/* To be called whenever the process's mappings have changed. Where an interpreter appears whose frames can be read:
   what the kernel programs need to know of it, valid as long as `p`. NULL: nothing new. */
const struct offcpu_interpreter *python_refresh(struct python *p, struct images *images);

/*
 * Writes the frames to out, innermost first, as PY_FRAME of trace/format.h; at most `max`, returns how many. A code
 * number of 0 stands for code that is gone, or that the trace had no room for. Adds to *flags: STACK_TRUNCATED: there
 * were more frames; STACK_PYTHON_LOST: there are frames that could not be read.
 */
size_t python_frames(struct python *p, const struct offcpu_python *record, uint64_t *out, size_t max, uint16_t *flags);

/*
 * Leaves out of a stack with Python frames what the reader shows these in the place of: return addresses in the
 * interpreter outside of its innermost run, but for those in the function that runs Python code. For stacks that are
 * deeper than a trace can hold. Returns how many are left, in place.
 */
size_t python_native_fold(struct python *p, const struct images *images, uint64_t *frames, size_t count);

#endif
