/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks that the calling thread holds while their memory goes, or becomes another lock. What the list of held locks
 * says is believed only where the lock says so itself: it may have been left where no hook sees it.
 *
 * No locks, no allocation; keeps errno.
 */
#ifndef CPROBE_CAPTURE_LOCK_MEMORY_H
#define CPROBE_CAPTURE_LOCK_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/lockset.h"

#define LOCK_MEMORY_NEAR (1u << 20) /* bytes from a block's begin in which its locks are looked for */
#define LOCK_MEMORY_KINDS (1u << LOCK_KIND_MUTEX | 1u << LOCK_KIND_RWLOCK | 1u << LOCK_KIND_SPIN)

/* Whether a lock is held that may lie in the block, of a kind that shows itself whether it is: the one question of most
   frees under a lock. */
static inline bool lock_memory_near(const void *block)
{
    const struct lockset *s = &lockset_self;
    bool near = false;
    for (uint32_t i = 0; i < s->depth && i < LOCKSET_MAX; i++)
        near |= s->held[i].lock - (uintptr_t)block < LOCK_MEMORY_NEAR && LOCK_MEMORY_KINDS >> s->held[i].kind & 1;
    return near;
}

/* The block is about to be freed by the function at `allocator`. Locks in it that are held are told of, and held no
   longer. */
COLD void lock_memory_freed(void *block, uintptr_t allocator);

/* `lock` is about to be initialised while the thread holds others, or this one. */
COLD void lock_memory_born(const void *lock);

#endif
