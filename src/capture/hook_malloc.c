/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Allocation. What is called is the next malloc after ours, libc's or that of a library that brings its own; of a
 * program that defines malloc itself nothing is seen. C++ operators arrive here.
 *
 * The loader may allocate while it is asked where the real functions are: such blocks come from an arena of our own.
 * They are never given back.
 */
#include "capture/hook.h"

#include <malloc.h>

#include "capture/heap.h"
#include "capture/lock_memory.h"

#define ARENA_SIZE 65536u
#define ARENA_ALIGN 16u

static char arena[ARENA_SIZE] __attribute__((aligned(4096)));
static size_t arena_used; /* any */
static uint32_t ready;    /* any: all real functions are in the table */

static void free_first(void *block);
static void (*real_free)(void *block) = free_first; /* any: never NULL, so that free need not ask */

/* Each block has its size before it. Zeroed, for memory is never used again. */
static void *arena_take(size_t size, size_t align)
{
    if (size > ARENA_SIZE || align > 4096)
        return NULL;
    align = align < ARENA_ALIGN ? ARENA_ALIGN : align;
    for (;;) {
        size_t old = load_relaxed(&arena_used);
        size_t at = ALIGN_UP(old + sizeof(size_t), align);
        if (at + size > ARENA_SIZE)
            return NULL;
        if (!cas_acq_rel(&arena_used, &old, at + size))
            continue;
        if (!heap_reserve(&arena[at])) /* free could not know it: leave it */
            continue;
        memcpy(&arena[at - sizeof(size_t)], &size, sizeof(size));
        return &arena[at];
    }
}

static bool arena_owns(const void *block)
{
    return (uintptr_t)block - (uintptr_t)arena < sizeof(arena);
}

static size_t arena_size(const void *block)
{
    size_t size;
    memcpy(&size, (const char *)block - sizeof(size), sizeof(size));
    return size;
}

/* All at once. The fast paths use the table unasked: they are not taken before the first draw of credit. */
static COLD bool resolve(void)
{
    if (heap_self.resolving)
        return false;
    heap_self.resolving = 1;
    for (int i = REAL_INDEX_malloc; i <= REAL_INDEX_pvalloc; i++)
        real_resolve((enum real_index)i);
    heap_self.resolving = 0;
    if (real_table.free)
        store_relaxed(&real_free, real_table.free);
    store_release(&ready, 1);
    return true;
}

static ALWAYS_INLINE bool resolved(void)
{
    return likely(load_acquire(&ready)) || resolve();
}

/* What the slow paths share. The arena's blocks draw no credit: the fast paths stay shut. */
#define ALLOCATE(name, size, place, ...)                 \
    ({                                                   \
        void *allocated;                                 \
        if (likely(resolved())) {                        \
            allocated = real_table.name(__VA_ARGS__);    \
            heap_allocated(allocated, (size), (place));  \
        } else {                                         \
            allocated = arena_take((size), ARENA_ALIGN); \
        }                                                \
        allocated;                                       \
    })

static COLD void *malloc_slowly(size_t size, struct heap_place place)
{
    return ALLOCATE(malloc, size, place, size);
}

EXPORT void *malloc(size_t size)
{
    struct heap_place place = heap_place(RETURN_ADDRESS);
    if (likely(heap_passes(place, size)))
        return real_table.malloc(size);
    return malloc_slowly(size, place);
}

static COLD void *calloc_slowly(size_t count, size_t size, struct heap_place place)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        bytes = SIZE_MAX; /* fails */
    return ALLOCATE(calloc, bytes, place, count, size);
}

EXPORT void *calloc(size_t count, size_t size)
{
    struct heap_place place = heap_place(RETURN_ADDRESS);
    if (likely(heap_passes(place, count * size)))
        return real_table.calloc(count, size);
    return calloc_slowly(count, size, place);
}

