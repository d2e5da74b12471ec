/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Semaphores. One that is begun with 1 and posted by those who waited for it is a lock (CPython's threading.Lock is
 * one: Python/thread_pthread.h); one that others post is a signal, and nobody holds it. Which it is shows when it is
 * posted.
 *
 * Waiters are counted in the upper half of glibc's struct new_sem (nptl/sem_waitcommon.c, 64-bit).
 */
#include "capture/hook.h"

#include <fcntl.h>

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
    bool signals = locks_signals(semaphore);
    if (likely(!lockset_self.depth) || likely(!lockset_find(&lockset_self, semaphore)))
        return !signals;
    locks_signal(semaphore);
    lockset_drop(semaphore);
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

/* What it is used for is noted before: afterwards the one who waited goes by it. */
EXPORT int sem_post(sem_t *semaphore)
{
    life_told();
    lock_leaving(semaphore, LOCK_KIND_SEMAPHORE, sem_contended(semaphore));
    if (!lockset_pop(semaphore) && !locks_signals(semaphore) && recorder_on())
        locks_signal(semaphore);
    int result = REAL(sem_post)(semaphore);
    if (unlikely(result < 0))
        lock_refused(semaphore, LOCK_KIND_SEMAPHORE, errno);
    return result;
}

EXPORT int sem_init(sem_t *semaphore, int shared, unsigned value)
{
    int result = REAL(sem_init)(semaphore, shared, value);
    if (result != 0) {
        lock_refused(semaphore, LOCK_KIND_SEMAPHORE, errno);
        return result;
    }
    locks_born(semaphore, RETURN_ADDRESS);
    if (value != 1) /* with 0 somebody else is to post it */
        locks_signal(semaphore);
    else
        locks_signal_not(semaphore);
    return result;
}

/* Other processes may post a named semaphore, which nobody sees here: it only is a lock where this one makes it so. */
EXPORT sem_t *sem_open(const char *name, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
    unsigned value = flags & O_CREAT ? va_arg(list, unsigned) : 0;
    va_end(list);
    sem_t *semaphore = REAL(sem_open)(name, flags, mode, value);
    if (semaphore == SEM_FAILED)
        return semaphore;
    locks_born(semaphore, RETURN_ADDRESS);
    if (value != 1)
        locks_signal(semaphore);
    else
        locks_signal_not(semaphore);
    return semaphore;
}

EXPORT int sem_close(sem_t *semaphore)
{
    locks_died(semaphore);
    return REAL(sem_close)(semaphore);
}

EXPORT int sem_destroy(sem_t *semaphore)
{
    locks_died(semaphore);
    locks_signal_not(semaphore);
    return REAL(sem_destroy)(semaphore);
}
