/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Condition variables. While a thread waits on one it does not hold the mutex. They exist in two versions with
 * different layouts of pthread_cond_t; each goes to its own (cprobe.map).
 *
 * CPython waits for its interpreter lock (GIL) on a condition in its own variables and signals it when it gives the
 * lock away (Python/ceval_gil.h, 3.8 to 3.13): that one is a lock like any other.
 */
#include "capture/hook.h"

#include "capture/condition.h"
#include "capture/gil.h"
#include "capture/lock.h"
#include "capture/locks.h"
#include "capture/python.h"
#include "capture/wakeup.h"

#define WAITERS_SHIFT 3 /* of __wrefs, nptl/pthread_cond_wait.c */

/* The mutex, between its release by the wait and its return. */
struct released {
    pthread_mutex_t *mutex;
    uintptr_t pc;
    unsigned flags;
    bool held;
};

static void released_begin(struct released *r, pthread_mutex_t *mutex)
{
    const struct held *h = lockset_find(&lockset_self, mutex);
    *r = (struct released){.mutex = mutex, .held = h != NULL};
    if (h) {
        r->pc = h->pc;
        r->flags = h->flags;
        lockset_pop(mutex);
        return;
    }
    uint32_t owner = (uint32_t)load_relaxed(&mutex->__data.__owner);
    if (unlikely(recorder_on()) && (owner == 0 || lock_owned_elsewhere(owner)))
        lock_misused(MISUSE_WAIT_WITHOUT, mutex, LOCK_KIND_MUTEX, owner, 0);
}

/* The mutex is held again. After a cancellation it is, too, but nobody is told. */
static void released_end(struct released *r, uint64_t begin_ns)
{
    if (!r->held || !recorder_on())
        return;
    lockset_enter(&lockset_self, (uintptr_t)r->mutex, r->pc, LOCK_KIND_MUTEX, r->flags, 0);
    if (begin_ns)
        lockset_marked(&lockset_self, begin_ns);
}

static unsigned condition_kind(const void *condition)
{
    return python_owns((uintptr_t)condition) ? LOCK_KIND_GIL : LOCK_KIND_CONDITION;
}

#define COND_WAIT(call, condition, mutex, timed, expression)                                   \
    struct lock_wait wait;                                                                     \
    struct released released;                                                                  \
    released_begin(&released, mutex);                                                          \
    lock_wait_begin(&wait, condition, condition_kind(condition), (timed) ? HELD_TIMED : 0, 0); \
    if (!(timed))                                                                              \
        wakeup_wait(condition, wait.id, wait.begin_ns);                                        \
    int error = (expression);                                                                  \
    if (unlikely(wait.kind == LOCK_KIND_GIL))                                                  \
        gil_waited(error);                                                                     \
    lock_wait_end(&wait, CALL_##call, error, RETURN_ADDRESS);                                  \
    released_end(&released, wait.begin_ns);                                                    \
    return error

__asm__(".symver hook_cond_wait, pthread_cond_wait@@GLIBC_2.3.2");
EXPORT int hook_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int hook_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    condition_waited(condition, mutex);
    COND_WAIT(pthread_cond_wait, condition, mutex, false, REAL(pthread_cond_wait)(condition, mutex));
}

__asm__(".symver hook_cond_wait_old, pthread_cond_wait@GLIBC_2.2.5");
EXPORT int hook_cond_wait_old(pthread_cond_t *condition, pthread_mutex_t *mutex);
int hook_cond_wait_old(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    COND_WAIT(pthread_cond_wait, condition, mutex, false, REAL(pthread_cond_wait_old)(condition, mutex));
}

__asm__(".symver hook_cond_timedwait, pthread_cond_timedwait@@GLIBC_2.3.2");
EXPORT int hook_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until);
int hook_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
    condition_waited(condition, mutex);
    COND_WAIT(pthread_cond_timedwait, condition, mutex, true, REAL(pthread_cond_timedwait)(condition, mutex, until));
}

__asm__(".symver hook_cond_timedwait_old, pthread_cond_timedwait@GLIBC_2.2.5");
EXPORT int hook_cond_timedwait_old(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until);
int hook_cond_timedwait_old(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
    COND_WAIT(pthread_cond_timedwait, condition, mutex, true,
              REAL(pthread_cond_timedwait_old)(condition, mutex, until));
}

