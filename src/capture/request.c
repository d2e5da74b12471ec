/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/request.h"

#include <string.h>

#include "capture/context.h"
#include "capture/facts.h"
#include "capture/operation.h"
#include "capture/recorder.h"
#include "capture/sampler.h"
#include "capture/serving.h"
#include "capture/slots.h"
#include "capture/stack.h"
#include "capture/tls.h"
#include "capture/wait.h"
#include "wire/fields.h"

/* Requests that are recorded whatever their duration. */
#define NOTABLE (WIRE_SWEEP | WIRE_CURSOR | WIRE_WHOLE | WIRE_UNBOUNDED | WIRE_SCRIPT | WIRE_IF_ABSENT)

#define STACKS_PER_SECOND 1000 /* of a thread's requests */
#define RECORDS_PER_SECOND 250 /* of a thread's requests that are not notable; then sampled more thinly */
#define SECOND_NS UINT64_C(1000000000)

/* A slot's request that is so many behind the newest has lost its answer: the parser missed it. */
#define LOST_BEHIND (16 * WIRE_PENDING)

/* How a request ended. */
struct ending {
    uint64_t now_ns;
    uint64_t bytes;
    uint64_t elements;
    uint32_t detail2;
    bool failed;
};

static HOT uint64_t feeding_now(struct feeding *f)
{
    if (!f->now_ns)
        f->now_ns = clock_quick(&f->thread->tick);
    return f->now_ns;
}

