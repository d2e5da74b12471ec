/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPython's interpreter lock (GIL) as a lock among others: which locks are asked for while it is held, and whether it
 * is asked for while others are. It stands in no thread's list, as taking it goes through no hook of its own:
 *
 *   held     is what the interpreter says (python_gil_held). Calls from the interpreter's own code are left out: it
 *            gives the GIL away before it waits, and only tries while it has it.
 *   taking   shows in take_gil, which locks gil->switch_mutex while it has gil->mutex; drop_gil has one at a time
 *            (Python/ceval_gil.h, 3.8 to 3.13). Both lie in the interpreter's variables.
 *
 * Its number is that of its condition, which is also what waits for it name. Any thread; async-signal-safe.
 */
#ifndef CPROBE_CAPTURE_GIL_H
#define CPROBE_CAPTURE_GIL_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/lockset.h"

/* A condition of the interpreter's is signalled: perhaps the one that stands for the GIL. */
COLD void gil_signalled(const void *condition);

/* Whether that is still to be found out. */
extern HIDDEN uintptr_t gil_condition;
static inline bool gil_wanted(void)
{
    return recorder_python() && !load_relaxed(&gil_condition);
}

/* The lock that stands for the GIL if the calling thread has it and keeps it during a call that returns to `pc`
   (0: that is known to wait), else 0. */
uintptr_t gil_held(uintptr_t pc);

/* Whether the calling thread, which asks for `lock`, is about to take the GIL. */
bool gil_taking(uintptr_t lock);

/* Whether a mutex is one of the GIL's own, and what an entry of the list is: one of these; a lock of Python's, for
   which no thread waits while it has the GIL. */
bool gil_own(uintptr_t lock);
bool gil_owns(const struct held *h);
bool gil_pythons(const struct held *h);

#endif
