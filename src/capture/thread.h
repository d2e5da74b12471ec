/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the recorder keeps for each thread, in initial-exec thread-local storage, and the guard that every recording
 * passes.
 *
 * A signal handler may interrupt the recorder at any instruction and call hooked functions itself: `busy` makes those
 * pass through unrecorded (counted). Handlers may also leave by longjmp, so `busy` and `composite` are not flags but
 * the stack address of the frame that set them: when a later hook runs in an older frame of the same stack, that frame
 * is gone and the mark is stale.
 */
#ifndef CPROBE_CAPTURE_THREAD_H
#define CPROBE_CAPTURE_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "capture/clock.h"
#include "capture/quick.h"
#include "capture/unwind.h"
#include "trace/format.h"

struct slot;   /* slots.h */
struct fibers; /* serving.c */

/* A request that is being served (serving.h). */
struct served {
    uint32_t operation; /* 0: none */
    uint32_t conversation;
    uint32_t sequence;
};

/* Every thread of the program pays for these bytes: what is not needed at every call is in its slot (slots.h). */
struct thread {
    uintptr_t busy;      /* frame in which the recorder is at work on this thread; 0: none */
    uintptr_t composite; /* frame of a hook whose call may itself wait in hooked functions (resolver, system) */
    struct quick_counter quick[QUICK_CALLS];
    struct clock_tick tick; /* used by the recorder at work only, i.e. with `busy` */
    uint8_t in_vfork;       /* this is a vfork child using its parent's memory: record nothing, change nothing */
    uint8_t ended;          /* the slot was given back at thread exit */
    uint8_t rounds;         /* destructor rounds seen */
    uint8_t watched;        /* oncpu.h: a timer was asked for */
    uint8_t has_timer;
    uint8_t request_shift; /* requests are sampled with the mean sample_ns << this */
    uint16_t use;          /* python_use.c: operation that the thread is in; 0: none */
    uint32_t tid;
    uint32_t gil_gives;    /* gil.c: what it was when the thread last had the GIL at a look */
    int32_t timer;         /* kernel's timer id */
    void *alternate_stack; /* signal stack given to the thread by oncpu.c */
    struct slot *slot;
    struct segment *ring;
    uint64_t random;         /* xorshift state */
    int64_t credit_ns;       /* blocked time until the next sample */
    int64_t owner_credit_ns; /* time that others waited for this thread's locks until the next sample of those */
    uint64_t blocked_ns;     /* total of all waits, for turns */
    uint64_t waits;
    uint64_t start_ns;
    uint64_t signalled_ns; /* when the stack of a signal that nobody waited for was last taken */
    uint64_t wanted_ns;    /* when the stack of a wait for a lock was last taken at its begin */
    uint64_t vfork_ns;     /* when the vfork under way began */
    uint64_t cpu_at_ns;    /* when slot->cpu_last was taken */
    struct unwind_bounds stack;
    struct scratch *scratch;   /* stack.h */
    int64_t request_credit_ns; /* as credit_ns, of requests' durations */
    struct served served;      /* where requests belong to the thread as a whole */
    struct fibers *fibers;     /* NULL: none yet */
};

extern HIDDEN TLS_INITIAL_EXEC struct thread thread_self;

static inline bool thread_owns(const struct thread *t, uintptr_t sp)
{
    return sp >= t->stack.low && sp < t->stack.high;
}

/* Whether the mark (a frame's address) still stands for a live frame, seen from a frame at `sp`. */
static inline bool thread_mark_holds(const struct thread *t, uintptr_t mark, uintptr_t sp)
{
    return mark && !(mark < sp && thread_owns(t, mark) && thread_owns(t, sp));
}

/* A jump to a frame whose stack pointer was `sp` is about to be made: marks of frames below it are void. */
static inline void thread_jumped(struct thread *t, uintptr_t sp)
{
    if (t->in_vfork || !thread_owns(t, sp))
        return;
    if (t->busy < sp && thread_owns(t, t->busy))
        t->busy = 0;
    if (t->composite < sp && thread_owns(t, t->composite))
        t->composite = 0;
}

/* Enters the recorder. False: it was interrupted on this very thread; do nothing. */
static inline bool thread_enter(struct thread *t, uintptr_t sp)
{
    if (unlikely(t->busy) && thread_mark_holds(t, t->busy, sp))
        return false;
    t->busy = sp;
    signal_fence();
    return true;
}

static inline void thread_leave(struct thread *t)
{
    signal_fence();
    t->busy = 0;
}

#define FRAME_ADDRESS ((uintptr_t)__builtin_frame_address(0))

/* The counter of calls on a descriptor with this word (quick.h); NULL: the long way is to be gone. */
static ALWAYS_INLINE struct trace_counter *quick_counter(enum quick_call call, uint64_t word)
{
    if (unlikely(!word))
        return NULL;
    const struct thread *t = (const struct thread *)(quick_thread_pointer() + recorder_gate.thread);
    bool same = t->quick[call].word == word && !t->busy && !t->composite && !t->in_vfork;
    return likely(same) ? t->quick[call].counter : NULL;
}

/* The call that `counter` was found for has moved `bytes` bytes. False: it could not be counted, as a signal handler
   has forked meanwhile, or changed what is counted. */
static ALWAYS_INLINE bool quick_count(enum quick_call call, struct trace_counter *counter, ssize_t bytes)
{
    const struct thread *t = (const struct thread *)(quick_thread_pointer() + recorder_gate.thread);
    if (unlikely(!load_relaxed(&recorder_gate.fds) || t->quick[call].counter != counter))
        return false;
    quick_add(&counter->bytes, (uint64_t)bytes);
    quick_add(&counter->count, 1);
    return true;
}

/* Gives the thread a slot, stack bounds and random seed. False: no room, or the thread is at its end. Caller has
 * entered. */
bool thread_prepare(struct thread *t, uint64_t now_ns);

/* The thread (or the process) ends: completes its slot. Caller has entered, except at thread exit. */
void thread_complete(struct thread *t, uint64_t now_ns);

/* After an exec that failed: the thread goes on. */
void thread_reopen(struct thread *t);

/* Destructor of recorder.thread_key. */
void thread_exit(void *value);

/* In the child after fork: this thread is the only one; its slot and ring were the parent's. */
void thread_forked(struct thread *t);

/* Bytes of stack that a thread gets where its creator says nothing. */
uintptr_t thread_default_stack(void);

/* At the start of a thread that the program created: its stack has `size` bytes. Without this call thread_prepare
 * guesses. */
void thread_begin(uintptr_t size);

/* At start, on the main thread. */
void thread_init(void);

#endif
