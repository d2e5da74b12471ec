/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/suspects.h"

#include <string.h>

#include "capture/conflict.h"

#define SUSPECTS 32u
#define HEAD 64u             /* bytes at a range's beginning that are looked at as often as all the rest */
#define HOLD_FIRST_NS 150000 /* doubled with each window that found nothing */
#define HOLD_DOUBLED 3
#define WINDOWS_SHARED 40 /* windows until a suspect is given up */
#define WINDOWS_ALONE 2
#define WINDOWS_NONE 3
#define CONFLICTS 6 /* conflicts seen at one word until it is left */

static struct suspect {
    struct watch_range range;
    uintptr_t address; /* 0: free */
    uint8_t length;
    uint32_t windows, quiet_windows, alone_windows;
    uint32_t conflicts;
} suspects[SUSPECTS];
static uint32_t next;

static struct suspect *find(uintptr_t address)
{
    for (uint32_t i = 0; i < SUSPECTS; i++)
        if (suspects[i].address == address)
            return &suspects[i];
    return NULL;
}

static void suspect_add(const struct trap_word *w)
{
    struct suspect *s = find(w->address);
    if (s)
        return;
    s = find(0);
    if (s)
        *s = (struct suspect){.range = w->range, .address = w->address, .length = w->length};
}

static bool chosen(uintptr_t address, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (trap_words[i].address == address)
            return true;
    return false;
}

/* The largest aligned word around `address` in the range. */
static uint8_t fit(const struct watch_range *r, uintptr_t *address)
{
    for (uint8_t length = 8; length > 1; length /= 2) {
        uintptr_t at = *address & ~(uintptr_t)(length - 1);
        if (at >= r->start && at + length <= r->start + r->size) {
            *address = at;
            return length;
        }
    }
    return 1;
}

static bool choose_suspect(uint32_t count)
{
    for (uint32_t i = 0; i < SUSPECTS; i++) {
        struct suspect *s = &suspects[next++ % SUSPECTS];
        if (!s->address || chosen(s->address, count))
            continue;
        if (!watchlist_current(&s->range)) {
            s->address = 0;
            continue;
        }
        uint32_t doubled = s->windows / 4 < HOLD_DOUBLED ? s->windows / 4 : HOLD_DOUBLED;
        trap_word_arm(&trap_words[count], &s->range, s->address, s->length, true, HOLD_FIRST_NS << doubled);
        return true;
    }
    return false;
}

static bool choose_new(uint32_t count, uint64_t random)
{
    struct watch_range range;
    if (!watchlist_pick(random, &range) || range.size == 0)
        return false;
    uint64_t r = random * UINT64_C(0x9E3779B97F4A7C15);
    uint32_t among = r >> 63 && range.size > HEAD ? HEAD : range.size;
    uintptr_t address = range.start + (uint32_t)(r >> 8) % among;
    uint8_t length = fit(&range, &address);
    if (chosen(address, count) || find(address))
        return false;
    trap_word_arm(&trap_words[count], &range, address, length, false, 0);
    return true;
}

uint32_t suspects_choose(uint32_t most, uint64_t random)
{
    uint32_t count = 0, wanted = (most + 1) / 2;
    if (most == 1) /* in turn */
        wanted = random >> 60 & 1;
    for (; count < wanted && choose_suspect(count); count++)
        ;
    for (uint32_t tries = 0; count < most && tries < 2 * TRAP_WORDS; tries++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        count += choose_new(count, random ^ random >> 32);
    }
    while (count < most && choose_suspect(count))
        count++;
    return count;
}

/* ---- what was found ---- */

static void judge(struct trap_word *w, struct suspect *s)
{
    struct conflict c;
    if (!conflict_find(w, &c))
        return;
    s->conflicts += c.flags & CONFLICT_LOST ? CONFLICTS / 2 : 1;
    if (!conflict_known(&c))
        conflict_write(w, &c);
}

static void suspect_learn(struct trap_word *w, struct suspect *s)
{
    enum conflict_use use = conflict_use(w);
    s->windows++;
    s->quiet_windows += use == CONFLICT_USE_NONE;
    s->alone_windows += use == CONFLICT_USE_ALONE;
    judge(w, s);
    if (use == CONFLICT_USE_SHARED)
        watchlist_feedback(s->range.number, WATCH_SHARED);
    if (use == CONFLICT_USE_LOCKED || s->quiet_windows >= WINDOWS_NONE || s->alone_windows >= WINDOWS_ALONE ||
        s->windows >= WINDOWS_SHARED || s->conflicts >= CONFLICTS)
        s->address = 0;
}

void suspects_learn(struct trap_word *w)
{
    struct suspect *s = find(w->address);
    bool reliable = trap_word_quiet(w) && !load_relaxed(&w->gone) && watchlist_current(&w->range);
    if (!reliable) {
        if (s)
            s->address = 0;
        return;
    }
    if (w->reads && s) {
        suspect_learn(w, s);
        return;
    }
    watchlist_feedback(w->range.number, w->count ? WATCH_WRITTEN : WATCH_BORING);
    if (w->count)
        suspect_add(w);
}

void suspects_forked(void)
{
    memset(suspects, 0, sizeof(suspects));
}
