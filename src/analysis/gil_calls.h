/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which calls of C kept CPython's GIL while others waited for it: from samples of where its owner was when it was
 * overdue (EVENT_CPU with CPU_GIL).
 */
#ifndef CPROBE_ANALYSIS_GIL_CALLS_H
#define CPROBE_ANALYSIS_GIL_CALLS_H

#include "analysis/model.h"

struct gil_calls;

/* The call in which owners of the GIL of one process were most often. */
struct gil_call {
    const char *name;          /* "match (python3.11)", or the module alone; NULL: not known */
    const char *caller;        /* "find (/srv/app.py:7)": the Python code that it was called from */
    const struct stack *stack; /* of its first sample */
    uint64_t count;            /* samples */
    double ns, share;          /* CPU time, and its part of all such */
};

struct gil_calls *gil_calls_new(void);
void gil_calls_event(struct gil_calls *calls, const struct model_process *process, const union trace_event *event);
/* False: nothing was sampled there. Memory of `arena`. */
bool gil_calls_worst(const struct gil_calls *calls, struct model *model, const struct model_process *process,
                     struct gil_call *out, struct arena *arena);
void gil_calls_free(struct gil_calls *calls);

/* The frame of the function that Python code called: the outermost one inside of the innermost Python frame, but for
   what lies between (ctypes, libffi); where that one has no name another one of its module, else itself ("0x…"). NULL:
   Python code itself was running. *caller: the Python frame, NULL: none. */
const struct frame *gil_call_frame(const struct stack *stack, const struct frame **caller);

#endif
