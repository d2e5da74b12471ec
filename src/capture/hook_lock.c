/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Spin locks, barriers and what is done once. Mutexes, reader/writer locks, conditions and semaphores have files of
 * their own. */
#include "capture/hook.h"

#include "capture/lock.h"
#include "capture/locks.h"

#define ONCE_DONE 2 /* nptl/pthread_once.c */

EXPORT int pthread_spin_lock(pthread_spinlock_t *lock)
{
    if (likely(REAL(pthread_spin_trylock)(lock) == 0)) {
        lockset_push((const void *)lock, RETURN_ADDRESS, LOCK_KIND_SPIN, 0);
        return 0;
    }
    struct lock_wait wait;
    lock_wait_begin(&wait, (const void *)lock, LOCK_KIND_SPIN, 0, 0);
    int error = REAL(pthread_spin_lock)(lock);
    lock_wait_end(&wait, CALL_pthread_spin_lock, error, RETURN_ADDRESS);
    return error;
}

EXPORT int pthread_spin_trylock(pthread_spinlock_t *lock)
{
    int error = REAL(pthread_spin_trylock)(lock);
    if (error == 0)
        lockset_push((const void *)lock, RETURN_ADDRESS, LOCK_KIND_SPIN, HELD_TRIED);
    return error;
}

EXPORT int pthread_spin_unlock(pthread_spinlock_t *lock)
{
    int error = REAL(pthread_spin_unlock)(lock);
    lockset_pop((const void *)lock);
    return error;
}

EXPORT int pthread_spin_init(pthread_spinlock_t *lock, int shared)
{
    int error = REAL(pthread_spin_init)(lock, shared);
    locks_born((const void *)lock, RETURN_ADDRESS);
    return error;
}

EXPORT int pthread_spin_destroy(pthread_spinlock_t *lock)
{
    locks_died((const void *)lock);
    return REAL(pthread_spin_destroy)(lock);
}

EXPORT int pthread_barrier_wait(pthread_barrier_t *barrier)
{
    struct lock_wait wait;
    life_told();
    lock_wait_begin(&wait, barrier, LOCK_KIND_BARRIER, 0, 0);
    int result = REAL(pthread_barrier_wait)(barrier);
    lock_wait_end(&wait, CALL_pthread_barrier_wait, result == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : result,
                  RETURN_ADDRESS);
    return result;
}

/* The first caller runs `function` itself: its waits are its own. Others wait for it. */
#define ONCE(call, once, word, expression)                   \
    if (likely(load_acquire(word) == ONCE_DONE || !*(word))) \
        return expression;                                   \
    struct lock_wait wait;                                   \
    lock_wait_begin(&wait, once, LOCK_KIND_ONCE, 0, 0)

EXPORT int pthread_once(pthread_once_t *once, void (*function)(void))
{
    ONCE(pthread_once, once, once, REAL(pthread_once)(once, function));
    int error = REAL(pthread_once)(once, function);
    lock_wait_end(&wait, CALL_pthread_once, error, RETURN_ADDRESS);
    return error;
}

EXPORT void call_once(once_flag *once, void (*function)(void))
{
    ONCE(call_once, once, &once->__data, REAL(call_once)(once, function));
    REAL(call_once)(once, function);
    lock_wait_end(&wait, CALL_call_once, 0, RETURN_ADDRESS);
}
