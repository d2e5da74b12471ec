/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/conversation.h"

#include <string.h>

#include "base/sys.h"
#include "capture/facts.h"
#include "capture/parcel.h"
#include "capture/place.h"
#include "capture/recorder.h"
#include "capture/request.h"
#include "capture/slots.h"
#include "capture/thread.h"

#define DATAGRAM_HEAD 1232 /* what name servers send at most, dnsflagday.net/2020 */
#define LOCK_SPINS 100
#define LOCK_YIELDS 2000 /* a millisecond or so */

/* ---- beginning and end ------------------------------------------------------------------------------------------- */

uint32_t conversation_open(uint32_t endpoint, uint16_t flags)
{
    struct conversation *c = recorder_on() ? place_take() : NULL;
    if (!c)
        return 0;
    c->references = 1;
    c->endpoint = endpoint;
    c->flags = flags;
    c->generation++;
    c->missed[0] = c->missed[1] = c->ahead = 0;
    c->missing = 0;
    c->last_operation = c->announced = 0;
    c->inside = WIRE_UNKNOWN;
    memset(c->operations, 0, sizeof(c->operations));
    wire_start(&c->wire, flags & CONVERSATION_DATAGRAMS, WIRE_UNKNOWN);
    uint32_t id = ((uint32_t)c->generation << PLACE_BITS) | ((uint32_t)(c - places.table) + 1);
    store_release(&c->owner, 0);
    store_release(&c->id, id);
    return id;
}

/* ---- the lock ---------------------------------------------------------------------------------------------------- */

/* A parser that was stopped in the middle is in no state to go on from. */
static void recover(struct conversation *c)
{
    wire_gap(&c->wire, WIRE_CLIENT, 0);
    wire_gap(&c->wire, WIRE_SERVER, 0);
}

static uint64_t owner_of(const struct thread *t)
{
    return ((uint64_t)recorder.pid << 32) | t->tid;
}

/* The thread has become the owner: of the conversation that it meant? */
static ALWAYS_INLINE bool taken(struct conversation *c, uint32_t id)
{
    if (likely(load_relaxed(&c->id) == id))
        return true;
    store_release(&c->owner, 0);
    return false;
}

static ALWAYS_INLINE bool take_at_once(struct conversation *c, uint32_t id, const struct thread *t)
{
    uint64_t owner = 0;
    return cas_acq_rel(&c->owner, &owner, owner_of(t)) && taken(c, id);
}

/* The calling thread, which has entered the recorder, gets the conversation; it tries so often. */
static NOINLINE bool take(struct conversation *c, uint32_t id, const struct thread *t, int tries)
{
    uint64_t self = owner_of(t), owner = 0;
    for (int i = 0;; i++, owner = 0) {
        if (cas_acq_rel(&c->owner, &owner, self))
            break;
        bool stale = owner == self || owner >> 32 != recorder.pid;
        if (stale && cas_acq_rel(&c->owner, &owner, self)) {
            recover(c);
            break;
        }
        if (i < LOCK_SPINS)
            __builtin_ia32_pause();
        else
            SYS_CALL(SYS_sched_yield, 0, 0, 0, 0, 0, 0); /* its holder is waiting for a processor */
        if (i == tries - 1 || load_relaxed(&recorder.writer.frozen))
            return false;
    }
    return taken(c, id);
}

/* ---- what the owner does ----------------------------------------------------------------------------------------- */

static enum wire_side side_of(const struct conversation *c, bool sent)
{
    return sent == !!(c->flags & CONVERSATION_SERVER) ? WIRE_SERVER : WIRE_CLIENT;
}

/* TLS on the descriptor itself: the client's greeting, which names the server, is whole once the server speaks. */
static bool outside_is_told(const struct conversation *c, enum wire_side from)
{
    return c->wire.protocol == WIRE_TLS && from == WIRE_SERVER;
}

/* After bytes were fed: whether feeding more makes sense. */
static ALWAYS_INLINE bool fed(struct conversation *c, enum wire_side from)
{
    if (unlikely(c->wire.protocol != c->announced >> 1))
        fact_protocol(c, "", 0);
    return !(c->wire.settled && c->wire.protocol == WIRE_UNKNOWN) && !outside_is_told(c, from);
}

