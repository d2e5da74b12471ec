/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/watchlist.h"

#include <string.h>

#include "capture/clock.h"
#include "capture/modules.h"
#include "capture/recorder.h"

#define WORDS (WATCH_SLOTS / 64)
#define SLOT_MASK (WATCH_SLOTS - 1)

/* How much is to be expected of looking at a range, and how much more often each is drawn. */
enum level { LEVEL_BORING, LEVEL_FRESH, LEVEL_WRITTEN, LEVEL_SHARED, LEVELS };
static const uint32_t weights[LEVELS] = {1, 8, 16, 64};

struct slot_entry {
    uint32_t use; /* any: odd while the slot is in use. Stored last (release): what is read between two equal odd values
                     belongs together */
    uint32_t size;
    uintptr_t start;
    uint32_t site;
    uint32_t stack;
    uint32_t tid;
    uint32_t said; /* any: WATCHED was written */
    uint8_t kind;
    uint8_t level; /* any */
    char name[WATCH_NAME_MAX + 1];
};

static struct slot_entry slots[WATCH_SLOTS];
static uint64_t taken[WORDS];          /* any */
static uint64_t levels[LEVELS][WORDS]; /* any: which slots have this level */
static uint32_t counts[LEVELS];        /* any */
static uint32_t next_word;             /* any: where a free slot is looked for */
static uint32_t threads, told;         /* any: watchlist_first */

void (*watchlist_leaving)(uintptr_t start, uint32_t size);
void (*watchlist_first)(void);

/* ---- numbers ---- */

static uint32_t number_of(uint32_t slot, uint32_t use)
{
    return ((use / 2 + 1) % WATCH_USES) << WATCH_SLOT_BITS | slot;
}

/* Reads the slot's range. False: it is free, or was changed meanwhile. */
static bool slot_read(uint32_t slot, struct watch_range *out)
{
    const struct slot_entry *s = &slots[slot];
    uint32_t use = load_acquire(&s->use);
    if (!(use & 1))
        return false;
    *out = (struct watch_range){.start = load_relaxed(&s->start),
                                .size = load_relaxed(&s->size),
                                .generation = use / 2,
                                .number = number_of(slot, use),
                                .site = load_relaxed(&s->site),
                                .kind = load_relaxed(&s->kind)};
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return load_relaxed(&s->use) == use;
}

bool watchlist_get(uint32_t number, struct watch_range *out)
{
    return number && slot_read(number & SLOT_MASK, out) && out->number == number;
}

bool watchlist_current(const struct watch_range *range)
{
    struct watch_range now;
    return watchlist_get(range->number, &now) && now.start == range->start;
}

/* ---- levels ---- */

static void level_enter(uint32_t slot, enum level level)
{
    uint64_t bit = UINT64_C(1) << (slot % 64);
    if (!(__atomic_fetch_or(&levels[level][slot / 64], bit, __ATOMIC_RELAXED) & bit))
        add_relaxed(&counts[level], 1);
}

static void level_leave(uint32_t slot, enum level level)
{
    uint64_t bit = UINT64_C(1) << (slot % 64);
    if (__atomic_fetch_and(&levels[level][slot / 64], ~bit, __ATOMIC_RELAXED) & bit)
        add_relaxed(&counts[level], -1u);
}

static enum level level_after(enum level level, enum watch_feedback feedback)
{
    if (feedback == WATCH_SHARED)
        return LEVEL_SHARED;
    if (feedback == WATCH_WRITTEN)
        return level > LEVEL_WRITTEN ? level : LEVEL_WRITTEN;
    return level == LEVEL_SHARED ? LEVEL_WRITTEN : LEVEL_BORING; /* twice boring: what was shared may be again */
}

