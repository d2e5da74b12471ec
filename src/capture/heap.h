/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks of the heap that are worth watching, found at next to no cost.
 *
 * An allocation is looked at where its place is new, and otherwise one in some hundreds. The place is the return
 * address together with the depth of the stack, which tells callers of a wrapper (xmalloc, operator new) apart without
 * reading a frame (T. Mytkowicz, D. Coughlin, A. Diwan, "Inferred call path profiling", OOPSLA 2009). Places that
 * turned out boring stand in heap_seen; that one comparison and a counter are all that most allocations cost. Those of
 * interesting places (sites.h) are entered into the list of what is watched, bounded: so many at once for each site, so
 * many in all, so many a second. With CPROBE_WATCH=* the counter counts bytes, so that large and frequent blocks are
 * drawn in proportion.
 *
 * A watched block occupies its word in heap_filter, alone: whoever finds the word taken is not watched. That makes the
 * question that every free has to ask one comparison, too.
 *
 * The words of both tables are read and written without order: what is missed is only not watched. Nothing here calls
 * the program's malloc or keeps a lock; any thread, also in signal handlers; keeps errno.
 */
#ifndef CPROBE_CAPTURE_HEAP_H
#define CPROBE_CAPTURE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "capture/watchlist.h"

#define HEAP_SEEN 4096u
#define HEAP_FILTER 4096u
#define HEAP_FRAME_MAX \
    6u /* words of a wrapper's frame, its return address not counted, in the lower bits of heap_seen */
#define HEAP_FRAME_BITS 15u

struct heap_thread {
    int64_t credit; /* allocations, or with heap_bytes bytes, until the next look */
    uint64_t random;
    int32_t
        looks; /* what may still be spent on places that are not in heap_seen; more comes with each draw of credit */
    uint32_t tid;
    uint32_t told;      /* life.h: grows whenever this thread may have told others something */
    uint32_t resolving; /* hook_malloc.c: this thread is asking the loader for the real functions */
};

extern HIDDEN TLS_INITIAL_EXEC struct heap_thread heap_self;
/* any: hashes of places that are boring or have had their share, lower bits 0; or of a wrapper: then these say how many
   words above the hook's stack pointer the wrapper's return address lies, and heap_caller is the place */
extern HIDDEN uint32_t heap_seen[HEAP_SEEN];
extern HIDDEN uint32_t heap_filter[HEAP_FILTER]; /* any: heap_tag of a watched block, 0: free */
extern HIDDEN uint64_t heap_bytes;               /* all bits: credit counts bytes; 0: allocations */

struct heap_place {
    uint32_t hash;
    const uintptr_t *sp;
};

/* Inlined into the hook itself: the stack pointer must be as deep below the caller's frame at each call. */
static ALWAYS_INLINE struct heap_place heap_place(uintptr_t pc)
{
    uintptr_t sp, top;
    __asm__("mov %%rsp, %0\n\tmov %%fs:0, %1" : "=r"(sp), "=r"(top)); /* of the main thread: just as constant */
    uintptr_t mixed = pc ^ (top - sp) << 32;
    return (struct heap_place){(uint32_t)((mixed * UINT64_C(0x9E3779B97F4A7C15)) >> 32), (const uintptr_t *)sp};
}

/* The same place, called by way of a wrapper whose return address lies `frame` words up. */
static ALWAYS_INLINE uint32_t heap_caller(struct heap_place place, uint32_t frame)
{
    return (uint32_t)(((place.sp[frame] ^ (uint64_t)place.hash << 32) * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

/* What heap_seen holds of a place, and how that differs from what it has: 0: seen; up to HEAP_FRAME_BITS: a wrapper. */
static ALWAYS_INLINE uint32_t heap_difference(uint32_t hash)
{
    return load_relaxed(&heap_seen[hash % HEAP_SEEN]) ^ (hash & ~HEAP_FRAME_BITS);
}

static ALWAYS_INLINE bool heap_known(struct heap_place place)
{
    uint32_t difference = heap_difference(place.hash);
    if (difference && difference <= HEAP_FRAME_BITS)
        difference = heap_difference(heap_caller(place, difference));
    return likely(!difference);
}

/* Takes the allocation into account. False: heap_allocated is to be called after it. */
static ALWAYS_INLINE bool heap_passes(struct heap_place place, size_t size)
{
    int64_t credit = heap_self.credit - 1 - (int64_t)(size & heap_bytes);
    heap_self.credit = credit;
    return likely(credit > 0) && heap_known(place);
}

/* Blocks that lie side by side have words side by side: few cache lines for those that are used now. */
static ALWAYS_INLINE uint32_t *heap_word(const void *block)
{
    uintptr_t at = (uintptr_t)block >> 4;
    return &heap_filter[(at ^ at >> 12) % HEAP_FILTER];
}

static ALWAYS_INLINE uint32_t heap_tag(const void *block)
{
    return (uint32_t)((uintptr_t)block >> 4) | 1;
}

/* The one question of free and realloc. False: certainly not watched, not the bootstrap's either. */
static ALWAYS_INLINE bool heap_watched(const void *block)
{
    return unlikely(load_relaxed(heap_word(block)) == heap_tag(block));
}

/* `block` (NULL: the allocation failed) was allocated. */
COLD void heap_allocated(void *block, size_t size, struct heap_place place);

/* `block` is about to be freed or resized: it is watched no more. False: it was not. *was: what it was */
COLD bool heap_leaving(void *block, enum lifecycle how, struct watch_range *was);

/* A block that was left is `block` now, with `size` bytes: watched as before. */
COLD void heap_resized(const struct watch_range *was, void *block, size_t size);

/* Takes the word of a block that is not to be freed (hook_malloc.c's arena) for good. False: it is taken. */
bool heap_reserve(const void *block);

/* A region that may be a block of the heap: it is unwatched when that is freed. heap_unwatch: not watched any more;
   false: it was not. */
void heap_watch(const struct watch_range *region);
bool heap_unwatch(uint32_t number);

/* At start, once recording has begun: reads the settings. */
void heap_init(void);

/* Before a thread is created. */
void heap_threads_begin(void);

/* In the child after fork. */
void heap_forked(void);

#endif
