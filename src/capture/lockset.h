/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The locks that the calling thread holds, in the order in which it took them. An uncontended pair of lock and unlock
 * costs a push and a pop: no clock, no atomic operation, no look-up. Two things are looked at on the way: one
 * acquisition in some hundreds is timed (lock_timed), and a lock taken while others are held goes through a small cache
 * of orders already seen (lock_ordered).
 *
 * A lock stands here only between its acquisition and its release, never while it is waited for. Signal handlers may
 * interrupt anywhere and push and pop in pairs.
 */
#ifndef CPROBE_CAPTURE_LOCKSET_H
#define CPROBE_CAPTURE_LOCKSET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/single_threaded.h>

#include "base/compiler.h"
#include "capture/recorder.h"
#include "trace/format.h"

#define LOCKSET_MAX 16      /* locks held at once; more are not followed */
#define LOCKSET_ORDERS 4096 /* orders remembered as seen, by all threads */

enum held_flags {
    HELD_SHARED = 0x01, /* for reading */
    HELD_TRIED = 0x02,  /* by a try function: cannot have waited */
    HELD_TIMED = 0x04,  /* asked for with a time limit */
    HELD_ROBUST = 0x08, /* meant to be left by ending */
};

struct held {
    uintptr_t lock;    /* 0: being entered */
    uintptr_t pc;      /* return address of the call that took it */
    uint64_t since_ns; /* when it was taken; 0: not timed */
    uint32_t weight;   /* timed at random: acquisitions that it stands for; 0: timed because it was waited for */
    uint8_t kind;      /* enum lock_kind */
    uint8_t flags;
    uint16_t again; /* recursive: how often more */
};

struct lockset {
    uint16_t depth;
    uint8_t period;    /* log2 of the mean number of acquisitions from one that is timed to the next; 0: not begun */
    uint8_t inside;    /* the thread is in an operation that wants to know of the locks taken in it (python_use.h) */
    int32_t ticks;     /* acquisitions until the next one that is timed */
    uint64_t hash;     /* xor of lockset_mix of all held */
    uint64_t last_ns;  /* when an acquisition was last timed */
    uintptr_t waiting; /* lock that it waits for and has joined the queue of (lock.c), 0: none */
    struct held held[LOCKSET_MAX];
};

extern HIDDEN TLS_INITIAL_EXEC struct lockset lockset_self;
extern HIDDEN uint64_t lockset_orders[LOCKSET_ORDERS];
extern HIDDEN uint32_t lockset_epoch; /* grows when a lock is destroyed that had a number: orders seen are void */

/* Times the acquisition that was just entered. */
COLD void lock_timed(struct held *h);
/* Whether the order of what is held and `lock` is new is found out, and written. Before the lock is waited for. */
COLD void lock_ordered(uintptr_t lock, unsigned kind, unsigned flags);
/* A timed lock was left. */
COLD void lock_left(const struct held *h);
/* A lock was taken inside of an operation. */
COLD void lock_entered_inside(const struct held *h);

static inline uint64_t lockset_mix(uintptr_t lock)
{
    uint64_t h = lock * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 32);
}

/* Before a thread is created: from now on orders matter. What one thread did alone can end in no deadlock; had it been
   remembered as seen, the same order later would be missed. */
static inline void lockset_first_thread(void)
{
    if (__libc_single_threaded)
        add_relaxed(&lockset_epoch, 1);
}

/* `lock` is asked for while others are held: is that order new? */
static inline void lockset_request(const struct lockset *s, uintptr_t lock, unsigned kind, unsigned flags)
{
    uint64_t key = (s->hash + lockset_mix(lock) * 3 + 2 * (uint64_t)load_relaxed(&lockset_epoch)) | 1;
    uint64_t *seen = &lockset_orders[(key >> 32) % LOCKSET_ORDERS];
    if (unlikely(load_relaxed(seen) != key)) {
        store_relaxed(seen, key);
        lock_ordered(lock, kind, flags);
    }
}

static ALWAYS_INLINE void lockset_enter(struct lockset *s, uintptr_t lock, uintptr_t pc, unsigned kind, unsigned flags,
                                        uint64_t since_ns)
{
    uint32_t depth = s->depth;
    struct held *h = &s->held[depth];
    if (unlikely(depth >= LOCKSET_MAX))
        return;
    s->depth = (uint16_t)(depth + 1); /* first: a handler that runs now pushes above */
    signal_fence();
    h->pc = pc;
    h->since_ns = since_ns;
    h->weight = 0;
    h->kind = (uint8_t)kind;
    h->flags = (uint8_t)flags;
    h->again = 0;
    signal_fence();
    h->lock = lock;
    s->hash ^= lockset_mix(lock);
    if (unlikely(--s->ticks < 0) && !since_ns)
        lock_timed(h);
    if (unlikely(s->inside))
        lock_entered_inside(h);
}

/* `lock` was taken without waiting. */
static ALWAYS_INLINE void lockset_push(const void *lock, uintptr_t pc, unsigned kind, unsigned flags)
{
    struct lockset *s = &lockset_self;
    if (unlikely(!recorder_on()))
        return;
    if (unlikely(s->depth) && !(flags & HELD_TRIED))
        lockset_request(s, (uintptr_t)lock, kind, flags);
    lockset_enter(s, (uintptr_t)lock, pc, kind, flags, 0);
}

/* The innermost entry of `lock`; NULL: it is not held, as far as is known. */
static inline struct held *lockset_find(struct lockset *s, const void *lock)
{
    for (uint32_t i = s->depth; i > 0; i--)
        if (s->held[i - 1].lock == (uintptr_t)lock)
            return &s->held[i - 1];
    return NULL;
}

/* Removes an entry that is not the last one. */
COLD void lockset_remove(struct lockset *s, struct held *h);

/* Removes all entries of a lock that is no more. */
COLD void lockset_drop(const void *lock);

/* `lock` is about to be left, or was. False: it was not known to be held. */
static ALWAYS_INLINE bool lockset_pop(const void *lock)
{
    struct lockset *s = &lockset_self;
    uint32_t depth = s->depth;
    if (unlikely(depth == 0))
        return false;
    struct held *h = &s->held[depth - 1];
    if (unlikely(h->lock != (uintptr_t)lock || h->again)) {
        h = lockset_find(s, lock);
        if (!h)
            return false;
        lockset_remove(s, h);
        return true;
    }
    uint64_t since_ns = h->since_ns;
    if (unlikely(since_ns))
        lock_left(h);
    h->lock = 0;
    s->hash ^= lockset_mix((uintptr_t)lock);
    signal_fence();
    s->depth = (uint16_t)(depth - 1);
    return true;
}

#endif