void watchlist_feedback(uint32_t number, enum watch_feedback feedback)
{
    struct watch_range range;
    uint32_t slot = number & SLOT_MASK;
    if (!watchlist_get(number, &range))
        return;
    uint8_t old = load_relaxed(&slots[slot].level);
    uint8_t level = (uint8_t)level_after((enum level)old, feedback);
    if (level == old ||
        !__atomic_compare_exchange_n(&slots[slot].level, &old, level, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return;
    level_leave(slot, (enum level)old);
    level_enter(slot, (enum level)level);
    if (!watchlist_current(&range)) /* was removed in between: its bit must not stay */
        level_leave(slot, (enum level)level);
}

bool watchlist_promising(uint32_t number)
{
    struct watch_range range;
    return watchlist_get(number, &range) && load_relaxed(&slots[number & SLOT_MASK].level) >= LEVEL_WRITTEN;
}

/* ---- drawing ---- */

static uint64_t random_step(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407); /* Knuth's MMIX */
    return *state >> 33;
}

/* One of the slots of this level, each as likely as any other. -1: none */
static int32_t level_pick(enum level level, uint64_t random)
{
    uint32_t count = load_relaxed(&counts[level]);
    uint32_t left = count ? (uint32_t)(random % count) : 0;
    for (uint32_t at = 0; at < WORDS; at++) {
        uint64_t word = load_relaxed(&levels[level][at]);
        uint32_t here = (uint32_t)__builtin_popcountll(word);
        if (left >= here) {
            left -= here;
            continue;
        }
        for (; left; left--)
            word &= word - 1;
        return (int32_t)(at * 64 + (uint32_t)__builtin_ctzll(word));
    }
    return -1;
}

static enum level level_draw(uint64_t random)
{
    uint64_t sums[LEVELS], sum = 0;
    for (int i = 0; i < LEVELS; i++)
        sums[i] = sum += (uint64_t)load_relaxed(&counts[i]) * weights[i];
    random = sum ? random % sum : 0;
    for (int i = 0; i < LEVELS; i++)
        if (random < sums[i])
            return (enum level)i;
    return LEVEL_FRESH;
}

bool watchlist_pick(uint64_t random, struct watch_range *out)
{
    for (int i = 0; i < 8 && watchlist_count(); i++) {
        enum level level = level_draw(random_step(&random));
        int32_t slot = level_pick(level, random_step(&random));
        if (slot >= 0 && slot_read((uint32_t)slot, out))
            return true;
    }
    return false;
}

uint32_t watchlist_region(uintptr_t start)
{
    struct watch_range range;
    for (uint32_t slot = 0; slot < WATCH_SLOTS; slot++)
        if (load_relaxed(&slots[slot].start) == start && slot_read(slot, &range) && range.start == start &&
            range.kind == WATCH_REGION)
            return range.number;
    return 0;
}

uint32_t watchlist_count(void)
{
    uint32_t count = 0;
    for (int i = 0; i < LEVELS; i++)
        count += load_relaxed(&counts[i]);
    return count;
}

/* ---- coming and going ---- */

static int32_t slot_claim(void)
{
    uint32_t first = load_relaxed(&next_word);
    for (uint32_t i = 0; i < WORDS; i++) {
        uint32_t at = (first + i) % WORDS;
        uint64_t word = load_relaxed(&taken[at]);
        while (~word) {
            uint64_t bit = ~word & (word + 1);
            if (cas_acq_rel(&taken[at], &word, word | bit)) {
                store_relaxed(&next_word, at);
                return (int32_t)(at * 64 + (uint32_t)__builtin_ctzll(bit));
            }
        }
    }
    return -1;
}

static void first_tell(void)
{
    void (*first)(void) = load_acquire(&watchlist_first);
    if (first && load_relaxed(&threads) && watchlist_count() && !exchange_acq_rel(&told, 1))
        first();
}

void watchlist_threads_begin(void)
{
    store_relaxed(&threads, 1);
    first_tell();
}

uint32_t watchlist_add(const struct watch_new *n)
{
    int32_t slot = n->size ? slot_claim() : -1;
    if (slot < 0)
        return 0;
    struct slot_entry *s = &slots[slot];
    size_t length = n->name ? strnlen(n->name, WATCH_NAME_MAX) : 0;
    store_relaxed(&s->start, n->start);
    store_relaxed(&s->size, (uint32_t)(n->size < WATCH_SIZE_MAX ? n->size : WATCH_SIZE_MAX));
    store_relaxed(&s->kind, (uint8_t)n->kind);
    store_relaxed(&s->site, n->site);
    s->stack = n->stack;
    s->tid = n->tid;
    s->said = 0;
    s->level = LEVEL_FRESH;
    if (length)
        memcpy(s->name, n->name, length);
    s->name[length] = '\0';
    uint32_t use = s->use + 1;
    store_release(&s->use, use);
    level_enter((uint32_t)slot, LEVEL_FRESH);
    first_tell();
    return number_of((uint32_t)slot, use);
}

bool watchlist_remove(uint32_t number)
{
    struct watch_range range;
    uint32_t slot = number & SLOT_MASK;
    if (!watchlist_get(number, &range))
        return false;
    struct slot_entry *s = &slots[slot];
    uint32_t use = range.generation * 2 + 1;
    if (!cas_acq_rel(&s->use, &use, use + 1))
        return false;
    for (int i = 0; i < LEVELS; i++)
        level_leave(slot, (enum level)i);
    void (*leaving)(uintptr_t, uint32_t) = load_acquire(&watchlist_leaving);
    if (leaving)
        leaving(range.start, range.size);
    __atomic_fetch_and(&taken[slot / 64], ~(UINT64_C(1) << (slot % 64)), __ATOMIC_RELEASE);
    return true;
}

void watchlist_unloaded(uintptr_t start, uintptr_t end)
{
    struct watch_range range;
    for (uint32_t slot = 0; slot < WATCH_SLOTS; slot++)
        if (load_relaxed(&slots[slot].use) & 1 && slot_read(slot, &range) && range.kind == WATCH_GLOBAL &&
            range.start >= start && range.start < end)
            watchlist_remove(range.number);
}

void watchlist_forked(void)
{
    for (uint32_t slot = 0; slot < WATCH_SLOTS; slot++) {
        if (!(slots[slot].use & 1))
            continue;
        slots[slot].said = 0;
        slots[slot].stack = 0;
    }
    threads = told = 0; /* this thread is the only one */
}

/* ---- the trace ---- */

uint32_t watchlist_announce(const struct watch_range *range)
{
    struct slot_entry *s = &slots[range->number & SLOT_MASK];
    uint32_t cursor = sizeof(struct event_watched);
    if (!watchlist_current(range))
        return 0;
    if (load_relaxed(&s->said) || exchange_acq_rel(&s->said, 1))
        return range->number;
    size_t length = strnlen(s->name, WATCH_NAME_MAX);
    struct event_watched *e = (void *)writer_log_reserve(&recorder.writer, cursor, (uint32_t)length);
    if (!e)
        return 0;
    modules_find(range->start);
    e->header.time_ns = clock_now();
    e->start = range->start;
    e->size = range->size;
    e->id = range->number;
    e->generation = range->generation;
    e->site = range->site;
    e->stack = s->stack;
    e->tid = s->tid;
    e->modules = modules_generation();
    e->kind = range->kind;
    e->reserved = 0;
    e->name = writer_log_string(&e->header, &cursor, s->name, length);
    writer_log_commit(&e->header, EVENT_WATCHED);
    return range->number;
}