static void *arena_move(const void *block, size_t size)
{
    size_t old = arena_size(block);
    void *moved = resolved() ? real_table.malloc(size) : arena_take(size, ARENA_ALIGN);
    if (moved)
        memcpy(moved, block, old < size ? old : size);
    return moved;
}

/* `watched`: the filter says that it may be. A resize that fails leaves the block where it was. */
static COLD void *realloc_slowly(void *block, size_t size, struct heap_place place, bool watched)
{
    struct watch_range was;
    if (watched && arena_owns(block))
        return arena_move(block, size);
    if (!watched || !heap_leaving(block, LIFECYCLE_RESIZED, &was))
        return ALLOCATE(realloc, size, place, block, size);
    void *moved = real_table.realloc(block, size);
    if (moved)
        heap_resized(&was, moved, size);
    else if (size)
        heap_resized(&was, block, was.size);
    return moved;
}

EXPORT void *realloc(void *block, size_t size)
{
    struct heap_place place = heap_place(RETURN_ADDRESS);
    bool watched = heap_watched(block);
    if (likely(heap_passes(place, size)) && likely(!watched))
        return real_table.realloc(block, size);
    return realloc_slowly(block, size, place, watched);
}

/* A check and realloc, in every libc. */
EXPORT void *reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    struct heap_place place = heap_place(RETURN_ADDRESS);
    bool watched = heap_watched(block);
    if (likely(heap_passes(place, bytes)) && likely(!watched))
        return real_table.realloc(block, bytes);
    return realloc_slowly(block, bytes, place, watched);
}

/* While the real one is being asked for nothing can be given back. */
static COLD void free_first(void *block)
{
    if (resolved() && real_table.free)
        real_table.free(block);
}

/* Before the real one: afterwards the memory may be somebody else's. */
static COLD void free_watched(void *block)
{
    struct watch_range was;
    if (arena_owns(block))
        return;
    heap_leaving(block, LIFECYCLE_FREED, &was);
    load_relaxed (&real_free)(block);
}

static NOINLINE void free_with_locks(void *block)
{
    if (lock_memory_near(block) && !arena_owns(block))
        lock_memory_freed(block, (uintptr_t)load_relaxed(&real_free));
    if (heap_watched(block))
        free_watched(block);
    else
        load_relaxed (&real_free)(block);
}

EXPORT void free(void *block)
{
    if (unlikely(lockset_self.depth))
        free_with_locks(block);
    else if (likely(!heap_watched(block)))
        load_relaxed (&real_free)(block);
    else
        free_watched(block);
}

/* ---- aligned: rarer and dearer, so without a fast path of their own ---- */

EXPORT int posix_memalign(void **out, size_t align, size_t size)
{
    struct heap_place place = heap_place(RETURN_ADDRESS);
    if (unlikely(!resolved())) {
        *out = arena_take(size, align);
        return *out ? 0 : ENOMEM;
    }
    int error = real_table.posix_memalign(out, align, size);
    if (unlikely(!heap_passes(place, size)))
        heap_allocated(error ? NULL : *out, size, place);
    return error;
}

#define ALIGNED(name, align, size, ...)                   \
    struct heap_place place = heap_place(RETURN_ADDRESS); \
    if (unlikely(!resolved()))                            \
        return arena_take((size), (align));               \
    void *block = real_table.name(__VA_ARGS__);           \
    if (unlikely(!heap_passes(place, (size))))            \
        heap_allocated(block, (size), place);             \
    return block

EXPORT void *aligned_alloc(size_t align, size_t size)
{
    ALIGNED(aligned_alloc, align, size, align, size);
}

EXPORT void *memalign(size_t align, size_t size)
{
    ALIGNED(memalign, align, size, align, size);
}

EXPORT void *valloc(size_t size)
{
    ALIGNED(valloc, 4096, size, size);
}

EXPORT void *pvalloc(size_t size)
{
    ALIGNED(pvalloc, 4096, size, size);
}
