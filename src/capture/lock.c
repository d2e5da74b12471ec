/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/lock.h"

#include <errno.h>
#include <string.h>

#include "capture/gil.h"
#include "capture/locks.h"
#include "capture/sampler.h"
#include "capture/slots.h"
#include "capture/stack.h"
#include "capture/wakeup.h"

#define TIMED_PER_SECOND 1000u /* acquisitions of one thread that are timed at random, about */
#define PERIOD_MIN 4u          /* log2 */
#define PERIOD_MAX 20u

/* ---- locks that are waited for ---- */

#define QUEUES 1024u
#define QUEUE_WAITERS 0xffffu

/* One lock that threads wait for. Collisions are not resolved: a lock that finds its place taken goes without. */
struct queue {
    uint64_t word;        /* address << 16 | waiters; 0: free */
    uint64_t since_ns;    /* since when its waiters wait for the same owner, about; 0: nobody does */
    uint32_t owner;       /* thread that last left it, and where it then was: written by the owner, read by waiters */
    uint32_t owner_stack; /* 0: not known. Stored after `owner` */
} __attribute__((aligned(64))); /* what goes from one to the other is one cache line, and nobody else's */
static struct queue queues[QUEUES];
static uint32_t queues_used; /* any: a child after fork need not touch what was never used */

static struct queue *queue_of(uintptr_t lock)
{
    return &queues[(lockset_mix(lock) >> 24) % QUEUES];
}

static bool queue_join(uintptr_t lock, uint64_t now)
{
    struct queue *q = queue_of(lock);
    uint64_t word = load_relaxed(&q->word);
    if (unlikely(!load_relaxed(&queues_used)))
        store_relaxed(&queues_used, 1);
    do {
        if (word && (word >> 16 != lock || (word & QUEUE_WAITERS) == QUEUE_WAITERS))
            return false;
    } while (!cas_acq_rel(&q->word, &word, word ? word + 1 : ((uint64_t)lock << 16 | 1)));
    if (!word)
        store_relaxed(&q->since_ns, now);
    return true;
}

/* The thread that let the waiter have the lock, and its stack, 0 where it was not taken. */
static uint32_t queue_leave(uintptr_t lock, uint64_t now, uint32_t *owner)
{
    struct queue *q = queue_of(lock);
    uint32_t stack = load_acquire(&q->owner_stack);
    if (stack)
        *owner = load_relaxed(&q->owner);
    uint64_t word = load_relaxed(&q->word);
    bool last;
    do { /* before the place is free: it may be another lock's from then on */
        last = (word & QUEUE_WAITERS) <= 1;
        store_relaxed(&q->since_ns, last ? 0 : now); /* those who still wait now wait for this thread */
        if (last)
            store_relaxed(&q->owner_stack, 0);
    } while (!cas_acq_rel(&q->word, &word, last ? 0 : word - 1));
    return stack;
}

/* ---- acquisitions timed at random ---- */

void lock_timed(struct held *h)
{
    struct lockset *s = &lockset_self;
    uint64_t now = clock_now();
    struct thread *t = &thread_self;
    unsigned period = s->period ? s->period : PERIOD_MIN;
    if (s->period) {
        h->since_ns = h->since_ns ? h->since_ns : now;
        h->weight = 1u << period;
    }
    if (now - s->last_ns < 1000000000u / TIMED_PER_SECOND)
        period += period < PERIOD_MAX;
    else
        period -= period > PERIOD_MIN;
    if (!t->random)
        t->random = (now ^ (uintptr_t)t) | 1;
    s->last_ns = now;
    s->period = (uint8_t)period;
    s->drawn -= (uint32_t)s->ticks;
    s->ticks = (int32_t)(t->random % ((2u << period) - 1)); /* mean (1 << period) - 1 */
    s->drawn += (uint32_t)s->ticks;
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
}

static void hold_write(struct thread *t, const struct event_hold *values)
{
    struct event_hold *e = writer_ring_reserve(&recorder.writer, &t->ring, t->slot->number);
    if (!e)
        return;
    *e = *values;
    e->header.magic = EVENT_MAGIC;
    e->header.type = EVENT_HOLD;
    e->header.size = sizeof(*e);
    e->tid = t->tid;
    e->slot = t->slot->number;
    writer_ring_commit(t->ring);
}