static NOINLINE void feed_left(struct conversation *c, struct thread *t)
{
    uint32_t id = load_relaxed(&c->id);
    for (struct parcel *p = parcels_take(&c->left); p; p = parcel_next(p)) {
        struct feeding f = {.conversation = c, .thread = t, .now_ns = p->label.now_ns, .left = p->label.tid != t->tid};
        const struct wire_sink sink = {request_message, &f};
        if (p->label.id != id || !t->slot || !recorder_on()) /* left when it was already another one's place */
            continue;
        wire_feed(&c->wire, side_of(c, p->label.sent), p->bytes, p->length, &sink);
        fed(c, side_of(c, p->label.sent));
    }
}

/* What came before and was not fed by its own thread. */
static ALWAYS_INLINE void catch_up(struct conversation *c, struct thread *t)
{
    if (unlikely(load_relaxed(&c->left)))
        feed_left(c, t);
    if (unlikely(load_relaxed(&c->missing)) && exchange_acq_rel(&c->missing, 0))
        for (int side = WIRE_CLIENT; side <= WIRE_SERVER; side++)
            if (load_relaxed(&c->missed[side]))
                wire_gap(&c->wire, (enum wire_side)side, exchange_acq_rel(&c->missed[side], 0));
}

/* Ends what nobody has any more. The calling thread has the conversation. */
static void finish(struct conversation *c, struct thread *t)
{
    struct feeding f = {.conversation = c, .thread = t};
    catch_up(c, t);
    requests_give_up(&f);
    store_release(&c->id, 0);
}

static NOINLINE void give_back_last(struct conversation *c, struct thread *t)
{
    finish(c, t);
    store_release(&c->owner, 0);
    place_give(c);
}

/* Others may have left something, or the last reference may have gone, while this thread had the conversation; who did
   that could do no more then. */
static ALWAYS_INLINE void give_back(struct conversation *c, struct thread *t)
{
    uint32_t id = c->id;
    do {
        if (unlikely(load_relaxed(&c->left)))
            feed_left(c, t);
        if (unlikely(load_acquire(&c->references) == 0)) {
            give_back_last(c, t);
            return;
        }
        store_release(&c->owner, 0);
    } while (unlikely(load_acquire(&c->references) == 0 || load_relaxed(&c->left)) && take_at_once(c, id, t));
}

void conversation_retain(uint32_t id)
{
    struct conversation *c = conversation_at(id);
    if (c)
        add_relaxed(&c->references, 1);
}

