/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/heap.h"

#include "capture/clock.h"
#include "capture/interned.h"
#include "capture/life.h"
#include "capture/recorder.h"
#include "capture/sampler.h"
#include "capture/sites.h"
#include "capture/stack.h"
#include "capture/thread.h"

#define MEAN_ALLOCATIONS 512u            /* between two looks at places that are known */
#define MEAN_BYTES (UINT64_C(256) << 10) /* the same with CPROBE_WATCH=* */
#define LOOKS_FIRST 4096                 /* what a thread may spend on new places at once, */
#define LOOKS_MORE 64                    /* and what is added with each draw of credit: */
#define LOOK_STACK 16                    /* a look that takes the stack costs so much, another one 1 */
#define BORING_AFTER 3u                  /* stacks of a place that must be boring before it is let through */
#define PLACES 8192u
#define PLACE_PROBES 8u
#define SITES 512u
#define SITE_BLOCKS 64u    /* watched at once, of one site */
#define ROOM_TRIES 8       /* blocks asked to make room, each time */
#define ENTERED_FIRST 512u /* blocks entered whenever they come; from then on */
#define ENTERED_MAX 32u    /* in one period of 2^24 ns */

TLS_INITIAL_EXEC struct heap_thread heap_self;
uint32_t heap_seen[HEAP_SEEN];
uint32_t heap_filter[HEAP_FILTER];
uint64_t heap_bytes;

/* What is known of a place that is not, or not always, let through. */
struct place {
    uint32_t place; /* any: 0: free */
    uint32_t looks; /* any */
    uint32_t named; /* any: one of its stacks was interesting */
    uint32_t frame; /* any: it is a wrapper, see heap_caller; 0: it is not */
};

struct site {
    uint32_t live;  /* any: blocks watched now */
    uint32_t next;  /* any: where the next one's number goes */
    uint32_t stack; /* of its first block, in the trace of process `pid` */
    uint32_t pid;
    uint32_t numbers[SITE_BLOCKS]; /* any: of the list; may be gone */
};

static struct place places[PLACES];
static uint32_t numbers[HEAP_FILTER]; /* any: of the block that has the word; 0: the bootstrap's */
INTERNED(site_hashes, SITES);         /* number of a site: its place + 1 */
static struct site sites[2 * SITES];
static struct {
    uint32_t on;
    uint32_t threaded;        /* any: heap_threads_begin was called */
    uint32_t first;           /* any: blocks entered, up to ENTERED_FIRST */
    uint32_t period, entered; /* any: blocks entered in this period */
} heap;

static void seen_enter(uint32_t place)
{
    store_relaxed(&heap_seen[place % HEAP_SEEN], place & ~HEAP_FRAME_BITS);
}

/* This place is a wrapper. */
static void seen_wrapper(uint32_t place, uint32_t frame)
{
    store_relaxed(&heap_seen[place % HEAP_SEEN], (place & ~HEAP_FRAME_BITS) | frame);
}

static void seen_leave(uint32_t place)
{
    if (heap_difference(place) == 0)
        store_relaxed(&heap_seen[place % HEAP_SEEN], 0);
}

static void credit_draw(struct heap_thread *h)
{
    if (!h->random) {
        h->random = ((uint64_t)(uintptr_t)h ^ (uint64_t)add_relaxed(&recorder.unique, 1) << 40) | 1;
        h->looks = LOOKS_FIRST - LOOKS_MORE;
    }
    if (heap_bytes) {
        h->credit = sampler_draw(&h->random, MEAN_BYTES);
    } else {
        h->random = h->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407); /* Knuth's MMIX */
        h->credit = MEAN_ALLOCATIONS / 2 + (int64_t)(h->random >> 33) % MEAN_ALLOCATIONS;
    }
    h->looks = h->looks < LOOKS_FIRST - LOOKS_MORE ? h->looks + LOOKS_MORE : LOOKS_FIRST;
}

/* ---- blocks ---- */

/* Whether another block may be entered now. Periods are short, so that not only what comes first in each second is
 * seen. */
static bool period_has_room(void)
{
    uint32_t now = (uint32_t)(clock_now() >> 24);
    if (load_relaxed(&heap.first) < ENTERED_FIRST)
        return true;
    if (load_relaxed(&heap.period) != now) {
        store_relaxed(&heap.period, now);
        store_relaxed(&heap.entered, 0);
    }
    return load_relaxed(&heap.entered) < ENTERED_MAX;
}

static void period_enter(void)
{
    if (load_relaxed(&heap.first) < ENTERED_FIRST)
        add_relaxed(&heap.first, 1);
    else
        add_relaxed(&heap.entered, 1);
}

static bool block_leave(uint32_t number, struct watch_range *was)
{
    if (!watchlist_get(number, was) || !watchlist_remove(number))
        return false;
    uint32_t *word = heap_word((const void *)was->start);
    if (load_relaxed(&numbers[word - heap_filter]) == number) { /* else a region that found it taken */
        store_relaxed(&numbers[word - heap_filter], 0);
        store_release(word, 0);
    }
    if (was->site)
        add_relaxed(&sites[was->site - 1].live, -1u);
    return true;
}

