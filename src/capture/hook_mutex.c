/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mutexes, POSIX and C11 (which are the same thing in glibc). What can be had at once is taken by the try function,
 * which behaves alike for every kind of mutex (recursive, error checking, robust, priority inheriting): only what was
 * found taken is timed. For mutexes of the ordinary type that is mutex.h.
 *
 * Kind, owner and whether others wait are read from glibc's own struct (struct_mutex.h, nptl/lowlevellock.h).
 */
#include "capture/hook.h"

#include <sys/single_threaded.h>

#include "capture/lock.h"
#include "capture/lock_memory.h"
#include "capture/locks.h"
#include "capture/mutex.h"

#define KIND_TYPE 3      /* PTHREAD_MUTEX_NORMAL, … */
#define KIND_ROBUST 0x10 /* nptl/pthreadP.h */
#define KIND_INHERIT 0x20
#define WORD_WAITERS 0x80000000u /* FUTEX_WAITERS: robust and inheriting mutexes hold the owner's id in the rest */

static ALWAYS_INLINE uint32_t mutex_owner(const pthread_mutex_t *mutex)
{
    return (uint32_t)load_relaxed(&mutex->__data.__owner);
}

static ALWAYS_INLINE bool mutex_contended(const pthread_mutex_t *mutex)
{
    unsigned word = (unsigned)load_relaxed(&mutex->__data.__lock);
    return unlikely(word > 1) && (!(mutex->__data.__kind & (KIND_ROBUST | KIND_INHERIT)) || word & WORD_WAITERS);
}

static ALWAYS_INLINE unsigned mutex_flags(const pthread_mutex_t *mutex)
{
    return mutex->__data.__kind & KIND_ROBUST ? HELD_ROBUST : 0;
}

static ALWAYS_INLINE void mutex_taken(pthread_mutex_t *mutex, uintptr_t pc, unsigned flags)
{
    if (unlikely((mutex->__data.__kind & KIND_TYPE) == PTHREAD_MUTEX_RECURSIVE) && mutex->__data.__count > 1) {
        struct held *h = lockset_find(&lockset_self, mutex);
        if (h)
            h->again++;
        return;
    }
    lockset_push(mutex, pc, LOCK_KIND_MUTEX, flags | mutex_flags(mutex));
}

/* A wait without end for oneself: said before it begins. */
static void self_check(const pthread_mutex_t *mutex)
{
    int type = mutex->__data.__kind & KIND_TYPE;
    if (type != PTHREAD_MUTEX_RECURSIVE && type != PTHREAD_MUTEX_ERRORCHECK && mutex_owner(mutex) &&
        mutex_owner(mutex) == (lockset_self.owner ? lockset_self.owner : (uint32_t)sys_gettid()))
        lock_misused(MISUSE_SELF_DEADLOCK, mutex, LOCK_KIND_MUTEX, mutex_owner(mutex), 0);
}

