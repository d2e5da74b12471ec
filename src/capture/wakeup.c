/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/wakeup.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "capture/lock.h"
#include "capture/locks.h"
#include "capture/python.h"
#include "capture/slots.h"
#include "capture/stack.h"

#define STACK_INTERVAL_NS 10000000u /* between two stacks of signals that one thread takes, */
#define WANTED_NS 1000000u          /* and between two of its waits */

struct wakeup_signal wakeup_signals[WAKEUP_SIGNALS];
static uint32_t used; /* any: something was entered. A child after fork need not touch what was never used */

/* The same place signals again and again: its stack is taken once, for as long as nobody waits. */
void wakeup_unattended(const void *condition, uintptr_t pc)
{
    struct wakeup_signal *s = wakeup_signal_of(condition);
    struct thread *t = &thread_self;
    if (__libc_single_threaded || python_owns((uintptr_t)condition))
        return;
    uint64_t now = clock_read(CLOCK_MONOTONIC_COARSE);
    if (load_relaxed(&s->condition) == (uintptr_t)condition && load_relaxed(&s->pc) == pc) {
        store_relaxed(&s->last_ns, now);
        add_relaxed(&s->count, 1);
        return;
    }
    int saved = errno;
    if (lock_enter(t, now)) {
        bool soon = now - t->signalled_ns < STACK_INTERVAL_NS;
        uint32_t count = load_relaxed(&s->condition) == (uintptr_t)condition ? s->count : 0;
        store_relaxed(&s->condition, 0);
        *s = (struct wakeup_signal){
            .pc = pc, .last_ns = now, .stack = soon ? 0 : stack_capture(t), .tid = t->tid, .count = count + 1};
        store_relaxed(&used, 1);
        t->signalled_ns = soon ? t->signalled_ns : now;
        store_release(&s->condition, (uintptr_t)condition);
        thread_leave(t);
    }
    errno = saved;
}

/* How often this thread had a lock since `when`, at most. */
static uint32_t locked_since(uint64_t when)
{
    const struct lockset *s = &lockset_self;
    for (int i = 0; i < LOCKSET_MARKS; i++)
        if (s->marks[i].when_ns && s->marks[i].when_ns <= when)
            return lockset_count(s) - s->marks[i].count;
    return lockset_count(s);
}

void wakeup_awaited(const struct wakeup_signal *signal, uint32_t id, uint64_t begin_ns)
{
    struct thread *t = &thread_self;
    int saved = errno;
    if (!lock_enter(t, begin_ns))
        return;
    struct trace_thread_slot *slot = t->slot->data;
    if (!slot->wanted_since_ns) { /* no lock is held, so that nothing was said so far */
        bool soon = begin_ns - t->wanted_ns < WANTED_NS;
        slot->wanted_lock = id;
        slot->wanted_stack = soon ? 0 : stack_capture(t);
        slot->wanted_locks = 0;
        slot->wanted_owner = 0;
        t->wanted_ns = soon ? t->wanted_ns : begin_ns;
    }
    slot->wanted_signal_ns = load_relaxed(&signal->last_ns);
    slot->wanted_signal_stack = load_relaxed(&signal->stack);
    slot->wanted_signal_tid = load_relaxed(&signal->tid);
    slot->wanted_signals = load_relaxed(&signal->count);
    slot->wanted_looks = locked_since(slot->wanted_signal_ns);
    store_release(&slot->wanted_since_ns, begin_ns);
    thread_leave(t);
    errno = saved;
}

void wakeup_forked(void)
{
    if (load_relaxed(&used))
        memset(wakeup_signals, 0, sizeof(wakeup_signals));
    used = 0;
}
