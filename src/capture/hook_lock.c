/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Spin locks, barriers and what is done once. Mutexes, reader/writer locks, conditions and semaphores have files of
 * their own. */
#include "capture/hook.h"

#include "capture/lock.h"
#include "capture/locks.h"

#define ONCE_DONE 2 /* nptl/pthread_once.c */
#define SPIN_FREE 1 /* sysdeps/x86_64/nptl/pthread_spin_unlock.S */

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
    if (unlikely(*lock == SPIN_FREE) && recorder_on())
        lock_misused(MISUSE_UNLOCKED_FREE, (const void *)lock, LOCK_KIND_SPIN, 0, 0);
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

/* Who waits in the round that is not complete (nptl/pthread_barrier_wait.c). */
static bool barrier_waited_for(const pthread_barrier_t *barrier)
{
    const unsigned *in_and_round = (const void *)barrier;
    return load_relaxed(&in_and_round[0]) > load_relaxed(&in_and_round[1]);
}

/* Memory that was no barrier says nothing: only where it is known to be one is it looked at. */
EXPORT int pthread_barrier_init(pthread_barrier_t *barrier, const pthread_barrierattr_t *attributes, unsigned count)
{
    if (unlikely(locks_alive(barrier)) && recorder_on())
        lock_misused(barrier_waited_for(barrier) ? MISUSE_WAITED_FOR : MISUSE_BORN_TWICE, barrier, LOCK_KIND_BARRIER, 0,
                     0);
    int error = REAL(pthread_barrier_init)(barrier, attributes, count);
    if (error == 0)
        locks_born(barrier, RETURN_ADDRESS);
    else
        lock_refused(barrier, LOCK_KIND_BARRIER, error);
    return error;
}

EXPORT int pthread_barrier_destroy(pthread_barrier_t *barrier)
{
    if (unlikely(locks_alive(barrier) && barrier_waited_for(barrier)) && recorder_on())
        lock_misused(MISUSE_WAITED_FOR, barrier, LOCK_KIND_BARRIER, 0, 0);
    locks_died(barrier); /* before: the real one waits until all have left, and who is last frees the memory */
    return REAL(pthread_barrier_destroy)(barrier);
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