static bool is_server(const struct conversation *c)
{
    return c->flags & CONVERSATION_SERVER;
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

static struct trace_counter *counter_of(struct thread *t, uint32_t operation, bool server)
{
    const uint16_t side = server ? WAIT_SERVER_SIDE : 0;
    struct trace_counter **recent = &t->slot->thread.recent_requests[operation % SLOT_RECENT_REQUESTS];
    struct trace_counter *c = *recent;
    if (likely(c && c->endpoint == operation && c->flags == side))
        return c;
    return *recent = slot_counter(t->slot, CALL_request, side, operation);
}

static ALWAYS_INLINE void count_one(const struct feeding *f, uint32_t operation, uint64_t begin_ns, uint64_t duration,
                                    uint32_t repeats, uint64_t bytes, bool failed)
{
    struct trace_counter *c = counter_of(f->thread, operation, is_server(f->conversation));
    if (unlikely(!c)) {
        writer_lose(&recorder.writer, TRACE_LOST_RING_FULL, 1);
        return;
    }
    if (!c->count)
        c->first_ns = begin_ns;
    c->total_ns += duration;
    c->max_ns = duration > c->max_ns ? duration : c->max_ns;
    c->bytes += bytes;
    c->failed += failed;
    c->last_ns = begin_ns + duration;
    store_release(&c->count, c->count + repeats);
}

/* The same, for the rare cases: not copied into each of them. */
static NOINLINE void count(const struct feeding *f, uint32_t operation, uint64_t begin_ns, uint64_t duration,
                           uint32_t repeats, uint64_t bytes, bool failed)
{
    count_one(f, operation, begin_ns, duration, repeats, bytes, failed);
}

/* ---- recording --------------------------------------------------------------------------------------------------- */

static uint64_t mean_of(const struct thread *t)
{
    return recorder.settings.sample_ns << t->request_shift;
}

/* As of waits (wait.c), from a credit of its own. */
static bool chosen(struct thread *t, uint64_t duration)
{
    if (unlikely(duration >= mean_of(t)))
        return true;
    t->request_credit_ns -= (int64_t)duration;
    return unlikely(t->request_credit_ns <= 0);
}

/* Requests are in flight many at once, so that together they last longer than time does: where too many of them are
   recorded the mean is doubled, and halved again where few are. */
static void chosen_now(struct thread *t, uint64_t now)
{
    struct slot_thread *own = &t->slot->thread;
    uint32_t second = (uint32_t)(now / SECOND_NS), shift = t->request_shift;
    if (own->request_second != second) {
        if (shift && own->requests_recorded < RECORDS_PER_SECOND / 4)
            shift--;
        own->request_second = second;
        own->requests_recorded = 0;
    } else if (own->requests_recorded >= RECORDS_PER_SECOND && shift < REQUEST_SHIFT_MAX) {
        shift++;
        own->requests_recorded = 0;
    }
    own->requests_recorded++;
    bool changed = shift != t->request_shift;
    t->request_shift = (uint8_t)shift;
    if (changed || t->request_credit_ns <= 0)
        t->request_credit_ns = sampler_draw(&t->random, mean_of(t));
}

/* The stack, as long as this second has some left: durations of requests in flight at once overlap, so that sampling
   alone is no bound. `wanted`: going without is a loss. */
static uint32_t bounded_stack(struct thread *t, uint64_t now, bool wanted)
{
    struct slot_thread *own = &t->slot->thread;
    uint32_t second = (uint32_t)(now / SECOND_NS);
    if (own->stack_second != second) {
        own->stack_second = second;
        own->stack_count = 0;
    }
    if (own->stack_count >= STACKS_PER_SECOND) {
        if (wanted)
            writer_lose(&recorder.writer, TRACE_LOST_STACKS, 1);
        return 0;
    }
    own->stack_count++;
    return stack_capture(t);
}

static uint16_t first_part(const struct pending *p, uint64_t duration)
{
    if (!(p->more & PENDING_FIRST) || !duration)
        return UINT16_MAX;
    uint64_t first = p->first_ns > p->begin_ns ? p->first_ns - p->begin_ns : 0;
    return first >= duration ? UINT16_MAX : (uint16_t)((double)first / (double)duration * UINT16_MAX);
}

static uint32_t clamp32(uint64_t value)
{
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

/* Cursors by hash: 0 stands for beginning and end alone. */
static uint32_t cursor_hash(uint64_t cursor)
{
    uint64_t h = cursor * UINT64_C(0x9E3779B97F4A7C15);
    uint32_t folded = (uint32_t)(h >> 32);
    return cursor && !folded ? 1 : folded;
}

/* A step of an iteration, and how much it asks for at once. */
static uint32_t cursor_flags(uint64_t asked)
{
    uint32_t digits = asked ? 64u - (uint32_t)__builtin_clzll(asked) : 0;
    return REQUEST_CURSOR | (digits < 0x3f ? digits : 0x3f) << REQUEST_ASKED_SHIFT;
}

static uint32_t key_of(const struct pending *p)
{
    const char *text = p->key;
    uint64_t hash = p->more & PENDING_HASH ? p->key_hash : p->key_length ? field_hash(text, p->key_length) : 0;
    return key_intern(hash, text, p->key_length);
}

static COLD void record(struct thread *t, struct conversation *c, const struct pending *p, const struct ending *end)
{
    uint64_t duration = end->now_ns > p->begin_ns ? end->now_ns - p->begin_ns : 0, fiber = 0;
    uint32_t serving = is_server(c) ? 0 : serving_now(t, &fiber);
    uint32_t stack = p->flags & REQUEST_NOTABLE && !is_server(c) ? p->stack : bounded_stack(t, end->now_ns, false);
    uint32_t key = key_of(p);
    context_record(t, p->begin_ns, &(struct context){.serving = serving, .fiber = fiber});
    struct event_request *e = writer_ring_reserve(&recorder.writer, &t->ring, t->slot->number);
    if (!e)
        return;
    memset(e, 0, sizeof(*e));
    e->header = (struct event_header){EVENT_MAGIC, EVENT_REQUEST, sizeof(*e), p->begin_ns};
    e->duration_ns = duration;
    e->tid = t->tid;
    e->slot = t->slot->number;
    e->stack = stack;
    e->operation = p->operation;
    e->key = key;
    e->elements = clamp32(end->elements);
    e->bytes = clamp32(end->bytes);
    e->detail = p->more & PENDING_DESCRIBED ? p->detail : 0;
    e->detail2 = end->detail2;
    e->first_part = first_part(p, duration);
    e->flags = (uint16_t)(p->flags | (end->failed ? REQUEST_FAILED : 0) |
                          (p->flags & REQUEST_NOTABLE ? 0 : t->request_shift << REQUEST_SHIFT));
    writer_ring_commit(t->ring);
}

static ALWAYS_INLINE void complete_one(struct feeding *f, const struct pending *p, const struct ending *end)
{
    struct thread *t = f->thread;
    uint64_t duration = end->now_ns > p->begin_ns ? end->now_ns - p->begin_ns : 0;
    count_one(f, p->operation, p->begin_ns, duration, p->repeats, end->bytes, end->failed);
    bool notable = p->flags & REQUEST_NOTABLE;
    if (likely(!notable && !chosen(t, duration)))
        return;
    record(t, f->conversation, p, end);
    if (!notable)
        chosen_now(t, end->now_ns);
}

static NOINLINE void complete(struct feeding *f, const struct pending *p, const struct ending *end)
{
    complete_one(f, p, end);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

/* At most WIRE_KEY_MAX bytes, in pieces that overlap: most keys are short, and a call costs more than the copy. */
static ALWAYS_INLINE void key_copy(char *to, const char *from, size_t length)
{
    struct piece {
        char bytes[16];
    } first, second, third, last;
    if (unlikely(length < sizeof(first))) {
        for (size_t i = 0; i < length; i++)
            to[i] = from[i];
        return;
    }
    size_t half = length > 2 * sizeof(first) ? sizeof(first) : 0;
    memcpy(&first, from, sizeof(first));
    memcpy(&second, from + half, sizeof(second));
    memcpy(&third, from + length - sizeof(third) - half, sizeof(third));
    memcpy(&last, from + length - sizeof(last), sizeof(last));
    memcpy(to, &first, sizeof(first));
    memcpy(to + half, &second, sizeof(second));
    memcpy(to + length - sizeof(third) - half, &third, sizeof(third));
    memcpy(to + length - sizeof(last), &last, sizeof(last));
}

static void key_keep(struct pending *p, const struct wire_message *m)
{
    p->key_length = 0;
    if (unlikely(m->key_hash)) {
        p->key_hash = m->key_hash;
        p->more |= PENDING_HASH;
    }
    if (!(m->key_hash || m->flags & WIRE_HASH_LATER) || recorder.settings.keys == SETTINGS_KEYS_OFF)
        return;
    p->key_length = (uint8_t)(m->key_length < WIRE_KEY_MAX ? m->key_length : WIRE_KEY_MAX);
    key_copy(p->key, m->key, p->key_length);
}

/* More are in flight than have a slot: only its operation is kept. */
static NOINLINE void crowd_in(struct feeding *f, uint32_t operation, const struct wire_message *m)
{
    struct conversation *c = f->conversation;
    uint16_t *place = &c->crowd[m->sequence % CONVERSATION_CROWD];
    c->crowded = 1;
    c->crowd_ns = feeding_now(f);
    if (*place) /* counted without its time */
        count(f, *place, c->crowd_ns, 0, 1, 0, false);
    *place = (uint16_t)operation;
    for (uint32_t i = 1; i < m->repeats; i++)
        count(f, operation, c->crowd_ns, 0, 1, 0, false);
}

static NOINLINE void crowd_out(struct feeding *f, const struct wire_message *m)
{
    struct conversation *c = f->conversation;
    uint16_t *place = &c->crowd[m->sequence % CONVERSATION_CROWD];
    if (!*place)
        return;
    uint64_t now = feeding_now(f), duration = now > c->crowd_ns ? now - c->crowd_ns : 0;
    count(f, *place, now - duration, duration, 1, m->bytes, m->flags & WIRE_FAILED);
    *place = 0;
}

/* Twice as many slots are used: each request stays, or moves up by as many as there were. */
static void window_grow(struct conversation *c)
{
    uint32_t old = c->window + 1u;
    for (uint32_t i = 0; i < old; i++) {
        struct pending *p = &c->pending[i];
        if (p->operation && (p->sequence & old)) {
            c->pending[i + old] = *p;
            p->operation = 0;
        }
    }
    c->window = (uint8_t)(2 * old - 1);
}

/* The slot for the request with this number, where another one has it: more slots come into use, and one whose answer
   the parser has missed makes room. NULL: all are in use. */
static NOINLINE struct pending *slot_make(struct feeding *f, uint32_t sequence)
{
    struct conversation *c = f->conversation;
    struct pending *p = conversation_slot(c, sequence);
    int32_t behind = (int32_t)(sequence - p->sequence);
    if (behind > 0 && behind < LOST_BEHIND) {
        while (p->operation && c->window + 1u < WIRE_PENDING) {
            window_grow(c);
            p = conversation_slot(c, sequence);
        }
        return p->operation ? NULL : p;
    }
    count(f, p->operation, p->begin_ns, 0, p->repeats, p->bytes, false);
    p->operation = 0;
    return p;
}

/* What few requests have. */
static NOINLINE void describe(const struct feeding *f, struct pending *p, const struct wire_message *m)
{
    bool notable = m->flags & NOTABLE, cursor = m->flags & WIRE_CURSOR;
    bool own = notable && !is_server(f->conversation) && !f->left;
    p->more |= PENDING_DESCRIBED;
    p->stack = own ? bounded_stack(f->thread, p->begin_ns, true) : 0;
    p->detail = cursor ? cursor_hash(m->cursor) : m->ttl_ms > 0 ? clamp32((uint64_t)m->ttl_ms) : 0;
    p->flags |= (uint16_t)((notable ? REQUEST_NOTABLE : 0) | (cursor ? cursor_flags(m->elements) : 0) |
                           (m->flags & WIRE_NO_REPLY ? REQUEST_NO_REPLY : 0));
}

static HOT void asked(struct feeding *f, const struct wire_message *m)
{
    struct conversation *c = f->conversation;
    struct pending *p = conversation_slot(c, m->sequence);
    uint32_t operation = operation_recall(c->operations, c->endpoint, is_server(c) ? ROLE_SERVER : ROLE_CLIENT, m);
    bool notable = m->flags & NOTABLE, unanswered = m->flags & WIRE_NO_REPLY;
    if (!is_server(c))
        store_relaxed(&c->last_operation, operation);
    if (unanswered)
        p = &c->pending[WIRE_PENDING];
    else if (unlikely(p->operation) && !(p = slot_make(f, m->sequence))) {
        crowd_in(f, operation, m);
        return;
    }
    p->begin_ns = feeding_now(f);
    p->bytes = m->bytes;
    p->sequence = m->sequence;
    p->more = 0;
    p->flags = is_server(c) ? REQUEST_SERVER : 0;
    if (unlikely(notable || unanswered || m->flags & WIRE_CURSOR || m->ttl_ms > 0))
        describe(f, p, m);
    p->repeats = (uint16_t)(m->repeats < UINT16_MAX ? m->repeats : UINT16_MAX);
    key_keep(p, m);
    store_relaxed(&p->operation, operation);
    if (unanswered) {
        complete(f, p, &(struct ending){.now_ns = p->begin_ns, .bytes = m->bytes});
    } else if (is_server(c) && !f->left && (!f->served || notable)) {
        serving_begin(f->thread, c, p, notable, f->served);
        f->served = true;
    }
}

static HOT void answered(struct feeding *f, const struct wire_message *m)
{
    struct conversation *c = f->conversation;
    struct pending *p = conversation_slot(c, m->sequence);
    if (unlikely(!p->operation || p->sequence != m->sequence)) {
        if (c->crowded)
            crowd_out(f, m);
        return;
    }
    struct ending end = {.now_ns = feeding_now(f),
                         .bytes = p->bytes + m->bytes,
                         .elements = m->elements,
                         .detail2 = p->flags & REQUEST_CURSOR ? cursor_hash(m->cursor) : 0,
                         .failed = m->flags & WIRE_FAILED};
    complete_one(f, p, &end);
    if (is_server(c)) {
        store_relaxed(&c->last_operation, p->operation);
        serving_end(f->thread, c, p, end.now_ns);
    }
    store_relaxed(&p->operation, 0);
}

HOT void request_message(void *feeding, const struct wire_message *m)
{
    struct feeding *f = feeding;
    struct conversation *c = f->conversation;
    struct pending *p = conversation_slot(c, m->sequence);
    switch (m->kind) {
    case WIRE_REQUEST:
        asked(f, m);
        break;
    case WIRE_RESPONSE:
        answered(f, m);
        break;
    case WIRE_FIRST:
        if (p->operation && p->sequence == m->sequence) {
            p->first_ns = feeding_now(f);
            p->more |= PENDING_FIRST;
        }
        break;
    case WIRE_NAME:
        fact_protocol(c, m->text, m->text_length);
        if (m->protocol == WIRE_TLS && m->key_hash)
            tls_greeted(m->key_hash, c->id);
        break;
    case WIRE_UPGRADE:
        c->inside = (uint8_t)m->protocol;
        break;
    case WIRE_PUSH:
        break;
    }
}

void requests_give_up(struct feeding *f)
{
    struct conversation *c = f->conversation;
    for (int i = 0; i < WIRE_PENDING; i++) {
        struct pending *p = &c->pending[i];
        if (!p->operation)
            continue;
        if (f->thread->slot && recorder_on()) {
            p->flags |= REQUEST_GIVEN_UP;
            complete(f, p, &(struct ending){.now_ns = feeding_now(f), .bytes = p->bytes, .failed = true});
        }
        store_relaxed(&p->operation, 0);
    }
    for (int i = 0; c->crowded && i < CONVERSATION_CROWD; i++) {
        if (c->crowd[i] && f->thread->slot && recorder_on())
            count(f, c->crowd[i], feeding_now(f), 0, 1, 0, true);
        c->crowd[i] = 0;
    }
    c->crowded = 0;
}
