/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/locks.h"

#include <string.h>

#include "base/sys.h"
#include "capture/endpoint.h"
#include "capture/filelock.h"
#include "capture/lockset.h"
#include "capture/modules.h"
#include "capture/shared.h"
#include "capture/stack.h"
#include "capture/thread.h"

#define NUMBERS 8192u
#define NUMBERS_GIVEN 4096u
#define BIRTHS 16384u
#define BIRTH_WAYS 4u /* places that a lock may have; where they are taken one is forgotten */
#define SIGNALS 4096u
#define SETS 4096u
#define PROBES 32u
#define FIRST_SET 2u

/* Marks an address as that of a call that makes semaphores: not one of user space. */
#define SIGNAL_PLACE (UINT64_C(1) << 47)

/* Initialisations whose whole stack is taken; of later ones the caller's address is kept. */
#define BIRTH_STACKS 4096u

static uint32_t hash_of(uintptr_t lock)
{
    return (uint32_t)(lockset_mix(lock) >> 20);
}

/* ---- numbers ---- */

struct number {
    uintptr_t lock;      /* 0: free. Never given to another address */
    uint32_t id;         /* 0: not (or no longer) known */
    uint16_t generation; /* locks that stood here before */
    uint8_t kind;
    uint8_t looked; /* whether it is shared was found out */
};
static struct number numbers[NUMBERS];
static uint32_t numbered; /* how many numbers were given; the rest of the endpoints are for others */

struct birth {
    uintptr_t lock;
    uintptr_t pc;
    const void *maker; /* lockset of the thread that made it while it held other locks, until it takes it; else NULL */
    uint32_t stack;    /* in the trace of process `pid` */
    uint32_t pid;
    uint32_t tid;
};
static struct birth births[BIRTHS];
static uint32_t birth_stacks;

static const char *const kind_names[LOCK_KINDS] = {
    [LOCK_KIND_MUTEX] = "mutex",         [LOCK_KIND_RWLOCK] = "rwlock",
    [LOCK_KIND_SPIN] = "spin lock",      [LOCK_KIND_SEMAPHORE] = "semaphore",
    [LOCK_KIND_CONDITION] = "condition", [LOCK_KIND_BARRIER] = "barrier",
    [LOCK_KIND_ONCE] = "once",           [LOCK_KIND_GIL] = "GIL",
};

static struct birth *birth_ways(uintptr_t lock)
{
    return &births[hash_of(lock) % (BIRTHS / BIRTH_WAYS) * BIRTH_WAYS];
}

/* NULL: nothing is known of how it came to be. */
static struct birth *birth_of(uintptr_t lock)
{
    struct birth *b = birth_ways(lock);
    for (uint32_t i = 0; i < BIRTH_WAYS; i++, b++)
        if (load_acquire(&b->lock) == lock)
            return b;
    return NULL;
}

/* Where a new lock's goes: that of one that was here before, a free one, or any. */
static struct birth *birth_place(uintptr_t lock)
{
    struct birth *found = birth_of(lock), *b = birth_ways(lock);
    for (uint32_t i = 0; !found && i < BIRTH_WAYS; i++)
        if (!load_relaxed(&b[i].lock))
            found = &b[i];
    return found ? found : &b[lockset_mix(lock) % BIRTH_WAYS];
}

static void write_lock(uint32_t id, const struct birth *b, uint32_t stack)
{
    struct event_lock *e = (void *)writer_log_reserve(&recorder.writer, sizeof(*e), 0);
    if (!e)
        return;
    modules_find(b->pc);
    e->header.time_ns = clock_now();
    e->pc = b->pc;
    e->id = id;
    e->stack = b->pid == recorder.pid ? stack : 0;
    writer_log_commit(&e->header, EVENT_LOCK);
}

static struct number *number_find(uintptr_t lock, bool enter)
{
    uint32_t at = hash_of(lock) % NUMBERS;
    for (uint32_t i = 0; i < PROBES; i++, at = (at + 1) % NUMBERS) {
        uintptr_t found = load_acquire(&numbers[at].lock);
        if (found == lock)
            return &numbers[at];
        if (found)
            continue;
        if (!enter)
            return NULL;
        if (cas_acq_rel(&numbers[at].lock, &found, lock) || found == lock)
            return &numbers[at];
    }
    return NULL;
}

/* Locks that are made, taken and forgotten in great numbers must not use the numbers up before one is waited for. */
bool locks_worth_number(uintptr_t lock)
{
    const struct number *n = load_relaxed(&numbered) < NUMBERS_GIVEN / 2 ? NULL : number_find(lock, false);
    return load_relaxed(&numbered) < NUMBERS_GIVEN / 2 || (n && load_relaxed(&n->id));
}

