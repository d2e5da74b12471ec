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

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/lockset.h"
#include "capture/thread.h"

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

/*
 * An owner that lets others wait. CPython asks the owner to give the GIL away after a switch interval (5 ms) and waits
 * on; an owner inside a call of C does not hear of it. In that call it does nothing that a hook sees, so where it is
 * must be sampled while it computes (oncpu.h).
 */
extern HIDDEN uint32_t gil_overdue; /* any: intervals that threads waited in vain, since it was last given away */

/* A wait for the GIL ended with `error`. */
static inline void gil_waited(int error)
{
    if (error == ETIMEDOUT)
        add_relaxed(&gil_overdue, 1);
}

/* The calling thread gives it away by signalling the condition, for which `waiters` wait: it is sampled from now on if
   it was late. */
COLD void gil_given(const void *condition, uint32_t waiters);

/* Whether the calling thread has the GIL, others ask for it, and it was not given away since it was last asked this:
   that threads waited in vain may have been an earlier owner's doing. Async-signal-safe. */
bool gil_late(struct thread *t);

/* Whether the calling thread, which asks for `lock`, is about to take the GIL. */
bool gil_taking(uintptr_t lock);

/* Whether a mutex is one of the GIL's own, and what an entry of the list is: one of these; a lock of Python's, for
   which no thread waits while it has the GIL. */
bool gil_own(uintptr_t lock);
bool gil_owns(const struct held *h);
bool gil_pythons(const struct held *h);

#endif
