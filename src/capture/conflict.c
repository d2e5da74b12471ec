/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/conflict.h"

#include <string.h>

#include "capture/recorder.h"

#define PLACES 1024u /* pairs of places remembered */
#define REPEATS 4    /* events of one pair */

static bool writes(const struct trap_access *a)
{
    return a->access & INSN_WRITE;
}

static bool known(const struct trap_access *a)
{
    return a->ready && a->access != INSN_NONE && !(a->flags & TRAP_UNSURE);
}

static uint32_t count_of(const struct trap_word *w)
{
    return w->count < TRAP_ACCESSES ? w->count : TRAP_ACCESSES;
}

static bool could_conflict(const struct trap_access *a, const struct trap_access *b)
{
    return known(a) && known(b) && a->tid != b->tid && !((a->flags | b->flags) & TRAP_LOCKED) && trap_overlap(a, b) &&
           !trap_locked(a, b);
}

static bool during(const struct trap_access *held, const struct trap_access *other)
{
    return other->time_ns >= held->time_ns && other->time_ns <= held->until_ns;
}

/* The next access of the same thread after `i`, if all were noted. */
static const struct trap_access *next_of(const struct trap_word *w, uint32_t i)
{
    for (uint32_t j = i + 1; j < count_of(w); j++)
        if (w->accesses[j].tid == w->accesses[i].tid)
            return &w->accesses[j];
    return NULL;
}

static bool same_bytes(const struct trap_access *a, const struct trap_access *b)
{
    return a->offset == b->offset && a->size == b->size;
}

/* Whether a thread other than `held` has read, or may have read, what that one had written before `until` wrote.
   Handlers run after the accesses: a read of the new value may have been noted before the write that made it. */
static bool looked(const struct trap_word *w, const struct trap_access *held, const struct trap_access *until)
{
    for (const struct trap_access *a = w->accesses; a < until; a++) {
        if (a->tid == held->tid)
            continue;
        bool reads = !known(a) || a->access == INSN_READ || a->flags & TRAP_LOCKED;
        if (reads && (a > held || !same_bytes(a, held) || a->value == held->value))
            return true;
    }
    return w->count > TRAP_ACCESSES;
}

/* What `store` wrote was made of what `load` had read. */
static bool carried(const struct trap_access *load, const struct trap_access *store)
{
    return store->flags & TRAP_LINKED ||
           (load->data < 16 && store->data < 16 &&
            insn_carries((const uint8_t *)load->end, load->data, (const uint8_t *)store->begin, store->data));
}

/* What was in its bytes right after the access is what it loaded or stored. */
static bool stood(const struct trap_access *a)
{
    uint64_t mask = a->size >= 8 ? ~UINT64_C(0) : (UINT64_C(1) << (8 * a->size)) - 1;
    return (a->memory >> (8 * a->offset) & mask) == a->value;
}

/* The change itself is seen to happen while the first one is held: the word was as it had loaded it then, and is as the
   other one stored it when that one arrives. */
static bool overtaken(const struct trap_word *w, uint32_t i, const struct trap_access *other, struct conflict *out)
{
    const struct trap_access *load = &w->accesses[i], *store = next_of(w, i);
    if (load->access != INSN_READ || !(load->flags & TRAP_EXACT) || !writes(other) || !store || !known(store) ||
        store < other || store->access != INSN_WRITE || store->flags & TRAP_LOCKED || !(store->flags & TRAP_EXACT))
        return false;
    if (!same_bytes(load, other) || !same_bytes(load, store) || other->value == load->value ||
        store->value == other->value || store->value == load->value || !stood(load) || !stood(other) ||
        trap_locked(store, other))
        return false;
    *out = (struct conflict){load, other, store, CONFLICT_CHANGED | (carried(load, store) ? CONFLICT_LOST : 0)};
    return true;
}

static bool compare(const struct trap_word *w, uint32_t i, const struct trap_access *other, struct conflict *out)
{
    const struct trap_access *held = &w->accesses[i];
    if (writes(held) && writes(other)) {
        if (looked(w, held, other) || (same_bytes(held, other) && held->value == other->value))
            return false;
        *out = (struct conflict){held, other, NULL, CONFLICT_CHANGED};
        return true;
    }
    if (!writes(held) && !writes(other))
        return false;
    *out = (struct conflict){held, other, NULL, CONFLICT_READ};
    return true;
}

