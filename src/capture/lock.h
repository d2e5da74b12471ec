/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How hooks of locks record. The shape of every one:
 *
 *     if (try(lock) succeeded) { lockset_push(…); return 0; }
 *     struct lock_wait w;
 *     lock_wait_begin(&w, lock, kind, flags, owner);
 *     int error = REAL(lock)(lock);
 *     lock_wait_end(&w, CALL_…, error, RETURN_ADDRESS);     // pushes where the lock was taken
 *
 * and on the other side
 *
 *     lock_leaving(lock, kind, has_waiters(lock));          // read from the lock itself
 *     int error = REAL(unlock)(lock);
 *     if (!error) lock_release(lock, kind, owner);
 *
 * What a waiter and the owner need to know of each other stands in a small table of the locks that are being waited
 * for; an uncontended lock never gets there.
 */
#ifndef CPROBE_CAPTURE_LOCK_H
#define CPROBE_CAPTURE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/lockset.h"
#include "capture/thread.h"
#include "capture/wait.h"

struct lock_wait {
    uint64_t begin_ns; /* 0: not recorded */
    uintptr_t lock;
    uint32_t id;
    uint32_t owner; /* thread that had it when the wait began; 0: not known */
    int fd;         /* locks on files: the descriptor; -1 */
    uint8_t kind;
    uint8_t flags; /* enum held_flags */
};

/* `lock` could not be had at once and is waited for from now on. owner: thread id as the lock itself has it, 0 unknown.
 */
void lock_wait_begin(struct lock_wait *w, const void *lock, unsigned kind, unsigned flags, uint32_t owner);

/* Who has the lock, found out after the wait began; 0: that was not. */
void lock_wait_owner(struct lock_wait *w, uint32_t owner);

/* The wait is over. error 0 or EOWNERDEAD: the lock was taken (pushed unless the kind is never held). Keeps errno. */
void lock_wait_end(struct lock_wait *w, enum call_number call, int error, uintptr_t pc);

COLD void lock_contended(const void *lock, unsigned kind);
COLD void lock_not_held(const void *lock, unsigned kind, uint32_t owner);

/* `lock` is about to be left. `contended`: others are waiting for it. They run as soon as it is, before this thread
   goes on, so what they are told must be written first. */
static ALWAYS_INLINE void lock_leaving(const void *lock, unsigned kind, bool contended)
{
    if (unlikely(contended) && lockset_find(&lockset_self, lock))
        lock_contended(lock, kind);
}

/* `lock` was left. owner: thread id as the lock itself had it, 0 unknown. */
static ALWAYS_INLINE void lock_release(const void *lock, unsigned kind, uint32_t owner)
{
    if (unlikely(!lockset_pop(lock)))
        lock_not_held(lock, kind, owner);
}

/* Writes what was done wrong, at most once for each lock, kind and place. other: thread concerned, or 0. */
COLD void lock_misused(enum misuse misuse, const void *lock, unsigned kind, uint32_t other, int error);

/* A call on the lock failed with `error`: noted where only wrong use can be why. */
COLD void lock_refused(const void *lock, unsigned kind, int error);
/* Whether this process is the child of a fork that did not exec. */
bool lock_after_fork(void);
/* Whether a lock that names `owner` is certainly another thread's. */
COLD bool lock_owned_elsewhere(uint32_t owner);

/* Enters the recorder on a thread that has, or gets, a slot. False: nothing may be written. */
static inline bool lock_enter(struct thread *t, uint64_t now_ns)
{
    if (!recorder_on() || t->in_vfork || !thread_enter(t, FRAME_ADDRESS))
        return false;
    if (t->slot || thread_prepare(t, now_ns))
        return true;
    thread_leave(t);
    return false;
}

/* The thread ends. */
void lock_thread_ended(void);

/* In the child after fork. */
void lock_forked(void);
void lock_orders_forked(void);

#endif
