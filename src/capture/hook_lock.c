/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks as waits. What can be had at once is taken by the try function, which behaves alike for every kind of lock
 * (recursive, error checking, robust, priority inheriting): only what was found taken is timed.
 */
#include "capture/hook.h"

EXPORT int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    int error = REAL(pthread_mutex_trylock)(mutex);
    if (likely(error != EBUSY))
        return error;
    return TIMED_ERROR(pthread_mutex_lock, REAL(pthread_mutex_lock)(mutex));
}

EXPORT int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until)
{
    int error = REAL(pthread_mutex_trylock)(mutex);
    if (likely(error != EBUSY))
        return error;
    return TIMED_ERROR(pthread_mutex_timedlock, REAL(pthread_mutex_timedlock)(mutex, until));
}

EXPORT int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until)
{
    return TIMED_ERROR(pthread_mutex_clocklock, REAL(pthread_mutex_clocklock)(mutex, clock, until));
}

EXPORT int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    int error = REAL(pthread_rwlock_tryrdlock)(lock);
    if (likely(error != EBUSY))
        return error;
    return TIMED_ERROR(pthread_rwlock_rdlock, REAL(pthread_rwlock_rdlock)(lock));
}

EXPORT int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    int error = REAL(pthread_rwlock_trywrlock)(lock);
    if (likely(error != EBUSY))
        return error;
    return TIMED_ERROR(pthread_rwlock_wrlock, REAL(pthread_rwlock_wrlock)(lock));
}

EXPORT int pthread_rwlock_timedrdlock(pthread_rwlock_t *lock, const struct timespec *until)
{
    return TIMED_ERROR(pthread_rwlock_timedrdlock, REAL(pthread_rwlock_timedrdlock)(lock, until));
}

EXPORT int pthread_rwlock_timedwrlock(pthread_rwlock_t *lock, const struct timespec *until)
{
    return TIMED_ERROR(pthread_rwlock_timedwrlock, REAL(pthread_rwlock_timedwrlock)(lock, until));
}

EXPORT int pthread_rwlock_clockrdlock(pthread_rwlock_t *lock, clockid_t clock, const struct timespec *until)
{
    return TIMED_ERROR(pthread_rwlock_clockrdlock, REAL(pthread_rwlock_clockrdlock)(lock, clock, until));
}

EXPORT int pthread_rwlock_clockwrlock(pthread_rwlock_t *lock, clockid_t clock, const struct timespec *until)
{
    return TIMED_ERROR(pthread_rwlock_clockwrlock, REAL(pthread_rwlock_clockwrlock)(lock, clock, until));
}

EXPORT int pthread_barrier_wait(pthread_barrier_t *barrier)
{
    uint64_t begin = wait_begin();
    int result = REAL(pthread_barrier_wait)(barrier);
    wait_end_plain(CALL_pthread_barrier_wait, begin, result, result == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : result);
    return result;
}

/* Conditions exist in two versions with different layouts of pthread_cond_t; each goes to its own (cprobe.map). */
__asm__(".symver hook_cond_wait, pthread_cond_wait@@GLIBC_2.3.2");
EXPORT int hook_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int hook_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    return TIMED_ERROR(pthread_cond_wait, REAL(pthread_cond_wait)(condition, mutex));
}

__asm__(".symver hook_cond_wait_old, pthread_cond_wait@GLIBC_2.2.5");
EXPORT int hook_cond_wait_old(pthread_cond_t *condition, pthread_mutex_t *mutex);
int hook_cond_wait_old(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    return TIMED_ERROR(pthread_cond_wait, REAL(pthread_cond_wait_old)(condition, mutex));
}

__asm__(".symver hook_cond_timedwait, pthread_cond_timedwait@@GLIBC_2.3.2");
EXPORT int hook_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until);
int hook_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
    return TIMED_ERROR(pthread_cond_timedwait, REAL(pthread_cond_timedwait)(condition, mutex, until));
}

__asm__(".symver hook_cond_timedwait_old, pthread_cond_timedwait@GLIBC_2.2.5");
EXPORT int hook_cond_timedwait_old(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until);
int hook_cond_timedwait_old(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
    return TIMED_ERROR(pthread_cond_timedwait, REAL(pthread_cond_timedwait_old)(condition, mutex, until));
}

EXPORT int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                                  const struct timespec *until)
{
    return TIMED_ERROR(pthread_cond_clockwait, REAL(pthread_cond_clockwait)(condition, mutex, clock, until));
}

/* Whether the semaphore could be had at once. These functions are cancellation points even then; errno stays as it was.
 */
static bool sem_taken(sem_t *semaphore)
{
    int saved = errno;
    REAL(pthread_testcancel)();
    if (REAL(sem_trywait)(semaphore) == 0)
        return true;
    errno = saved;
    return false;
}

EXPORT int sem_wait(sem_t *semaphore)
{
    return sem_taken(semaphore) ? 0 : TIMED_PLAIN(sem_wait, REAL(sem_wait)(semaphore));
}

EXPORT int sem_timedwait(sem_t *semaphore, const struct timespec *until)
{
    return sem_taken(semaphore) ? 0 : TIMED_PLAIN(sem_timedwait, REAL(sem_timedwait)(semaphore, until));
}

EXPORT int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until)
{
    return sem_taken(semaphore) ? 0 : TIMED_PLAIN(sem_clockwait, REAL(sem_clockwait)(semaphore, clock, until));
}