static int weight(const struct conflict *c)
{
    return !c->first ? 0 : c->flags & CONFLICT_LOST ? 3 : c->flags & CONFLICT_READ ? 1 : 2;
}

bool conflict_find(const struct trap_word *w, struct conflict *out)
{
    *out = (struct conflict){NULL, NULL, NULL, 0};
    for (uint32_t i = 0; i < count_of(w); i++) {
        const struct trap_access *held = &w->accesses[i];
        if (!held->until_ns || !known(held) || !held->stack)
            continue;
        for (uint32_t j = i + 1; j < count_of(w) && during(held, &w->accesses[j]); j++) {
            const struct trap_access *other = &w->accesses[j];
            struct conflict c;
            if (could_conflict(held, other) && other->stack &&
                (overtaken(w, i, other, &c) || compare(w, i, other, &c)) && weight(&c) > weight(out))
                *out = c;
        }
    }
    return out->first != NULL;
}

enum conflict_use conflict_use(const struct trap_word *w)
{
    enum conflict_use use = CONFLICT_USE_NONE;
    for (uint32_t i = 0; i < count_of(w); i++) {
        const struct trap_access *a = &w->accesses[i];
        if (a->ready && writes(a) && use == CONFLICT_USE_NONE)
            use = CONFLICT_USE_ALONE;
        for (uint32_t j = 0; a->ready && j < i; j++) {
            const struct trap_access *b = &w->accesses[j];
            if (!b->ready || b->tid == a->tid || !(writes(a) || writes(b)) || !trap_overlap(a, b))
                continue;
            if (!trap_locked(a, b))
                return CONFLICT_USE_SHARED;
            use = CONFLICT_USE_LOCKED;
        }
    }
    return use;
}

/* ---- writing ---- */

static uint16_t kind_of(const struct trap_access *a)
{
    return (uint16_t)(a->access | a->size << 8);
}

void conflict_write(const struct trap_word *w, const struct conflict *c)
{
    uint32_t watched = watchlist_announce(&w->range);
    struct event_conflict *e = (void *)writer_log_reserve(&recorder.writer, sizeof(*e), 0);
    if (!e)
        return;
    e->header.time_ns = c->second->time_ns;
    e->address = w->address + c->first->offset;
    e->first_value = c->first->value;
    e->second_value = c->second->value;
    e->third_value = c->third ? c->third->value : 0;
    e->held_ns = c->first->until_ns - c->first->time_ns;
    e->watched = watched;
    e->offset = (uint32_t)(w->address + c->first->offset - w->range.start);
    e->first_tid = c->first->tid;
    e->first_stack = c->first->stack;
    e->first_locks = c->first->lockset;
    e->second_tid = c->second->tid;
    e->second_stack = c->second->stack;
    e->second_locks = c->second->lockset;
    e->third_stack = c->third ? c->third->stack : 0;
    e->first_kind = kind_of(c->first);
    e->second_kind = kind_of(c->second);
    e->flags = c->flags;
    e->reserved = 0;
    e->reserved2 = 0;
    writer_log_commit(&e->header, EVENT_CONFLICT);
}

static struct {
    uint64_t pair;
    uint32_t count;
} seen[PLACES];

bool conflict_known(const struct conflict *c)
{
    uint64_t low = c->first->end < c->second->end ? c->first->end : c->second->end;
    uint64_t pair = (low * UINT64_C(0x9E3779B97F4A7C15)) ^ (c->first->end + c->second->end) ^ (uint64_t)c->flags << 60;
    pair |= pair == 0;
    uint32_t at = (uint32_t)(pair >> 32) % PLACES;
    for (uint32_t probes = 0; probes < PLACES; probes++, at = (at + 1) % PLACES) {
        if (!seen[at].pair)
            seen[at].pair = pair;
        if (seen[at].pair == pair)
            return ++seen[at].count > REPEATS;
    }
    return true;
}

void conflict_forked(void)
{
    memset(seen, 0, sizeof(seen));
}