/* error: of the try function, which did not get it */
#define MUTEX_WAIT(call, mutex, flags, pc, busy, expression)                                          \
    struct lock_wait wait;                                                                            \
    if (error != (busy)) {                                                                            \
        if (error == EOWNERDEAD)                                                                      \
            mutex_taken(mutex, pc, flags);                                                            \
        else                                                                                          \
            lock_refused(mutex, LOCK_KIND_MUTEX, error);                                              \
        return error;                                                                                 \
    }                                                                                                 \
    lock_wait_begin(&wait, mutex, LOCK_KIND_MUTEX, (flags) | mutex_flags(mutex), mutex_owner(mutex)); \
    error = (expression);                                                                             \
    lock_wait_end(&wait, CALL_##call, error, pc);                                                     \
    return error

static NOINLINE int mutex_wait(pthread_mutex_t *mutex, int error, uintptr_t pc)
{
    if (error == EBUSY)
        self_check(mutex);
    MUTEX_WAIT(pthread_mutex_lock, mutex, 0, pc, EBUSY, REAL(pthread_mutex_lock)(mutex));
}

/* With one thread only glibc's lock does without atomic operations, its try function does not. */
static ALWAYS_INLINE int mutex_try(pthread_mutex_t *mutex)
{
    if (__libc_single_threaded && mutex->__data.__kind == PTHREAD_MUTEX_TIMED_NP && mutex->__data.__lock == 0)
        return REAL(pthread_mutex_lock)(mutex);
    return REAL(pthread_mutex_trylock)(mutex);
}

/* All but the commonest case of pthread_mutex_lock. taken: by mutex_take, which leaves the list to be filled in. */
static NOINLINE int mutex_lock_other(pthread_mutex_t *mutex, uintptr_t pc, bool taken)
{
    struct lockset *s = &lockset_self;
    bool tried = s->owner && recorder_on_plainly() && mutex_ordinary(mutex);
    if (unlikely(!s->known) && recorder_on() && !thread_self.in_vfork) {
        s->owner = mutex_self();
        s->known = true;
    }
    int error = taken ? 0 : tried ? EBUSY : mutex_try(mutex);
    if (unlikely(error))
        return mutex_wait(mutex, error, pc);
    mutex_taken(mutex, pc, 0);
    return 0;
}

EXPORT int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    struct lockset *s = lockset_here();
    bool first = lockset_may_enter_first(s);
    bool taken = likely(recorder_on_plainly()) && mutex_take(mutex, s->owner);
    if (unlikely(!taken || !first))
        return mutex_lock_other(mutex, RETURN_ADDRESS, taken);
    lockset_enter_first(s, (uintptr_t)mutex, RETURN_ADDRESS, LOCK_KIND_MUTEX);
    return 0;
}

EXPORT int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    int error = REAL(pthread_mutex_trylock)(mutex);
    if (error == 0 || error == EOWNERDEAD)
        mutex_taken(mutex, RETURN_ADDRESS, HELD_TRIED);
    return error;
}

EXPORT int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until)
{
    int error = REAL(pthread_mutex_trylock)(mutex);
    if (likely(error == 0)) {
        mutex_taken(mutex, RETURN_ADDRESS, HELD_TIMED);
        return 0;
    }
    MUTEX_WAIT(pthread_mutex_timedlock, mutex, HELD_TIMED, RETURN_ADDRESS, EBUSY,
               REAL(pthread_mutex_timedlock)(mutex, until));
}

EXPORT int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until)
{
    int error = clock == CLOCK_MONOTONIC || clock == CLOCK_REALTIME ? REAL(pthread_mutex_trylock)(mutex) : EBUSY;
    if (likely(error == 0)) {
        mutex_taken(mutex, RETURN_ADDRESS, HELD_TIMED);
        return 0;
    }
    MUTEX_WAIT(pthread_mutex_clocklock, mutex, HELD_TIMED, RETURN_ADDRESS, EBUSY,
               REAL(pthread_mutex_clocklock)(mutex, clock, until));
}

/* Left for good only by the last of a recursive mutex's unlocks: until then nobody else gets it. */
static NOINLINE int mutex_unlock_nested(pthread_mutex_t *mutex)
{
    int error = REAL(pthread_mutex_unlock)(mutex);
    if (error == 0)
        lockset_pop(mutex);
    return error;
}

static NOINLINE int mutex_unlock_other(pthread_mutex_t *mutex, bool left)
{
    if (left) {
        lockset_pop(mutex);
        return 0;
    }
    bool contended = mutex_contended(mutex);
    uint32_t owner = mutex_owner(mutex);
    if (unlikely((mutex->__data.__kind & KIND_TYPE) == PTHREAD_MUTEX_RECURSIVE) && mutex->__data.__count > 1)
        return mutex_unlock_nested(mutex);
    lock_leaving(mutex, LOCK_KIND_MUTEX, contended);
    int error = REAL(pthread_mutex_unlock)(mutex);
    if (likely(error == 0))
        lock_release(mutex, LOCK_KIND_MUTEX, owner);
    else if (error == EPERM)
        lock_not_held(mutex, LOCK_KIND_MUTEX, owner);
    return error;
}

