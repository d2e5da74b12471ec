/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signals of conditions that nobody waited for, and waits that begin after one. A program that looks at a predicate
 * under the mutex signals in vain all the time and loses nothing by it; one that does not look waits for ever. So what
 * is recorded stands in the waiting thread's slot (trace_thread_slot, wanted_signal_*) for as long as it waits: when
 * and where the last signal was, and how often the thread had any lock since. Once only: it had no occasion to look.
 *
 * Signals are kept in a small table, where one may push out another. Waits with a time limit are left alone: whoever
 * sets one expects that nobody comes. Any thread; async-signal-safe.
 */
#ifndef CPROBE_CAPTURE_WAKEUP_H
#define CPROBE_CAPTURE_WAKEUP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "capture/lockset.h"

#define WAKEUP_SIGNALS 1024u

struct wakeup_signal {
    uintptr_t condition; /* 0: none. Stored last */
    uintptr_t pc;        /* of the call that signals */
    uint64_t last_ns;    /* by the coarse clock: some ms early, at most */
    uint32_t stack;      /* 0: not taken */
    uint32_t tid;
    uint32_t count; /* since somebody waited */
};
extern HIDDEN struct wakeup_signal wakeup_signals[WAKEUP_SIGNALS];

static inline struct wakeup_signal *wakeup_signal_of(const void *condition)
{
    return &wakeup_signals[(lockset_mix((uintptr_t)condition) >> 24) % WAKEUP_SIGNALS];
}

/* The condition is signalled by a call that returns to `pc`, and nobody waits for it. */
NOINLINE void wakeup_unattended(const void *condition, uintptr_t pc);

/* It is signalled, and waited for: all that was in vain before is settled. Also where it is no more. */
static inline void wakeup_settled(const void *condition)
{
    struct wakeup_signal *s = wakeup_signal_of(condition);
    if (unlikely(load_relaxed(&s->condition) == (uintptr_t)condition))
        store_relaxed(&s->condition, 0);
}

/* Without a time limit the calling thread is about to wait for the condition, whose number is `id`, since begin_ns. */
COLD void wakeup_awaited(const struct wakeup_signal *signal, uint32_t id, uint64_t begin_ns);

static inline void wakeup_wait(const void *condition, uint32_t id, uint64_t begin_ns)
{
    const struct wakeup_signal *s = wakeup_signal_of(condition);
    if (unlikely(load_acquire(&s->condition) == (uintptr_t)condition) && begin_ns)
        wakeup_awaited(s, id, begin_ns);
}

/* In the child after fork. */
void wakeup_forked(void);

#endif
