/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/lock_memory.h"

#include <errno.h>
#include <pthread.h>

#include "base/sys.h"
#include "capture/lock.h"
#include "capture/locks.h"
#include "capture/modules.h"
#include "capture/real.h"
#include "capture/thread.h"

#define READERS_SHIFT 3 /* PTHREAD_RWLOCK_READER_SHIFT */
#define SPIN_FREE 1     /* sysdeps/x86_64/nptl/pthread_spin_unlock.S */

/* As glibc's own structs show (struct_mutex.h, struct_rwlock.h). */
static bool held_truly(const struct held *h)
{
    const pthread_mutex_t *mutex = (const void *)h->lock;
    const pthread_rwlock_t *rwlock = (const void *)h->lock;
    switch (h->kind) {
    case LOCK_KIND_MUTEX:
        return load_relaxed(&mutex->__data.__lock) && (pid_t)load_relaxed(&mutex->__data.__owner) == sys_gettid();
    case LOCK_KIND_RWLOCK:
        return h->flags & HELD_SHARED ? load_relaxed(&rwlock->__data.__readers) >> READERS_SHIFT
                                      : (pid_t)load_relaxed(&rwlock->__data.__cur_writer) == sys_gettid();
    case LOCK_KIND_SPIN:
        return load_relaxed((const int *)h->lock) != SPIN_FREE;
    default:
        return false;
    }
}

/* Whether malloc_usable_size is of the allocator that has `function`: another one must not be asked. */
static bool sizes_known(uintptr_t function)
{
    static uintptr_t known; /* any: a function of which it is */
    uintptr_t asked = (uintptr_t)REAL(malloc_usable_size);
    if (likely(function == load_relaxed(&known)))
        return true;
    const struct module *module = asked ? modules_find(asked) : NULL;
    if (!module || module != modules_find(function))
        return false;
    store_relaxed(&known, function);
    return true;
}

void lock_memory_freed(void *block, uintptr_t allocator)
{
    const struct lockset *s = &lockset_self;
    if (!block || !recorder_on() || thread_self.in_vfork)
        return;
    int saved = errno;
    uintptr_t size = sizes_known(allocator) ? REAL(malloc_usable_size)(block) : 0;
    for (uint32_t i = s->depth; i > 0; i--) {
        struct held h = s->held[i - 1];
        if (h.lock - (uintptr_t)block >= size || !held_truly(&h))
            continue;
        lock_misused(MISUSE_FREED_HELD, (const void *)h.lock, h.kind, 0, 0);
        locks_died((const void *)h.lock);
        i = s->depth + 1u; /* it may have stood there more than once */
    }
    errno = saved;
}

/* A child after fork makes locks anew that its parent's threads, or its only one, had then (pthread_atfork). */
void lock_memory_born(const void *lock)
{
    const struct held *h = lockset_find(&lockset_self, lock);
    if (h && recorder_on() && !thread_self.in_vfork && !lock_after_fork() && held_truly(h))
        lock_misused(MISUSE_BORN_HELD, lock, h->kind, 0, 0);
}