/* Returns its number; 0: not watched. */
static uint32_t block_enter(uint32_t site_number, void *block, size_t size)
{
    struct heap_thread *h = &heap_self;
    struct site *s = &sites[site_number - 1];
    uint32_t *word = heap_word(block), free = 0;
    if (!cas_acq_rel(word, &free, heap_tag(block)))
        return 0;
    store_relaxed(&numbers[word - heap_filter], 0);
    if (!h->tid)
        h->tid = (uint32_t)sys_gettid();
    add_relaxed(&s->live, 1);
    uint32_t number = watchlist_add(&(struct watch_new){.start = (uintptr_t)block,
                                                        .size = size,
                                                        .kind = WATCH_BLOCK,
                                                        .site = site_number,
                                                        .stack = s->pid == recorder.pid ? s->stack : 0,
                                                        .tid = h->tid});
    if (!number) {
        add_relaxed(&s->live, -1u);
        store_relaxed(word, 0);
        return 0;
    }
    life_begins((uint32_t)(word - heap_filter));
    store_release(&numbers[word - heap_filter], number);
    store_relaxed(&s->numbers[add_relaxed(&s->next, 1) % SITE_BLOCKS], number);
    return number;
}

/* A site's first block is told of, so that the trace says what was watched. */
static void site_announce(uint32_t number)
{
    struct watch_range range;
    if (!writer_log_scarce(&recorder.writer) && watchlist_get(number, &range))
        watchlist_announce(&range);
}

static void site_stack(struct site *s, struct thread *t)
{
    if (load_relaxed(&s->pid) == recorder.pid)
        return;
    store_relaxed(&s->pid, recorder.pid);
    s->stack = t->slot || thread_prepare(t, clock_now()) ? stack_capture(t) : 0;
}

/* The site has as many blocks as it may. What has been looked at for longest makes room now and then, so that not only
   a program's first blocks are ever watched; unless something was found there. */
static bool site_makes_room(struct site *s, bool due)
{
    struct watch_range oldest;
    if (load_relaxed(&s->live) < SITE_BLOCKS)
        return true;
    for (int i = 0; due && i < ROOM_TRIES; i++) { /* many have gone by themselves */
        uint32_t number = load_relaxed(&s->numbers[load_relaxed(&s->next) % SITE_BLOCKS]);
        if (!watchlist_promising(number) && block_leave(number, &oldest))
            return true;
        add_relaxed(&s->next, 1);
    }
    return false;
}

/* ---- places ---- */

static struct place *place_find(uint32_t place)
{
    uint32_t at = place % PLACES;
    for (uint32_t i = 0; i < PLACE_PROBES; i++, at = (at + 1) % PLACES) {
        uint32_t found = load_relaxed(&places[at].place);
        if (found == place || (!found && cas_acq_rel(&places[at].place, &found, place)) || found == place)
            return &places[at];
    }
    struct place *p = &places[place % PLACES]; /* full here: what stands here begins anew some time */
    p->looks = p->named = p->frame = 0;
    store_relaxed(&p->place, place);
    return p;
}

/* Whether the stack of this allocation is to be taken. Boring places are asked ever more rarely. */
static bool place_is_due(const struct place *p, uint32_t looks, bool due)
{
    if (heap_bytes)
        return due || looks == 1;
    if (p->named || looks <= BORING_AFTER)
        return true;
    return due && ((looks & (looks - 1)) == 0 || looks % 256 == 0);
}

/* A function that calls malloc and has a small frame is taken for a wrapper: where its own return address lies. */
static uint32_t frame_find(const struct thread *t, const uintptr_t *sp, const uint64_t *frames, size_t count)
{
    if (count < 2 || !thread_owns(t, (uintptr_t)(sp + HEAP_FRAME_MAX)))
        return 0;
    for (uint32_t i = 1; i <= HEAP_FRAME_MAX; i++)
        if (sp[i] == frames[1])
            return i;
    return 0;
}

/* As sites_judge, of this thread's stack; what a new place is is found out on the way. */
static uint64_t judge(const struct thread *t, struct place *p, struct heap_place place)
{
    uint64_t frames[SITES_FRAMES];
    uint16_t flags = 0;
    if (!t->stack.high)
        return 0;
    size_t count = unwind_stack(&t->stack, NULL, frames, SITES_FRAMES, &flags);
    if (p->place == place.hash && !p->frame)
        store_relaxed(&p->frame, frame_find(t, place.sp, frames, count));
    return sites_judge(frames, count);
}