void conversation_release(uint32_t id)
{
    struct thread *t = &thread_self;
    struct conversation *c = conversation_at(id);
    if (!c || __atomic_sub_fetch(&c->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    if (!thread_enter(t, FRAME_ADDRESS))
        return; /* in a handler that interrupted the recorder: its place is lost */
    if (take(c, id, t, LOCK_SPINS + LOCK_YIELDS))
        give_back(c, t);
    thread_leave(t);
}

/* ---- feeding ----------------------------------------------------------------------------------------------------- */

static void miss(struct conversation *c, bool sent, uint64_t bytes)
{
    add_relaxed(&c->missed[side_of(c, sent)], bytes);
    store_release(&c->missing, 1);
}

/* A chunk: all but the first `skip` of the first `bytes` bytes of the parts. */
struct chunk {
    const struct iovec *parts;
    size_t count;
    uint64_t skip;
    uint64_t bytes;
    uint64_t now_ns;
    bool sent;
};

/* A datagram is a message, whatever parts it is sent from: its beginning, in one piece. */
static NOINLINE void feed_datagram(struct feeding *f, enum wire_side from, const struct chunk *k)
{
    const struct wire_sink sink = {request_message, f};
    char whole[DATAGRAM_HEAD];
    size_t length = 0;
    for (size_t i = 0; i < k->count && length < sizeof(whole) && length < k->bytes; i++) {
        uint64_t left = k->bytes - length, room = sizeof(whole) - length, n = k->parts[i].iov_len;
        n = n < left ? n : left;
        n = n < room ? n : room;
        memcpy(whole + length, k->parts[i].iov_base, n);
        length += n;
    }
    wire_feed(&f->conversation->wire, from, whole, length, &sink);
}

static void feed_parts(struct feeding *f, enum wire_side from, const struct chunk *k)
{
    const struct wire_sink sink = {request_message, f};
    if (unlikely(k->count > 1 && f->conversation->flags & CONVERSATION_DATAGRAMS)) {
        feed_datagram(f, from, k);
        return;
    }
    uint64_t skip = k->skip, bytes = k->bytes;
    for (size_t i = 0; i < k->count && bytes; i++) {
        uint64_t length = k->parts[i].iov_len < bytes ? k->parts[i].iov_len : bytes;
        uint64_t left_out = skip < length ? skip : length;
        if (length > left_out)
            wire_feed(&f->conversation->wire, from, (const char *)k->parts[i].iov_base + left_out,
                      (size_t)(length - left_out), &sink);
        skip -= left_out;
        bytes -= length;
    }
}

/* The calling thread has the conversation. */
static NOINLINE bool feed_taken(struct conversation *c, struct thread *t, const struct chunk *k)
{
    struct feeding f = {.conversation = c, .thread = t, .now_ns = k->now_ns};
    enum wire_side from = side_of(c, k->sent);
    catch_up(c, t);
    feed_parts(&f, from, k);
    bool useful = fed(c, from);
    give_back(c, t);
    return useful;
}

/* Another thread, or what this one interrupted, is at work on the conversation. True: the owner, or the next one, will
   find the chunk. */
static bool leave(struct conversation *c, uint32_t id, const struct thread *t, const struct chunk *k)
{
    struct parcel_label label = {
        .now_ns = k->now_ns ? k->now_ns : clock_now(), .id = id, .tid = t->tid, .sent = k->sent};
    bool whole = c->flags & CONVERSATION_DATAGRAMS && k->bytes > PARCEL_BYTES; /* not to be fed in pieces */
    return t->slot && parcels_add(&c->left, &label, k->parts, k->count, k->skip, whole ? PARCEL_BYTES : k->bytes);
}

/* It could not be taken at once. */
static NOINLINE bool feed_contended(struct conversation *c, uint32_t id, struct thread *t, const struct chunk *k)
{
    if (take(c, id, t, LOCK_SPINS))
        return feed_taken(c, t, k);
    if (load_relaxed(&c->id) != id)
        return true;
    if (leave(c, id, t, k)) {
        if (take_at_once(c, id, t)) /* the owner may have gone without a look */
            give_back(c, t);
    } else if (take(c, id, t, LOCK_SPINS + LOCK_YIELDS)) {
        return feed_taken(c, t, k);
    } else {
        miss(c, k->sent, k->bytes - k->skip);
    }
    return true;
}

static NOINLINE bool feed(struct conversation *c, uint32_t id, const struct chunk *k)
{
    struct thread *t = &thread_self;
    bool useful = true;
    if (unlikely(!thread_enter(t, FRAME_ADDRESS))) {
        if (!leave(c, id, t, k))
            miss(c, k->sent, k->bytes - k->skip);
        return true;
    }
    if (unlikely(!t->slot) && !thread_prepare(t, clock_now()))
        miss(c, k->sent, k->bytes - k->skip);
    else if (likely(take_at_once(c, id, t)))
        useful = feed_taken(c, t, k);
    else
        useful = feed_contended(c, id, t, k);
    thread_leave(t);
    return useful;
}

/* Taking the conversation is a barrier for loads. What is needed behind it, and mostly in no near cache after a system
   call, is asked for before it, all at once. */
static ALWAYS_INLINE void feed_prepare(const struct conversation *c, const struct thread *t)
{
    __builtin_prefetch(c->operations);
    __builtin_prefetch(&c->wire, 1);
    __builtin_prefetch((const char *)&c->wire + 64, 1);
    __builtin_prefetch(t->slot->thread.recent_requests);
}

/* The same in the usual case: one buffer, and nobody else has the conversation. */
static ALWAYS_INLINE bool feed_one(struct conversation *c, uint32_t id, const void *bytes, size_t length, bool sent)
{
    struct thread *t = &thread_self;
    if (likely(!t->busy && t->slot)) {
        thread_enter(t, FRAME_ADDRESS);
        feed_prepare(c, t);
        if (likely(take_at_once(c, id, t))) {
            struct feeding f = {.conversation = c, .thread = t};
            const struct wire_sink sink = {request_message, &f};
            enum wire_side from = side_of(c, sent);
            catch_up(c, t);
            wire_feed(&c->wire, from, bytes, length, &sink);
            bool useful = fed(c, from);
            give_back(c, t);
            thread_leave(t);
            return useful;
        }
        thread_leave(t);
    }
    return feed(c, id,
                &(struct chunk){
                    .parts = &(const struct iovec){(void *)bytes, length}, .count = 1, .bytes = length, .sent = sent});
}

HOT bool conversation_feed(uint32_t id, bool sent, const struct iovec *parts, size_t count, uint64_t bytes,
                           uint64_t now_ns)
{
    struct conversation *c = conversation_at(id);
    if (unlikely(!c))
        return false;
    if (unlikely(!recorder_on() || thread_self.in_vfork))
        return true;
    return feed(c, id, &(struct chunk){.parts = parts, .count = count, .bytes = bytes, .now_ns = now_ns, .sent = sent});
}

HOT bool conversation_received(uint32_t id, const void *bytes, size_t length)
{
    struct conversation *c = conversation_at(id);
    if (unlikely(!c || c->flags & CONVERSATION_TLS))
        return false;
    if (unlikely(!recorder_on() || thread_self.in_vfork))
        return true;
    return feed_one(c, id, bytes, length, false);
}

/* What was fed ahead is the beginning of what is sent now. */
HOT bool conversation_sending(uint32_t id, const struct iovec *parts, size_t count, uint64_t size)
{
    struct conversation *c = conversation_at(id);
    if (unlikely(!c || c->flags & CONVERSATION_TLS))
        return false;
    if (unlikely(!recorder_on() || thread_self.in_vfork))
        return true;
    uint64_t ahead = load_relaxed(&c->ahead);
    if (likely(count == 1 && !ahead))
        return feed_one(c, id, parts->iov_base, parts->iov_len, true);
    return unlikely(ahead >= size) ||
           feed(c, id, &(struct chunk){.parts = parts, .count = count, .skip = ahead, .bytes = size, .sent = true});
}

HOT void conversation_sent(uint32_t id, uint64_t size, uint64_t bytes)
{
    struct conversation *c = conversation_at(id);
    if (unlikely(!c || thread_self.in_vfork))
        return;
    uint64_t ahead = load_relaxed(&c->ahead);
    if (unlikely(ahead || bytes < size))
        store_relaxed(&c->ahead, (ahead > size ? ahead : size) - bytes);
}

void conversation_gap(uint32_t id, bool sent, uint64_t bytes)
{
    struct thread *t = &thread_self;
    struct conversation *c = conversation_at(id);
    if (!c || !recorder_on() || t->in_vfork)
        return;
    if (!bytes || !thread_enter(t, FRAME_ADDRESS)) {
        miss(c, sent, bytes);
        return;
    }
    if (take(c, id, t, LOCK_SPINS + LOCK_YIELDS)) {
        catch_up(c, t);
        wire_gap(&c->wire, side_of(c, sent), bytes);
        give_back(c, t);
    } else {
        miss(c, sent, bytes);
    }
    thread_leave(t);
}

void conversation_secure(uint32_t id)
{
    struct thread *t = &thread_self;
    struct conversation *c = conversation_at(id);
    if (!c || (c->flags & CONVERSATION_TLS) || !thread_enter(t, FRAME_ADDRESS))
        return;
    if (take(c, id, t, LOCK_SPINS + LOCK_YIELDS)) {
        catch_up(c, t);
        c->flags |= CONVERSATION_TLS;
        c->announced = 0;
        wire_start(&c->wire, false, (enum wire_protocol)c->inside);
        give_back(c, t);
    }
    thread_leave(t);
}

bool conversation_secured(uint32_t id)
{
    const struct conversation *c = conversation_at(id);
    return c && (c->flags & CONVERSATION_TLS);
}

/* ---- looks from outside ------------------------------------------------------------------------------------------ */

HOT uint32_t conversation_operation(uint32_t id, bool sending)
{
    const struct conversation *c = conversation_at(id);
    const struct pending *oldest = NULL;
    if (!c)
        return 0;
    if (sending)
        return load_relaxed(&c->last_operation);
    for (int i = 0; i < WIRE_PENDING; i++) {
        const struct pending *p = &c->pending[i];
        if (load_relaxed(&p->operation) && (!oldest || (int32_t)(p->sequence - oldest->sequence) < 0))
            oldest = p;
    }
    return oldest ? load_relaxed(&oldest->operation) : 0;
}

bool conversation_unanswered(uint32_t id, uint32_t sequence, uint32_t operation)
{
    struct conversation *c = conversation_at(id);
    const struct pending *p = c ? conversation_slot(c, sequence) : NULL;
    return p && load_relaxed(&p->operation) == operation && load_relaxed(&p->sequence) == sequence;
}

void conversations_finish(void)
{
    struct thread *t = &thread_self;
    uint32_t top = load_relaxed(&places.fresh);
    if (!recorder_on() || !t->slot || !thread_enter(t, FRAME_ADDRESS))
        return;
    for (uint32_t i = 0; i < top; i++) {
        struct conversation *c = &places.table[i];
        uint32_t id = load_acquire(&c->id);
        if (!id || !take(c, id, t, LOCK_SPINS + LOCK_YIELDS))
            continue;
        struct feeding f = {.conversation = c, .thread = t};
        catch_up(c, t);
        requests_give_up(&f);
        give_back(c, t);
    }
    thread_leave(t);
}
