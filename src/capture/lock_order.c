/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which locks are asked for while which others are held, each order once: and again where it appears with locks around
 * it (gates) that do not include all of those it was seen with before, as what stood behind a gate may then deadlock.
 */
#include <errno.h>
#include <string.h>

#include "capture/gil.h"
#include "capture/lock.h"
#include "capture/locks.h"
#include "capture/stack.h"

#define ORDERS 16384u
#define PROBES 32u
#define GATES 4u           /* sets of gates that are told apart for each order */
#define GATED_ORDERS 8192u /* orders written again */
#define GIL_ORDERS 1024u   /* orders with the GIL: a program may make a lock for every call */

/* Gates are sets of locks as two bits each of a word: that one set includes another is wrongly believed once in some
   thousand times where both have one lock. */
#define GATES_USED (UINT64_C(1) << 63)

struct order {
    uint64_t key; /* from << 32 | to << 3 | alone << 2 | both shared flags */
    uint64_t gates[GATES];
};
static struct order orders[ORDERS];

/* How many orders begin at a lock, by its number. One that is held for long, while other locks are made and taken (that
   of a Python thread's life), would fill every table: its orders are told from the first ones. */
#define FROMS 4096u
#define FROM_MAX 256u
static uint16_t froms[FROMS];

static uint16_t *from_of(uint32_t id)
{
    return &froms[id % FROMS];
}

static uint32_t gil_orders, gated_orders, orders_count;

static uint64_t gate_bits(uint32_t id, uint32_t way)
{
    uint64_t h = ((uint64_t)id << 1 | way) * UINT64_C(0x9E3779B97F4A7C15);
    return UINT64_C(1) << (h >> 40) % 63 | UINT64_C(1) << (h >> 20) % 63;
}

/* Who has it for himself shuts out those who share it as well. */
static uint64_t gate_of(uint32_t id, bool shared)
{
    return gate_bits(id, 1) | (shared ? 0 : gate_bits(id, 0));
}

/* Whether these gates include all of some set that was there before. Else they are entered; without any, always. */
static bool gates_new(struct order *o, uint64_t gates)
{
    gates |= GATES_USED;
    for (uint32_t i = 0; i < GATES; i++) {
        uint64_t found = load_acquire(&o->gates[i]);
        if (!found && i > 0 && add_relaxed(&gated_orders, 1) >= GATED_ORDERS)
            break;
        if (!found && cas_acq_rel(&o->gates[i], &found, gates))
            return true;
        if ((found & gates) == found)
            return false;
    }
    return gates == GATES_USED && exchange_acq_rel(&o->gates[GATES - 1], gates) != gates;
}

static bool order_new(uint64_t key, uint64_t gates)
{
    uint32_t at = (uint32_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 40) % ORDERS;
    for (uint32_t i = 0; i < PROBES; i++, at = (at + 1) % ORDERS) {
        uint64_t found = load_acquire(&orders[at].key);
        if (!found && cas_acq_rel(&orders[at].key, &found, key)) {
            add_relaxed(&orders_count, 1);
            found = key;
        }
        if (found == key)
            return gates_new(&orders[at], gates);
    }
    return false;
}

/* What a thread asks for, and what it holds. */
struct request {
    struct thread *t;
    size_t count;
    const struct held *held[LOCKSET_MAX + 1];
    uint32_t ids[LOCKSET_MAX + 1];
    uint64_t gates[LOCKSET_MAX + 1];
    uint32_t gil; /* held, too; 0: it is not */
    uint32_t to;
    bool more; /* some lock held has not too many orders yet */
    unsigned flags;
    uint32_t stack, set; /* 0: not needed so far */
};