static uint32_t number_of(struct number *n, uintptr_t lock, unsigned kind, const struct birth *b)
{
    uint32_t id = load_acquire(&n->id);
    if (likely(id && n->kind == kind))
        return id;
    if (load_relaxed(&numbered) >= NUMBERS_GIVEN)
        return ENDPOINT_OVERFLOW;
    add_relaxed(&numbered, 1);
    modules_find(lock); /* a variable of that module, perhaps */
    id = endpoint_intern(ENDPOINT_LOCK, n->generation, kind_names[kind], strlen(kind_names[kind]), lock);
    n->kind = (uint8_t)kind;
    if (exchange_acq_rel(&n->id, id) != id && id != ENDPOINT_OVERFLOW && b)
        write_lock(id, b, lock & SIGNAL_PLACE ? 0 : b->stack);
    return id;
}

/* Semaphores that tell something are made anew for each wait in some programs (CPython's threading.Condition): all that
   were made by one call are one. 0: that is not known of this one. */
static uint32_t signal_number(uintptr_t lock)
{
    const struct birth *b = locks_signals((const void *)lock) ? birth_of(lock) : NULL;
    uintptr_t place = b ? b->pc | SIGNAL_PLACE : 0;
    struct number *n = b && b->pc ? number_find(place, true) : NULL;
    return n ? number_of(n, place, LOCK_KIND_SEMAPHORE, b) : 0;
}

uint32_t locks_number(uintptr_t lock, unsigned kind)
{
    if (kind == LOCK_KIND_FILE)
        return filelock_number(lock);
    uint32_t id = kind == LOCK_KIND_SEMAPHORE ? signal_number(lock) : 0;
    struct number *n = id ? NULL : number_find(lock, true);
    return id ? id : n ? number_of(n, lock, kind, birth_of(lock)) : ENDPOINT_OVERFLOW;
}

static void write_shared(uint32_t id, uintptr_t lock)
{
    struct shared_place place;
    if (!shared_find(lock, &place))
        return;
    struct event_shared *e = (void *)writer_log_reserve(&recorder.writer, sizeof(*e), 0);
    if (!e)
        return;
    e->header.time_ns = clock_now();
    e->device = place.device;
    e->inode = place.inode;
    e->offset = place.offset;
    e->id = id;
    e->reserved = 0;
    writer_log_commit(&e->header, EVENT_SHARED);
}

uint32_t locks_number_here(uintptr_t lock, unsigned kind)
{
    struct number *n = kind == LOCK_KIND_FILE ? NULL : number_find(lock, true);
    if (!n)
        return locks_number(lock, kind);
    uint32_t id = number_of(n, lock, kind, birth_of(lock));
    if (unlikely(!n->looked)) {
        n->looked = 1;
        if (id != ENDPOINT_OVERFLOW && shared_kind(lock, kind))
            write_shared(id, lock);
    }
    return id;
}

static void forget(uintptr_t lock)
{
    struct number *n = number_find(lock, false);
    if (!n || !load_relaxed(&n->id))
        return;
    n->generation++;
    n->looked = 0;
    store_release(&n->id, 0);
    add_relaxed(&lockset_epoch, 1);
}

/* ---- life ---- */

static uint32_t birth_stack(void)
{
    struct thread *t = &thread_self;
    uint32_t stack = 0;
    if (load_relaxed(&birth_stacks) >= BIRTH_STACKS || !thread_enter(t, FRAME_ADDRESS))
        return 0;
    if (t->slot || thread_prepare(t, clock_now())) {
        add_relaxed(&birth_stacks, 1);
        stack = stack_capture(t);
    }
    thread_leave(t);
    return stack;
}

void locks_born(const void *lock, uintptr_t pc)
{
    if (!recorder_on())
        return;
    if (unlikely(lockset_self.depth))
        lockset_drop(lock);
    forget((uintptr_t)lock);
    struct birth *b = birth_place((uintptr_t)lock);
    store_relaxed(&b->lock, 0);
    b->pc = pc;
    b->stack = birth_stack();
    b->pid = recorder.pid;
    b->tid = thread_self.tid ? thread_self.tid : (uint32_t)sys_gettid();
    b->maker = lockset_self.depth ? &lockset_self : NULL;
    store_release(&b->lock, (uintptr_t)lock);
}