/* False: from now on this place is let through until the next draw. */
static bool place_look(struct thread *t, struct place *p, struct heap_place place, void *block, size_t size, bool due)
{
    bool fresh;
    if (load_relaxed(&p->named) && !period_has_room())
        return false;
    uint64_t hash = judge(t, p, place);
    if (!hash)
        return load_relaxed(&p->looks) < BORING_AFTER;
    store_relaxed(&p->named, 1);
    int32_t at = interned_enter(&site_hashes, hash, &fresh); /* a site's first block may be its only one */
    if (at < 0 || (!fresh && !period_has_room()) || !site_makes_room(&sites[at], due))
        return false;
    period_enter();
    site_stack(&sites[at], t);
    life_look(t, (uint32_t)at + 1);
    uint32_t number = block_enter((uint32_t)at + 1, block, size);
    if (fresh)
        site_announce(number);
    return !heap_bytes;
}

/* A wrapper's caller is the place. */
static struct place *place_of(struct heap_place place)
{
    struct place *p = place_find(place.hash);
    uint32_t frame = load_relaxed(&p->frame);
    if (!frame || p->place != place.hash)
        return p;
    seen_wrapper(place.hash, frame);
    return place_find(heap_caller(place, frame));
}

static void look(struct thread *t, void *block, size_t size, struct heap_place place, bool due)
{
    struct place *p = place_of(place);
    uint32_t looks = load_relaxed(&p->looks) + 1, hash = p->place;
    store_relaxed(&p->looks, looks);
    bool stack = place_is_due(p, looks, due);
    heap_self.looks -= stack && !load_relaxed(&p->named) ? LOOK_STACK : 1; /* named ones have a limit of their own */
    bool stays = stack && place_look(t, p, place, block, size, due);
    if (load_relaxed(&p->frame) && hash == place.hash)
        seen_wrapper(hash, p->frame); /* just found out */
    else if (stays)
        seen_leave(hash);
    else
        seen_enter(hash);
}

void heap_allocated(void *block, size_t size, struct heap_place place)
{
    struct heap_thread *h = &heap_self;
    struct thread *t = &thread_self;
    bool due = h->credit <= 0;
    if (due)
        credit_draw(h);
    if (!load_relaxed(&heap.on) || !recorder_on()) {
        seen_enter(place.hash);
        return;
    }
    if (!block || !size || (!due && h->looks <= 0) || t->in_vfork || !thread_enter(t, FRAME_ADDRESS))
        return;
    look(t, block, size, place, due);
    thread_leave(t);
}

/* ---- the end of a block ---- */

bool heap_leaving(void *block, enum lifecycle how, struct watch_range *was)
{
    uint32_t word = (uint32_t)(heap_word(block) - heap_filter), number = load_acquire(&numbers[word]);
    struct watch_range range;
    if (!watchlist_get(number, &range) || range.start != (uintptr_t)block)
        return false;
    if (range.site) {
        const struct site *s = &sites[range.site - 1];
        life_ends(word, &range, how, s->pid == recorder.pid ? s->stack : 0);
    }
    return block_leave(number, was);
}

void heap_resized(const struct watch_range *was, void *block, size_t size)
{
    if (size && was->site)
        block_enter(was->site, block, size);
}

void heap_watch(const struct watch_range *region)
{
    void *block = (void *)region->start;
    uint32_t *word = heap_word(block), free = 0;
    struct watch_range was;
    if (heap_watched(block) && watchlist_get(load_acquire(&numbers[word - heap_filter]), &was) &&
        was.start == region->start)
        block_leave(was.number, &was); /* as a block of its site */
    if (cas_acq_rel(word, &free, heap_tag(block)))
        store_release(&numbers[word - heap_filter], region->number);
}

bool heap_unwatch(uint32_t number)
{
    struct watch_range was;
    return block_leave(number, &was);
}

bool heap_reserve(const void *block)
{
    uint32_t *word = heap_word(block), free = 0;
    return cas_acq_rel(word, &free, heap_tag(block));
}

/* ---- start, threads, fork ---- */

void heap_init(void)
{
    if (!patterns_any(&recorder.settings.watch))
        return;
    sites_init(&recorder.settings.watch, recorder.settings.watch_own);
    heap_bytes = recorder.settings.watch.every ? ~UINT64_C(0) : 0;
    for (uint32_t i = 0; i < HEAP_SEEN; i++) /* allocations before the start were let through */
        if (heap_seen[i])                    /* pages that nobody wrote to take no memory */
            heap_seen[i] = 0;
    heap_self.credit = 0;
    store_release(&heap.on, 1);
}

void heap_threads_begin(void)
{
    struct thread *t = &thread_self;
    if (likely(load_relaxed(&heap.threaded)) || !load_relaxed(&heap.on) || t->in_vfork ||
        !thread_enter(t, FRAME_ADDRESS))
        return;
    store_relaxed(&heap.threaded, 1);
    sites_threads_begin();
    thread_leave(t);
    watchlist_threads_begin();
}

void heap_forked(void)
{
    heap_self.tid = 0;
    heap.threaded = 0;
    sites_forked();
    watchlist_forked();
}