static void hold_count(struct thread *t, uint32_t lock, uint64_t begin_ns, uint64_t duration, uint32_t weight)
{
    struct trace_counter *c = slot_counter(t->slot, CALL_hold, 0, lock);
    if (!c)
        return;
    if (!c->count)
        c->first_ns = begin_ns;
    c->total_ns += duration * weight;
    c->max_ns = duration > c->max_ns ? duration : c->max_ns;
    c->last_ns = begin_ns + duration;
    store_release(&c->count, c->count + weight);
}

void lock_left(const struct held *h)
{
    struct thread *t = &thread_self;
    if (lockset_self.late.begin_ns)
        lock_late();
    uint64_t now = h->weight ? clock_now() : 0;
    if (!h->weight || (h->kind != LOCK_KIND_FILE && !locks_worth_number(h->lock)) || !lock_enter(t, now))
        return;
    uint64_t duration = now - h->since_ns;
    uint32_t id = locks_number(h->lock, h->kind);
    hold_count(t, id, h->since_ns, duration, h->weight);
    hold_write(t, &(struct event_hold){.header.time_ns = h->since_ns,
                                       .duration_ns = duration,
                                       .weight = (float)h->weight,
                                       .lock = id,
                                       .flags = h->flags & HELD_SHARED ? HOLD_SHARED : 0,
                                       .kind = h->kind});
    thread_leave(t);
}

/* ---- contention ---- */

/* Whether a thread that has got it holds it (the GIL: CPython says so itself). */
static bool kind_held(unsigned kind)
{
    return kind != LOCK_KIND_CONDITION && kind != LOCK_KIND_BARRIER && kind != LOCK_KIND_ONCE && kind != LOCK_KIND_GIL;
}

#define WANTED_NS 200000u /* at most so often a stack is taken before a wait */

/* Says in the thread's slot what is waited for: a thread that never returns cannot say it later. */
static void want(struct thread *t, struct lock_wait *w, uintptr_t gil)
{
    struct trace_thread_slot *slot = t->slot->data;
    bool soon = w->begin_ns - t->wanted_ns < WANTED_NS;
    slot->wanted_lock = w->id;
    slot->wanted_stack = soon ? 0 : stack_capture(t);
    t->wanted_ns = soon ? t->wanted_ns : w->begin_ns;
    slot->wanted_locks = locks_set(gil ? locks_number(gil, LOCK_KIND_GIL) : 0);
    slot->wanted_owner = w->owner;
    slot->wanted_signal_ns = 0;
    store_release(&slot->wanted_since_ns, w->begin_ns);
}

/* The thread waits no longer. Returns the stack of who let it have the lock, as queue_leave. */
static uint32_t wait_leave(uint64_t now, uint32_t *owner)
{
    struct lockset *s = &lockset_self;
    uint32_t stack = s->waiting ? queue_leave(s->waiting, now, owner) : 0;
    s->waiting = 0;
    if (thread_self.slot && thread_self.slot->data->wanted_since_ns)
        store_release(&thread_self.slot->data->wanted_since_ns, 0);
    return stack;
}

void lock_wait_begin(struct lock_wait *w, const void *lock, unsigned kind, unsigned flags, uint32_t owner)
{
    struct lockset *s = &lockset_self;
    struct thread *t = &thread_self;
    uint32_t previous;
    int saved = errno;
    *w = (struct lock_wait){.begin_ns = wait_begin(),
                            .lock = (uintptr_t)lock,
                            .owner = owner,
                            .fd = -1,
                            .kind = (uint8_t)kind,
                            .flags = (uint8_t)flags};
    if (!w->begin_ns || !lock_enter(t, w->begin_ns))
        return;
    w->id = locks_number_here(w->lock, kind);
    if (unlikely(s->waiting)) /* a wait that was left by a jump */
        wait_leave(w->begin_ns, &previous);
    if (queue_join(w->lock, w->begin_ns))
        s->waiting = w->lock;
    uintptr_t gil = kind_held(kind) ? gil_held(0) : 0;
    if (s->depth || gil)
        want(t, w, gil);
    thread_leave(t);
    if (kind_held(kind))
        lockset_request(s, w->lock, 0, kind, flags);
    errno = saved;
}