uint32_t locks_maker(uintptr_t lock)
{
    const struct birth *b = birth_of(lock);
    return b ? b->tid : 0;
}

void locks_died(const void *lock)
{
    struct birth *b = birth_of((uintptr_t)lock);
    if (b)
        store_relaxed(&b->lock, 0);
    if (unlikely(lockset_self.depth)) /* or the memory's next user would seem to be held */
        lockset_drop(lock);
    forget((uintptr_t)lock);
}

bool locks_fresh(uintptr_t lock)
{
    struct birth *b = birth_of(lock);
    bool fresh = b && b->maker == &lockset_self;
    if (fresh)
        b->maker = NULL;
    return fresh;
}

bool locks_alive(const void *lock)
{
    return birth_of((uintptr_t)lock) != NULL;
}

/* ---- semaphores ---- */

static uintptr_t signals[SIGNALS]; /* a lock that is pushed out by another one is only found out again */

bool locks_signals(const void *semaphore)
{
    return load_relaxed(&signals[hash_of((uintptr_t)semaphore) % SIGNALS]) == (uintptr_t)semaphore;
}

void locks_signal(const void *semaphore)
{
    store_relaxed(&signals[hash_of((uintptr_t)semaphore) % SIGNALS], (uintptr_t)semaphore);
}

void locks_signal_not(const void *semaphore)
{
    if (locks_signals(semaphore))
        store_relaxed(&signals[hash_of((uintptr_t)semaphore) % SIGNALS], 0);
}

/* ---- sets ---- */

bool locks_held(const struct held *h)
{
    if (h->kind == LOCK_KIND_SEMAPHORE)
        return h->lock && !locks_signals((const void *)h->lock);
    return h->lock && (h->kind != LOCK_KIND_FILE || filelock_held(h->lock));
}

static uint64_t sets[SETS]; /* hash; number = index + FIRST_SET */

static void write_set(uint32_t id, const uint32_t *locks, const uint64_t *places, const uint8_t *shared, size_t count)
{
    uint32_t cursor = sizeof(struct event_lockset);
    uint32_t tail = (uint32_t)(count * (sizeof(*locks) + sizeof(*places) + sizeof(*shared)));
    struct event_lockset *e = (void *)writer_log_reserve(&recorder.writer, cursor, tail);
    if (!e)
        return;
    e->header.time_ns = clock_now();
    e->id = id;
    e->modules = modules_generation();
    e->places = writer_log_string(&e->header, &cursor, places, count * sizeof(*places));
    e->locks = writer_log_string(&e->header, &cursor, locks, count * sizeof(*locks));
    e->shared = writer_log_string(&e->header, &cursor, shared, count);
    e->reserved = 0;
    writer_log_commit(&e->header, EVENT_LOCKSET);
}

static uint32_t set_of(const struct held *list, size_t size, uint32_t gil)
{
    uint32_t locks[LOCKSET_MAX + 1] = {gil};
    uint64_t places[LOCKSET_MAX + 1] = {0}, h = UINT64_C(0xcbf29ce484222325) ^ gil;
    uint8_t shared[LOCKSET_MAX + 1] = {0};
    size_t count = gil != 0;
    for (size_t i = 0; i < size; i++) {
        const struct held *held = &list[i];
        if (!locks_held(held))
            continue;
        locks[count] = locks_number(held->lock, held->kind);
        places[count] = held->pc;
        shared[count] = held->flags & HELD_SHARED;
        h = (h ^ ((uint64_t)locks[count] << 1 | shared[count])) * UINT64_C(0x9E3779B97F4A7C15);
        h = (h ^ (h >> 29) ^ held->pc) * UINT64_C(0x9E3779B97F4A7C15);
        modules_find(held->pc);
        count++;
    }
    if (!count)
        return 0;
    h |= h == 0;
    uint32_t at = (uint32_t)(h >> 16) % SETS;
    for (uint32_t i = 0; i < PROBES; i++, at = (at + 1) % SETS) {
        uint64_t found = load_acquire(&sets[at]);
        if (found == h)
            return at + FIRST_SET;
        if (!found && cas_acq_rel(&sets[at], &found, h)) {
            write_set(at + FIRST_SET, locks, places, shared, count);
            return at + FIRST_SET;
        }
        if (found == h)
            return at + FIRST_SET;
    }
    return 0;
}

uint32_t locks_set(uint32_t gil)
{
    return set_of(lockset_self.held, lockset_self.depth, gil);
}

uint32_t locks_set_of(const struct held *list, size_t size)
{
    return set_of(list, size, 0);
}
