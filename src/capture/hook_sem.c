/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Semaphores. One that is begun with 1 and posted by those who waited for it is a lock (CPython's threading.Lock is
 * one: Python/thread_pthread.h); one that others post is a signal, and nobody holds it. Which it is shows when it is
 * posted.
 *
 * Waiters are counted in the upper half of glibc's struct new_sem (nptl/sem_waitcommon.c, 64-bit).
 */
#include "capture/hook.h"

#include "capture/lock.h"
#include "capture/locks.h"
#include "capture/python.h"

static bool sem_contended(const sem_t *semaphore)
{
    return load_relaxed((const uint64_t *)(const void *)semaphore) >> 32;
}

/* A thread that waits again for what it has not posted since: it is told something, it does not lock. */
static ALWAYS_INLINE bool sem_locks(const sem_t *semaphore)
{
    if (locks_signals(semaphore))
        return false;
    if (likely(!lockset_self.depth) || likely(!lockset_find(&lockset_self, semaphore)))
        return true;
    locks_signal(semaphore);
    lockset_pop(semaphore);
    return false;
}

static ALWAYS_INLINE void sem_taken(sem_t *semaphore, uintptr_t pc, unsigned flags)
{
    if (sem_locks(semaphore))
        lockset_push(semaphore, pc, LOCK_KIND_SEMAPHORE, flags);
}

/* Whether the semaphore could be had at once. These functions are cancellation points even then; errno stays as it was.
 */
static ALWAYS_INLINE bool sem_tried(sem_t *semaphore, uintptr_t pc, unsigned flags)
{
    int saved = errno;
    REAL(pthread_testcancel)();
    if (REAL(sem_trywait)(semaphore) == 0) {
        sem_taken(semaphore, pc, flags);
        return true;
    }
    errno = saved;
    return false;
}

#define SEM_WAIT(call, semaphore, flags, expression)                           \
    if (sem_tried(semaphore, RETURN_ADDRESS, flags))                           \
        return 0;                                                              \
    struct lock_wait wait;                                                     \
    sem_locks(semaphore);                                                      \
    lock_wait_begin(&wait, semaphore, LOCK_KIND_SEMAPHORE, flags, 0);          \
    int result = (expression);                                                 \
    lock_wait_end(&wait, CALL_##call, result < 0 ? errno : 0, RETURN_ADDRESS); \
    return result

EXPORT int sem_wait(sem_t *semaphore)
{
    SEM_WAIT(sem_wait, semaphore, 0, REAL(sem_wait)(semaphore));
}

EXPORT int sem_timedwait(sem_t *semaphore, const struct timespec *until)
{
    SEM_WAIT(sem_timedwait, semaphore, HELD_TIMED, REAL(sem_timedwait)(semaphore, until));
}

EXPORT int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until)
{
    SEM_WAIT(sem_clockwait, semaphore, HELD_TIMED, REAL(sem_clockwait)(semaphore, clock, until));
}

/* CPython tries first whatever its caller asked for, and waits only where that fails. */
EXPORT int sem_trywait(sem_t *semaphore)
{
    int result = REAL(sem_trywait)(semaphore);
    if (result == 0)
        sem_taken(semaphore, RETURN_ADDRESS, python_owns(RETURN_ADDRESS) ? 0 : HELD_TRIED);
    return result;
}

EXPORT int sem_post(sem_t *semaphore)
{
    lock_leaving(semaphore, LOCK_KIND_SEMAPHORE, sem_contended(semaphore));
    int result = REAL(sem_post)(semaphore);
    if (likely(result == 0) && (lockset_self.depth || !locks_signals(semaphore)))
        lock_release(semaphore, LOCK_KIND_SEMAPHORE, 0);
    return result;
}

EXPORT int sem_init(sem_t *semaphore, int shared, unsigned value)
{
    int result = REAL(sem_init)(semaphore, shared, value);
    if (result != 0)
        return result;
    locks_born(semaphore, RETURN_ADDRESS);
    if (value > 1)
        locks_signal(semaphore);
    else
        locks_signal_not(semaphore);
    return result;
}

EXPORT int sem_destroy(sem_t *semaphore)
{
    locks_died(semaphore);
    locks_signal_not(semaphore);
    return REAL(sem_destroy)(semaphore);
}
