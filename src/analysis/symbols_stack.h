/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts Python frames in the place of the interpreter's C frames. Each time CPython's C function
 * _PyEval_EvalFrameDefault is entered it runs one Python frame, and from 3.11 on also those that this one calls without
 * C in between; the recorder marks the frame for which it was entered (PY_ENTRY). So walking outwards, an eval frame
 * stands for all Python frames up to and including the next marked one.
 */
#ifndef CPROBE_ANALYSIS_SYMBOLS_STACK_H
#define CPROBE_ANALYSIS_SYMBOLS_STACK_H

#include "analysis/symbols.h"

/* What one native address stands for: a function and those inlined into it at that place, innermost first. */
struct symbols_native {
    unsigned traits; /* MODULE_* of its module */
    bool eval;       /* it is the interpreter's eval function */
    size_t count;    /* at least 1 */
    struct frame *frames;
};

struct symbols_python {
    struct frame frame;
    bool entry;
};

struct symbols_stack_input {
    const struct symbols_native *const *native; /* innermost first */
    size_t native_count;
    const struct symbols_python *python; /* innermost first */
    size_t python_count;
    uint16_t flags;      /* STACK_* */
    const char *program; /* base name of the executable, never NULL */
};

/*
 * Writes the interleaved stack. `frames` has room for all native frames and all Python frames (count them with
 * symbols_stack_room). Returns how many were written and whether the outermost is where the thread or greenlet began.
 */
size_t symbols_stack_build(const struct symbols_stack_input *in, struct frame *frames, bool *complete);
size_t symbols_stack_room(const struct symbols_stack_input *in);

#endif