EXPORT int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    struct lockset *s = lockset_here();
    bool first = lockset_may_leave_first(s, (uintptr_t)mutex);
    bool left = mutex_leave(mutex, s->owner);
    if (unlikely(!left || !first))
        return mutex_unlock_other(mutex, left);
    lockset_leave_first(s);
    return 0;
}

EXPORT int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    if (unlikely(lockset_self.depth))
        lock_memory_born(mutex);
    int error = REAL(pthread_mutex_init)(mutex, attributes);
    if (error == 0)
        locks_born(mutex, RETURN_ADDRESS);
    return error;
}

EXPORT int pthread_mutex_destroy(pthread_mutex_t *mutex)
{
    uint32_t owner = mutex_owner(mutex);
    if (unlikely(owner && recorder_on()) && (lockset_find(&lockset_self, mutex) || lock_owned_elsewhere(owner)))
        lock_misused(MISUSE_DESTROYED_HELD, mutex, LOCK_KIND_MUTEX, owner, 0);
    int error = REAL(pthread_mutex_destroy)(mutex);
    if (error == 0)
        locks_died(mutex);
    return error;
}

/* ---- C11 (threads.h): mtx_t is a pthread_mutex_t ---- */

static NOINLINE int mtx_wait(mtx_t *mtx, int error, uintptr_t pc)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)mtx;
    if (error == thrd_busy)
        self_check(mutex);
    MUTEX_WAIT(mtx_lock, mutex, 0, pc, thrd_busy, REAL(mtx_lock)(mtx));
}

EXPORT int mtx_lock(mtx_t *mtx)
{
    int error = REAL(mtx_trylock)(mtx);
    if (unlikely(error != thrd_success))
        return mtx_wait(mtx, error, RETURN_ADDRESS);
    mutex_taken((pthread_mutex_t *)mtx, RETURN_ADDRESS, 0);
    return thrd_success;
}

EXPORT int mtx_timedlock(mtx_t *mtx, const struct timespec *until)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)mtx;
    int error = REAL(mtx_trylock)(mtx);
    if (likely(error == thrd_success)) {
        mutex_taken(mutex, RETURN_ADDRESS, HELD_TIMED);
        return thrd_success;
    }
    MUTEX_WAIT(mtx_timedlock, mutex, HELD_TIMED, RETURN_ADDRESS, thrd_busy, REAL(mtx_timedlock)(mtx, until));
}

EXPORT int mtx_trylock(mtx_t *mtx)
{
    int error = REAL(mtx_trylock)(mtx);
    if (error == thrd_success)
        mutex_taken((pthread_mutex_t *)mtx, RETURN_ADDRESS, HELD_TRIED);
    return error;
}

EXPORT int mtx_unlock(mtx_t *mtx)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)mtx;
    bool contended = mutex_contended(mutex);
    uint32_t owner = mutex_owner(mutex);
    bool nested = (mutex->__data.__kind & KIND_TYPE) == PTHREAD_MUTEX_RECURSIVE && mutex->__data.__count > 1;
    lock_leaving(mtx, LOCK_KIND_MUTEX, contended && !nested);
    int error = REAL(mtx_unlock)(mtx);
    if (error != thrd_success)
        return error;
    if (nested)
        lockset_pop(mtx);
    else
        lock_release(mtx, LOCK_KIND_MUTEX, owner);
    return error;
}

EXPORT int mtx_init(mtx_t *mtx, int type)
{
    if (unlikely(lockset_self.depth))
        lock_memory_born(mtx);
    int error = REAL(mtx_init)(mtx, type);
    if (error == thrd_success)
        locks_born(mtx, RETURN_ADDRESS);
    return error;
}

EXPORT void mtx_destroy(mtx_t *mtx)
{
    REAL(mtx_destroy)(mtx);
    locks_died(mtx);
}
