/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two steps of an ordinary mutex that are taken for granted: having it at once, and leaving it with nobody waiting.
 * They are made here as glibc makes them (nptl/pthread_mutex_lock.c, pthread_mutex_unlock.c, types
 * PTHREAD_MUTEX_TIMED_NP and PTHREAD_MUTEX_ADAPTIVE_NP; the words are those of struct_mutex.h), because a call into
 * glibc on top of the recorder's own work is what an uncontended pair would pay for most. Everything else is left to
 * glibc: other types, a mutex that is taken, one that is waited for.
 *
 * Done only where mutex_init found that the functions behind the hooks are glibc's own, not another preload's, and that
 * they leave the words of a mutex as expected here.
 */
#ifndef CPROBE_CAPTURE_MUTEX_H
#define CPROBE_CAPTURE_MUTEX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/single_threaded.h>

#include "base/compiler.h"

/* In the constructor. */
void mutex_init(void);

/* What the thread is to give as `owner` below: its id, 0 where mutexes are left to glibc altogether. */
COLD uint32_t mutex_self(void);

/* Of a type that is taken and left so. */
static ALWAYS_INLINE bool mutex_ordinary(const pthread_mutex_t *mutex)
{
    int kind = mutex->__data.__kind;
    return kind == PTHREAD_MUTEX_TIMED_NP || kind == PTHREAD_MUTEX_ADAPTIVE_NP;
}

/* Takes the mutex for the thread `owner`. False: nothing was done. */
static ALWAYS_INLINE bool mutex_take(pthread_mutex_t *mutex, uint32_t owner)
{
    int *word = &mutex->__data.__lock, free = 0;
    if (unlikely(!owner || !mutex_ordinary(mutex)))
        return false;
    if (__libc_single_threaded) {
        if (*word)
            return false;
        *word = 1;
    } else if (!__atomic_compare_exchange_n(word, &free, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        return false;
    }
    mutex->__data.__owner = (int)owner;
    mutex->__data.__nusers++;
    return true;
}

/* Leaves the mutex if the thread `owner` has it and nobody waits. False: nothing was done. */
static ALWAYS_INLINE bool mutex_leave(pthread_mutex_t *mutex, uint32_t owner)
{
    int *word = &mutex->__data.__lock, taken = 1;
    if (unlikely(!owner || mutex->__data.__owner != (int)owner || !mutex_ordinary(mutex) || load_relaxed(word) != 1))
        return false;
    mutex->__data.__owner = 0;
    mutex->__data.__nusers--;
    if (__libc_single_threaded) {
        *word = 0;
        return true;
    }
    if (likely(__atomic_compare_exchange_n(word, &taken, 0, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED)))
        return true;
    mutex->__data.__owner = (int)owner; /* somebody began to wait: still this thread's */
    mutex->__data.__nusers++;
    return false;
}

#endif
