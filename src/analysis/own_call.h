/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the program called, where a language runtime made other calls of it: own_calls.def. */
#ifndef CPROBE_ANALYSIS_OWN_CALL_H
#define CPROBE_ANALYSIS_OWN_CALL_H

#include "analysis/wait_class.h"

struct own_call {
    const char *module, *function; /* shell patterns */
    enum wait_class class;
    const char *name;
};

/* Whether a runtime with such functions is loaded. */
bool own_calls_loaded(const struct trace *trace);

/* Looks for one of the functions in the stack, from the wait outwards as long as that is code of the runtime or the
   system. NULL: none. */
const struct own_call *own_call_find(struct trace *trace, uint32_t stack, struct symbols *symbols);

/* Number of the first frame that is this function; 0 where there is none. */
size_t own_call_frame(const struct own_call *own, const struct stack *stack);

#endif