EXPORT int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                                  const struct timespec *until)
{
    condition_waited(condition, mutex);
    COND_WAIT(pthread_cond_clockwait, condition, mutex, true,
              REAL(pthread_cond_clockwait)(condition, mutex, clock, until));
}

static void gil_leave(const pthread_cond_t *condition)
{
    uint32_t waiters = load_relaxed(&condition->__data.__wrefs) >> WAITERS_SHIFT;
    if (waiters)
        lock_contended(condition, LOCK_KIND_GIL);
    gil_given(condition, waiters);
}

/* The interpreter lock is given away: before the waiter has it, while this thread's Python frames are still there.
   Else: is there anybody who could be told? */
static ALWAYS_INLINE void signal_begin(const pthread_cond_t *condition, uintptr_t pc)
{
    if (unlikely(!recorder_on()))
        return;
    life_told();
    condition_used(condition);
    if (unlikely(gil_wanted()))
        gil_signalled(condition);
    if (unlikely(python_owns((uintptr_t)condition)))
        gil_leave(condition);
    else if (!(load_relaxed(&condition->__data.__wrefs) >> WAITERS_SHIFT))
        wakeup_unattended(condition, pc);
    else
        wakeup_settled(condition);
}

__asm__(".symver hook_cond_signal, pthread_cond_signal@@GLIBC_2.3.2");
EXPORT int hook_cond_signal(pthread_cond_t *condition);
int hook_cond_signal(pthread_cond_t *condition)
{
    signal_begin(condition, RETURN_ADDRESS);
    return REAL(pthread_cond_signal)(condition);
}

__asm__(".symver hook_cond_broadcast, pthread_cond_broadcast@@GLIBC_2.3.2");
EXPORT int hook_cond_broadcast(pthread_cond_t *condition);
int hook_cond_broadcast(pthread_cond_t *condition)
{
    signal_begin(condition, RETURN_ADDRESS);
    return REAL(pthread_cond_broadcast)(condition);
}

/* Memory may be used for another one. */
__asm__(".symver hook_cond_init, pthread_cond_init@@GLIBC_2.3.2");
EXPORT int hook_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes);
int hook_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes)
{
    wakeup_settled(condition);
    return REAL(pthread_cond_init)(condition, attributes);
}

__asm__(".symver hook_cond_signal_old, pthread_cond_signal@GLIBC_2.2.5");
EXPORT int hook_cond_signal_old(pthread_cond_t *condition);
int hook_cond_signal_old(pthread_cond_t *condition)
{
    return REAL(pthread_cond_signal_old)(condition);
}

__asm__(".symver hook_cond_destroy, pthread_cond_destroy@@GLIBC_2.3.2");
EXPORT int hook_cond_destroy(pthread_cond_t *condition);
int hook_cond_destroy(pthread_cond_t *condition)
{
    condition_destroyed(condition);
    int error = REAL(pthread_cond_destroy)(condition);
    if (error == 0)
        locks_died(condition);
    return error;
}

/* ---- C11 (threads.h): cnd_t is a pthread_cond_t ---- */

EXPORT int cnd_wait(cnd_t *cnd, mtx_t *mtx)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)mtx;
    condition_waited((const pthread_cond_t *)cnd, mutex);
    COND_WAIT(cnd_wait, cnd, mutex, false, REAL(cnd_wait)(cnd, mtx));
}

EXPORT int cnd_signal(cnd_t *cnd)
{
    signal_begin((const pthread_cond_t *)cnd, RETURN_ADDRESS);
    return REAL(cnd_signal)(cnd);
}

EXPORT int cnd_broadcast(cnd_t *cnd)
{
    signal_begin((const pthread_cond_t *)cnd, RETURN_ADDRESS);
    return REAL(cnd_broadcast)(cnd);
}

EXPORT int cnd_init(cnd_t *cnd)
{
    wakeup_settled(cnd);
    return REAL(cnd_init)(cnd);
}

EXPORT int cnd_timedwait(cnd_t *cnd, mtx_t *mtx, const struct timespec *until)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)mtx;
    condition_waited((const pthread_cond_t *)cnd, mutex);
    COND_WAIT(cnd_timedwait, cnd, mutex, true, REAL(cnd_timedwait)(cnd, mtx, until));
}