void lock_wait_owner(struct lock_wait *w, uint32_t owner)
{
    const struct thread *t = &thread_self;
    w->owner = owner;
    if (t->slot && t->slot->data->wanted_since_ns == w->begin_ns)
        store_relaxed(&t->slot->data->wanted_owner, owner);
}

void lock_late(void)
{
    struct lock_late late = lockset_self.late;
    lockset_self.late.begin_ns = 0;
    if (late.begin_ns && recorder_on())
        wait_end_drawn(&(struct wait){.begin_ns = late.begin_ns,
                                      .end_ns = late.end_ns,
                                      .endpoint = late.endpoint,
                                      .fd = -1,
                                      .call = late.call},
                       false);
}

static void wait_later(const struct wait *w)
{
    struct lockset *s = &lockset_self;
    if (s->late.begin_ns)
        lock_late();
    s->late = (struct lock_late){w->begin_ns, w->end_ns, w->endpoint, w->call};
}

/* Whether a wait that ended with success leaves its lock in the list. */
static bool wait_holds(const struct lock_wait *w)
{
    return kind_held(w->kind) && recorder_on() &&
           !(w->kind == LOCK_KIND_SEMAPHORE && locks_signals((const void *)w->lock));
}

/* From here until the lock is left others wait for this thread: a wait that is not to be sampled is counted then. */
void lock_wait_end(struct lock_wait *w, enum call_number call, int error, uintptr_t pc)
{
    int saved = errno;
    bool taken = error == 0 || error == EOWNERDEAD, holds = taken && wait_holds(w);
    uint64_t now = w->begin_ns ? clock_now() : 0;
    uint32_t owner = w->owner, owner_stack = wait_leave(now, &owner);
    bool late = holds && now && w->fd < 0 && !wait_chosen(now > w->begin_ns ? now - w->begin_ns : 0);
    struct wait wait = {.begin_ns = w->begin_ns,
                        .end_ns = now,
                        .endpoint = w->id,
                        .fd = w->fd,
                        .result = error,
                        .call = (uint16_t)call,
                        .flags = (uint16_t)(!taken ? WAIT_FAILED : 0),
                        .error = (uint16_t)(taken ? 0 : error),
                        .owner = owner,
                        .owner_stack = owner_stack};
    if (late)
        wait_later(&wait);
    else if (now && holds && w->fd < 0)
        wait_end_drawn(&wait, true);
    else if (now)
        wait_end(&wait);
    if (holds)
        lockset_enter(&lockset_self, w->lock, pc, w->kind, w->flags, late ? now : 0);
    else if (unlikely(error && !taken))
        lock_refused((const void *)w->lock, w->kind, error);
    errno = saved;
}

/* Recorded as a wait of the others would be, by time: their wait is what this owner cost them. */
void lock_contended(const void *lock, unsigned kind)
{
    struct queue *q = queue_of((uintptr_t)lock);
    struct thread *t = &thread_self;
    uint64_t word = load_acquire(&q->word);
    if (word >> 16 != (uintptr_t)lock)
        return;
    int saved = errno;
    uint64_t now = clock_now(), since = load_relaxed(&q->since_ns);
    uint64_t waited = since && now > since ? now - since : 0;
    store_relaxed(&q->since_ns, now);
    if (!waited || !lock_enter(t, now))
        return;
    bool chosen = waited >= recorder.settings.sample_ns;
    if (!chosen) {
        t->owner_credit_ns -= (int64_t)waited;
        chosen = t->owner_credit_ns <= 0;
        if (chosen)
            t->owner_credit_ns = sampler_draw(&t->random, recorder.settings.sample_ns);
    }
    if (chosen) {
        uint32_t stack = stack_capture(t);
        store_relaxed(&q->owner, t->tid);
        store_release(&q->owner_stack, stack);
        hold_write(t, &(struct event_hold){.header.time_ns = since,
                                           .duration_ns = waited,
                                           .waited_ns = waited,
                                           .weight = sampler_weight(waited, recorder.settings.sample_ns),
                                           .stack = stack,
                                           .lock = locks_number((uintptr_t)lock, kind),
                                           .waiters = (uint32_t)(word & QUEUE_WAITERS),
                                           .flags = HOLD_CONTENDED,
                                           .kind = (uint16_t)kind});
    } else if (load_relaxed(&q->owner_stack)) { /* of an owner before this one */
        store_relaxed(&q->owner_stack, 0);
    }
    thread_leave(t);
    errno = saved;
}