static void order_write(struct request *r, const struct held *from, uint32_t from_id)
{
    store_relaxed(from_of(from_id), (uint16_t)(load_relaxed(from_of(from_id)) + 1));
    r->stack = r->stack ? r->stack : stack_capture(r->t);
    r->set = r->set ? r->set : locks_set(r->gil);
    struct event_order *e = (void *)writer_log_reserve(&recorder.writer, sizeof(*e), 0);
    if (!e)
        return;
    e->header.time_ns = clock_now();
    e->place = from->pc;
    e->from = from_id;
    e->to = r->to;
    e->stack = r->stack;
    e->tid = r->t->tid;
    e->locks = r->set;
    e->flags =
        (uint16_t)((from->flags & HELD_SHARED ? ORDER_FROM_SHARED : 0) |
                   (from->flags & HELD_TRIED ? ORDER_FROM_TRIED : 0) | (r->flags & HELD_SHARED ? ORDER_TO_SHARED : 0) |
                   (r->flags & HELD_TIMED ? ORDER_TIMED : 0) | (__libc_single_threaded ? ORDER_ALONE : 0));
    e->reserved = 0;
    writer_log_commit(&e->header, EVENT_ORDER);
}

static void request_add(struct request *r, const struct held *h, uint32_t id)
{
    if (id == ENDPOINT_OVERFLOW)
        return;
    r->more |= load_relaxed(from_of(id)) < FROM_MAX;
    r->held[r->count] = h;
    r->ids[r->count] = id;
    r->gates[r->count++] = gate_of(id, h->flags & HELD_SHARED);
}

/* taking: the GIL is what is asked for. Python's own locks come before it all the time, and never after. */
static void request_fill(struct request *r, uintptr_t lock, bool taking)
{
    static const struct held interpreter = {.kind = LOCK_KIND_GIL}; /* where it was taken is not known */
    const struct lockset *s = &lockset_self;
    if (r->gil)
        request_add(r, &interpreter, r->gil);
    for (uint32_t i = 0; i < s->depth; i++) {
        const struct held *h = &s->held[i];
        if (h->lock != lock && locks_held(h) && !gil_owns(h) && !(taking && gil_pythons(h)))
            request_add(r, h, locks_number_here(h->lock, h->kind));
    }
}

static void request_orders(struct request *r)
{
    for (size_t i = 0; i < r->count; i++) {
        uint64_t key = (uint64_t)r->ids[i] << 32 | r->to << 3 | (__libc_single_threaded ? 4 : 0) |
                       (r->held[i]->flags & HELD_SHARED) << 1 | (r->flags & HELD_SHARED);
        uint64_t gates = 0; /* bits of several locks overlap: not all less this one's */
        for (size_t j = 0; j < r->count; j++)
            gates |= j == i ? 0 : r->gates[j];
        if (load_relaxed(from_of(r->ids[i])) < FROM_MAX && order_new(key, gates))
            order_write(r, r->held[i], r->ids[i]);
    }
}

void lock_ordered(uintptr_t lock, unsigned kind, unsigned flags, uintptr_t gil)
{
    struct request r = {.t = &thread_self, .flags = flags};
    bool taking = gil_taking(lock), counted = taking || gil;
    int saved = errno;
    if ((kind == LOCK_KIND_SEMAPHORE && locks_fresh(lock)) || (!taking && gil_own(lock)) ||
        (counted && (__libc_single_threaded || load_relaxed(&gil_orders) >= GIL_ORDERS)) ||
        !lock_enter(r.t, clock_now()))
        return;
    r.gil = gil ? locks_number(gil, LOCK_KIND_GIL) : 0;
    request_fill(&r, lock, taking);
    if (r.more)
        r.to = taking ? locks_number(gil_condition, LOCK_KIND_GIL) : locks_number_here(lock, kind);
    if (r.more && r.to != ENDPOINT_OVERFLOW) {
        request_orders(&r);
        if (r.stack && counted)
            add_relaxed(&gil_orders, 1);
    }
    thread_leave(r.t);
    errno = saved;
}

void lock_orders_forked(void)
{
    if (load_relaxed(&orders_count)) {
        memset(orders, 0, sizeof(orders));
        memset(froms, 0, sizeof(froms));
    }
    memset(lockset_orders, 0, sizeof(lockset_orders));
    orders_count = gated_orders = gil_orders = 0;
}
