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
    uint64_t since_ns; /* when it was taken; 0: not timed, and in entries that are free */
    union {
        struct {
            uint32_t weight; /* timed at random: acquisitions that it stands for; 0: because it was waited for */
            uint8_t kind;    /* enum lock_kind */
            uint8_t flags;
            uint16_t again; /* recursive: how often more */
        };
        uint64_t what; /* these, written at once: HELD_WHAT */
    };
};
#define HELD_WHAT(kind, flags) ((uint64_t)(uint8_t)(kind) << 32 | (uint64_t)(uint8_t)(flags) << 40)

/* A wait for a lock that is only to be counted, which is done when the lock is left: until then every instruction is
   one that others wait for. */
struct lock_late {
    uint64_t begin_ns; /* 0: none */
    uint64_t end_ns;
    uint32_t endpoint;
    uint16_t call;
};

/* How many acquisitions there had been at a time. */
struct lockset_mark {
    uint64_t when_ns; /* 0: none */
    uint32_t count;
};
#define LOCKSET_MARKS 2

struct lockset {
    uint16_t depth;
    uint16_t period;   /* log2 of the mean number of acquisitions from one that is timed to the next; 0: not begun */
    int32_t ticks;     /* acquisitions until the next one that is timed */
    uint32_t drawn;    /* acquisitions so far + ticks */
    uint64_t last_ns;  /* when an acquisition was last timed */
    uintptr_t waiting; /* lock that it waits for and has joined the queue of (lock.c), 0: none */
    uint32_t owner;    /* the thread, as mutex_take wants it; 0: not asked for yet, or for nothing */
    bool known;        /* `owner` was asked for */
    struct lock_late late;
    struct lockset_mark marks[LOCKSET_MARKS]; /* latest first */
    struct held held[LOCKSET_MAX];
};

extern HIDDEN TLS_INITIAL_EXEC struct lockset lockset_self;
extern HIDDEN uint64_t lockset_orders[LOCKSET_ORDERS];
extern HIDDEN uint32_t lockset_epoch; /* grows when a lock is destroyed that had a number: orders seen are void */

/* Acquisitions of this thread so far. */
static inline uint32_t lockset_count(const struct lockset *s)
{
    return s->drawn - (uint32_t)s->ticks;
}

/* So many had there been at `now`. */
static inline void lockset_marked(struct lockset *s, uint64_t now)
{
    s->marks[1] = s->marks[0];
    s->marks[0] = (struct lockset_mark){now, lockset_count(s)};
}

/* lockset_self as an address that is computed once. */
static ALWAYS_INLINE struct lockset *lockset_here(void)
{
    struct lockset *s = &lockset_self;
    __asm__("" : "+r"(s));
    return s;
}

/* Times the acquisition that was just entered. */
COLD void lock_timed(struct held *h);
/* Whether the order of what is held and `lock` is new is found out, and written. Before the lock is waited for. gil:
   the interpreter's lock, if that is held as well, else 0. */
COLD void lock_ordered(uintptr_t lock, unsigned kind, unsigned flags, uintptr_t gil);
/* lockset_request where there is an interpreter; pc: return address of the call, 0: it waits. */
NOINLINE void lockset_request_python(const struct lockset *s, uintptr_t lock, uintptr_t pc, unsigned kind,
                                     unsigned flags);
/* A timed lock was left. */
COLD void lock_left(const struct held *h);
/* Counts the wait that is to be counted later. */
NOINLINE void lock_late(void);

static inline uint64_t lockset_mix(uintptr_t lock)
{
    uint64_t h = lock * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 32);
}

/* Before a thread is created: what one thread did alone can end in no deadlock, so that orders are written anew. */
static inline void lockset_first_thread(void)
{
    if (__libc_single_threaded)
        add_relaxed(&lockset_epoch, 1);
}

/* `lock` is asked for while others are held: is that order new? */
static inline void lockset_request_with(const struct lockset *s, uintptr_t lock, unsigned kind, unsigned flags,
                                        uintptr_t gil)
{
    uint64_t held = gil ? lockset_mix(gil) : 0;
    for (uint32_t i = s->depth; i > 0; i--)
        held ^= lockset_mix(s->held[i - 1].lock);
    uint64_t key = (held + lockset_mix(lock) * 3 + 2 * (uint64_t)load_relaxed(&lockset_epoch)) | 1;
    uint64_t *seen = &lockset_orders[(key >> 32) % LOCKSET_ORDERS];
    if (unlikely(load_relaxed(seen) != key)) {
        store_relaxed(seen, key);
        lock_ordered(lock, kind, flags, gil);
    }
}

/* `lock` is asked for by a call that returns to `pc`, 0: which is known to wait. */
static ALWAYS_INLINE void lockset_request(const struct lockset *s, uintptr_t lock, uintptr_t pc, unsigned kind,
                                          unsigned flags)
{
    if (unlikely(recorder_python()))
        lockset_request_python(s, lock, pc, kind, flags);
    else if (unlikely(s->depth))
        lockset_request_with(s, lock, kind, flags, 0);
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
    h->what = HELD_WHAT(kind, flags);
    signal_fence();
    h->lock = lock;
    if (unlikely(--s->ticks < 0))
        lock_timed(h);
}

/* The commonest case, in two halves: what it needs is read before the lock is taken or left, as no read overtakes that.
   Nothing else is held, and the acquisition is not one that is timed. */
static ALWAYS_INLINE bool lockset_may_enter_first(const struct lockset *s)
{
    return s->depth == 0 && s->ticks > 0;
}

static ALWAYS_INLINE void lockset_enter_first(struct lockset *s, uintptr_t lock, uintptr_t pc, unsigned kind)
{
    struct held *h = &s->held[0];
    s->depth = 1;
    signal_fence();
    h->pc = pc;
    h->what = HELD_WHAT(kind, 0);
    signal_fence();
    h->lock = lock;
    s->ticks--;
}

static ALWAYS_INLINE bool lockset_may_leave_first(const struct lockset *s, uintptr_t lock)
{
    const struct held *h = &s->held[0];
    return s->depth == 1 && h->lock == lock && !h->since_ns && !h->again;
}

static ALWAYS_INLINE void lockset_leave_first(struct lockset *s)
{
    s->held[0].lock = 0;
    signal_fence();
    s->depth = 0;
}

/* `lock` was taken without waiting. */
static ALWAYS_INLINE void lockset_push(const void *lock, uintptr_t pc, unsigned kind, unsigned flags)
{
    struct lockset *s = &lockset_self;
    if (unlikely(!recorder_on()))
        return;
    if (!(flags & HELD_TRIED))
        lockset_request(s, (uintptr_t)lock, pc, kind, flags);
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
    if (unlikely(h->since_ns))
        lock_left(h);
    h->since_ns = 0;
    h->lock = 0;
    signal_fence();
    s->depth = (uint16_t)(depth - 1);
    return true;
}

#endif
