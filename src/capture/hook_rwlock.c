/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reader/writer locks. Owner and waiters are read from glibc's own struct (struct_rwlock.h,
 * nptl/pthread_rwlock_common.c). */
#include "capture/hook.h"

#include "capture/lock.h"
#include "capture/lock_memory.h"
#include "capture/locks.h"

#define READERS_SHIFT 3 /* PTHREAD_RWLOCK_READER_SHIFT */

static uint32_t rwlock_writer(const pthread_rwlock_t *lock)
{
    return (uint32_t)load_relaxed(&lock->__data.__cur_writer);
}

/* Others than the one who leaves it are there, perhaps waiting: the table of waiters knows. */
static bool rwlock_contended(const pthread_rwlock_t *lock, uint32_t writer)
{
    unsigned writers = load_relaxed(&lock->__data.__writers), readers = load_relaxed(&lock->__data.__readers);
    return writers > (writer ? 1u : 0u) || (writer && readers >> READERS_SHIFT);
}

#define RWLOCK_WAIT(call, lock, flags, pc, expression)                          \
    struct lock_wait wait;                                                      \
    lock_wait_begin(&wait, lock, LOCK_KIND_RWLOCK, flags, rwlock_writer(lock)); \
    error = (expression);                                                       \
    lock_wait_end(&wait, CALL_##call, error, pc);                               \
    return error

#define RWLOCK(call, try, lock, flags, expression)                   \
    int error = REAL(try)(lock);                                     \
    if (likely(error == 0))                                          \
        lockset_push(lock, RETURN_ADDRESS, LOCK_KIND_RWLOCK, flags); \
    if (unlikely(error && error != EBUSY))                           \
        lock_refused(lock, LOCK_KIND_RWLOCK, error);                 \
    if (likely(error != EBUSY))                                      \
        return error;                                                \
    RWLOCK_WAIT(call, lock, flags, RETURN_ADDRESS, expression)

EXPORT int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    RWLOCK(pthread_rwlock_rdlock, pthread_rwlock_tryrdlock, lock, HELD_SHARED, REAL(pthread_rwlock_rdlock)(lock));
}

EXPORT int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    RWLOCK(pthread_rwlock_wrlock, pthread_rwlock_trywrlock, lock, 0, REAL(pthread_rwlock_wrlock)(lock));
}

/* With a time limit nothing is tried first: a limit that makes no sense is an error even where the lock is free. */
EXPORT int pthread_rwlock_timedrdlock(pthread_rwlock_t *lock, const struct timespec *until)
{
    int error;
    RWLOCK_WAIT(pthread_rwlock_timedrdlock, lock, HELD_SHARED | HELD_TIMED, RETURN_ADDRESS,
                REAL(pthread_rwlock_timedrdlock)(lock, until));
}

EXPORT int pthread_rwlock_timedwrlock(pthread_rwlock_t *lock, const struct timespec *until)
{
    int error;
    RWLOCK_WAIT(pthread_rwlock_timedwrlock, lock, HELD_TIMED, RETURN_ADDRESS,
                REAL(pthread_rwlock_timedwrlock)(lock, until));
}

EXPORT int pthread_rwlock_clockrdlock(pthread_rwlock_t *lock, clockid_t clock, const struct timespec *until)
{
    int error;
    RWLOCK_WAIT(pthread_rwlock_clockrdlock, lock, HELD_SHARED | HELD_TIMED, RETURN_ADDRESS,
                REAL(pthread_rwlock_clockrdlock)(lock, clock, until));
}

EXPORT int pthread_rwlock_clockwrlock(pthread_rwlock_t *lock, clockid_t clock, const struct timespec *until)
{
    int error;
    RWLOCK_WAIT(pthread_rwlock_clockwrlock, lock, HELD_TIMED, RETURN_ADDRESS,
                REAL(pthread_rwlock_clockwrlock)(lock, clock, until));
}

/* Who has it for writing can never get it once more. */
static void tried_in_vain(const pthread_rwlock_t *lock)
{
    if (recorder_on() && rwlock_writer(lock) == (uint32_t)sys_gettid())
        lock_misused(MISUSE_REFUSED, lock, LOCK_KIND_RWLOCK, 0, EBUSY);
}

EXPORT int pthread_rwlock_tryrdlock(pthread_rwlock_t *lock)
{
    int error = REAL(pthread_rwlock_tryrdlock)(lock);
    if (error == 0)
        lockset_push(lock, RETURN_ADDRESS, LOCK_KIND_RWLOCK, HELD_SHARED | HELD_TRIED);
    else if (error == EBUSY)
        tried_in_vain(lock);
    return error;
}

EXPORT int pthread_rwlock_trywrlock(pthread_rwlock_t *lock)
{
    int error = REAL(pthread_rwlock_trywrlock)(lock);
    if (error == 0)
        lockset_push(lock, RETURN_ADDRESS, LOCK_KIND_RWLOCK, HELD_TRIED);
    else if (error == EBUSY)
        tried_in_vain(lock);
    return error;
}

EXPORT int pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
    uint32_t writer = rwlock_writer(lock);
    if (unlikely(!writer && !(load_relaxed(&lock->__data.__readers) >> READERS_SHIFT)) && recorder_on())
        lock_misused(MISUSE_UNLOCKED_FREE, lock, LOCK_KIND_RWLOCK, 0, 0);
    lock_leaving(lock, LOCK_KIND_RWLOCK, rwlock_contended(lock, writer));
    int error = REAL(pthread_rwlock_unlock)(lock);
    if (likely(error == 0))
        lock_release(lock, LOCK_KIND_RWLOCK, writer);
    return error;
}

EXPORT int pthread_rwlock_init(pthread_rwlock_t *lock, const pthread_rwlockattr_t *attributes)
{
    if (unlikely(lockset_self.depth))
        lock_memory_born(lock);
    int error = REAL(pthread_rwlock_init)(lock, attributes);
    if (error == 0)
        locks_born(lock, RETURN_ADDRESS);
    return error;
}

EXPORT int pthread_rwlock_destroy(pthread_rwlock_t *lock)
{
    uint32_t writer = rwlock_writer(lock);
    if (unlikely(writer && recorder_on()) && (lockset_find(&lockset_self, lock) || lock_owned_elsewhere(writer)))
        lock_misused(MISUSE_DESTROYED_HELD, lock, LOCK_KIND_RWLOCK, writer, 0);
    int error = REAL(pthread_rwlock_destroy)(lock);
    if (error == 0)
        locks_died(lock);
    return error;
}