/* ---- misuse ---- */

#define MISUSES 256u
static uint64_t misuses[MISUSES];

void lock_misused(enum misuse misuse, const void *lock, unsigned kind, uint32_t other, int error)
{
    struct thread *t = &thread_self;
    int saved = errno;
    uint64_t now = clock_now();
    if (!lock_enter(t, now))
        return;
    uint32_t id = locks_number((uintptr_t)lock, kind);
    uint64_t key = (uint64_t)id << 8 | misuse, found = 0;
    if (cas_acq_rel(&misuses[(key * UINT64_C(0x9E3779B97F4A7C15) >> 40) % MISUSES], &found, key)) {
        uint32_t stack = stack_capture(t);
        struct event_misuse *e = (void *)writer_log_reserve(&recorder.writer, sizeof(*e), 0);
        if (e) {
            e->header.time_ns = now;
            e->lock = id;
            e->stack = stack;
            e->tid = t->tid;
            e->other = other;
            e->kind = (uint16_t)misuse;
            e->error = (uint16_t)error;
            e->reserved = 0;
            writer_log_commit(&e->header, EVENT_MISUSE);
        }
    }
    thread_leave(t);
    errno = saved;
}

void lock_refused(const void *lock, unsigned kind, int error)
{
    bool wrong = error == EINVAL || error == EPERM || error == EDEADLK;
    if (wrong && kind != LOCK_KIND_FILE && kind != LOCK_KIND_GIL && recorder_on())
        lock_misused(MISUSE_REFUSED, lock, kind, 0, error);
}

static bool forked;

bool lock_after_fork(void)
{
    return forked;
}

/* In the child after fork locks say that threads of the parent own them: what the child's only thread held itself, and
   what other threads held, which it may make usable again as it likes. */
bool lock_owned_elsewhere(uint32_t owner)
{
    return owner && owner != (uint32_t)sys_gettid() && !forked;
}

/* A lock that was left but is not in the list: taken before recording began, too deep, or not by this thread. */
void lock_not_held(const void *lock, unsigned kind, uint32_t owner)
{
    if (lock_owned_elsewhere(owner))
        lock_misused(MISUSE_STRANGER_UNLOCK, lock, kind, owner, 0);
    else if (kind == LOCK_KIND_MUTEX && owner == 0) /* who takes a mutex always says so in it */
        lock_misused(MISUSE_UNLOCKED_FREE, lock, kind, 0, 0);
}

void lock_thread_ended(void)
{
    struct lockset *s = &lockset_self;
    uint32_t owner;
    if (s->late.begin_ns)
        lock_late();
    wait_leave(clock_now(), &owner); /* it was cancelled in a wait, perhaps */
    for (uint32_t i = 0; i < s->depth; i++)
        if (s->held[i].lock && s->held[i].kind != LOCK_KIND_SEMAPHORE && s->held[i].kind != LOCK_KIND_FILE &&
            !(s->held[i].flags & HELD_ROBUST))
            lock_misused(MISUSE_EXIT_HELD, (const void *)s->held[i].lock, s->held[i].kind, 0, 0);
    memset(s->held, 0, s->depth * sizeof(s->held[0]));
    s->depth = 0;
}

void lock_forked(void)
{
    forked = true;
    if (load_relaxed(&queues_used))
        memset(queues, 0, sizeof(queues));
    queues_used = 0;
    lock_orders_forked();
    wakeup_forked();
    memset(misuses, 0, sizeof(misuses));
    lockset_self.waiting = 0;
    lockset_self.owner = 0;
    lockset_self.late.begin_ns = 0;
    lockset_self.known = false;
    for (uint32_t i = lockset_self.depth; i > 0; i--) /* those on files are the parent's, or shared with it */
        if (lockset_self.held[i - 1].kind == LOCK_KIND_FILE)
            lockset_drop((const void *)lockset_self.held[i - 1].lock);
}
