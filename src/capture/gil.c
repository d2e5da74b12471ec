/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/gil.h"

#include "capture/oncpu.h"
#include "capture/python.h"
#include "capture/thread.h"

#define LATE_INTERVALS 3 /* that each waiter waited: an owner that computes in Python hears of it after one */

uintptr_t gil_condition;
uint32_t gil_overdue;
static uint32_t gives; /* any, written by owners: how often it was given away */

bool gil_own(uintptr_t lock)
{
    return recorder_python() && python_owns(lock);
}

bool gil_owns(const struct held *h)
{
    return h->kind == LOCK_KIND_MUTEX && gil_own(h->lock);
}

bool gil_pythons(const struct held *h)
{
    return h->kind == LOCK_KIND_SEMAPHORE && python_owns(h->pc);
}

static uint32_t own_held(void)
{
    const struct lockset *s = &lockset_self;
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->depth; i++)
        count += gil_owns(&s->held[i]);
    return count;
}

/* drop_gil signals gil->cond with gil->mutex only. */
void gil_signalled(const void *condition)
{
    if (python_owns((uintptr_t)condition) && own_held() == 1)
        store_relaxed(&gil_condition, (uintptr_t)condition);
}

uintptr_t gil_held(uintptr_t pc)
{
    if (!recorder_python() || python_owns(pc) || !python_gil_held())
        return 0;
    return load_relaxed(&gil_condition);
}

void gil_given(const void *condition, uint32_t waiters)
{
    struct thread *t = &thread_self;
    if ((uintptr_t)condition != load_relaxed(&gil_condition))
        return;
    uint32_t overdue = load_relaxed(&gil_overdue);
    store_relaxed(&gives, gives + 1); /* who gives it away has its mutex */
    store_relaxed(&gil_overdue, 0);
    if (t->watched || !waiters || overdue < LATE_INTERVALS * waiters || !recorder_on() ||
        !thread_enter(t, FRAME_ADDRESS))
        return;
    if (t->slot)
        oncpu_watch(t);
    thread_leave(t);
}

bool gil_late(struct thread *t)
{
    uint32_t now = load_relaxed(&gives);
    bool held = recorder_python() && python_gil_held(), kept = held && t->gil_gives == now;
    t->gil_gives = held ? now : now - 1;
    return kept && load_relaxed(&gil_overdue);
}

bool gil_taking(uintptr_t lock)
{
    return gil_own(lock) && own_held() == 1 && load_relaxed(&gil_condition);
}
