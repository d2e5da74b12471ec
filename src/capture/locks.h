/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers of locks. A lock gets one, an endpoint of kind ENDPOINT_LOCK, when there is first something to say of it: it
 * was waited for, timed, or taken while another was held. Where it was initialised is remembered from the start, for as
 * long as there is room. Memory that is used for another lock later gets another number.
 *
 * Lock-free; any thread; async-signal-safe.
 */
#ifndef CPROBE_CAPTURE_LOCKS_H
#define CPROBE_CAPTURE_LOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "capture/lockset.h"
#include "trace/format.h"

/* The number of the lock at this address; ENDPOINT_OVERFLOW where there is no room. */
uint32_t locks_number(uintptr_t lock, unsigned kind);

/* The same for a lock that is there: it is asked for, or held. Writes, once, which lock of other processes it is. */
uint32_t locks_number_here(uintptr_t lock, unsigned kind);

/* A lock was initialised at this address, by a call that returns to `pc`. Anything known of an earlier one is void. */
void locks_born(const void *lock, uintptr_t pc);
/* Whether a lock that nobody waited for should have a number, or has one. */
bool locks_worth_number(uintptr_t lock);
/* Whether this thread made the lock while it held others, and takes it for the first time: nobody else knows it yet, so
   that it cannot have to wait. Asked once. */
bool locks_fresh(uintptr_t lock);
/* Whether a lock was initialised at this address and not destroyed since, as far as is remembered. */
bool locks_alive(const void *lock);
/* The thread that initialised the lock at this address, 0: not known. */
uint32_t locks_maker(uintptr_t lock);
/* The lock at this address is destroyed. */
void locks_died(const void *lock);

/* Semaphores: whether one is used as a signal rather than as a lock, that is, posted by threads that did not wait for
   it (or not begun with one). Such ones are never held. */
bool locks_signals(const void *semaphore);
void locks_signal(const void *semaphore);
void locks_signal_not(const void *semaphore);

/* Whether the entry of the calling thread's list stands for a lock that it holds: not a semaphore used as a signal, nor
   a lock on a file that was unlocked since. */
bool locks_held(const struct held *h);

/* The number of the set of locks that the calling thread holds, 0: none. gil: number of the interpreter's lock, if that
   is to be one of them (first, at no place), else 0. */
uint32_t locks_set(uint32_t gil);

/* The same of a list of at most LOCKSET_MAX entries. */
uint32_t locks_set_of(const struct held *list, size_t size);

#endif
