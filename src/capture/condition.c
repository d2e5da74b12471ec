/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/condition.h"

#include <gnu/libc-version.h>

#include "capture/lock.h"

#define PAIRS 256u
#define WAITERS_SHIFT 3 /* of __wrefs */

/* The mutex that a condition is waited for with: address of the condition << 16 | hash of the mutex, one word so that
   both are of one waiter. */
static uint64_t pairs[PAIRS];

/* "2.36": the struct is known. */
static bool layout_known(void)
{
    const char *v = gnu_get_libc_version();
    return v[0] == '2' && v[1] == '.' && v[2] >= '0' && v[2] <= '9' && v[3] >= '0' && v[3] <= '9' &&
           (v[2] < '4' || (v[2] == '4' && v[3] == '0'));
}

void condition_waited(const pthread_cond_t *condition, const pthread_mutex_t *mutex)
{
    uint64_t *pair = &pairs[(lockset_mix((uintptr_t)condition) >> 24) % PAIRS];
    uint64_t word = (uint64_t)(uintptr_t)condition << 16 | (lockset_mix((uintptr_t)mutex) >> 24 & 0xffff);
    condition_used(condition);
    if (likely(!(load_relaxed(&condition->__data.__wrefs) >> WAITERS_SHIFT))) {
        store_relaxed(pair, word);
        return;
    }
    uint64_t found = load_relaxed(pair);
    if (unlikely(found >> 16 == word >> 16 && found != word) && recorder_on() && layout_known())
        lock_misused(MISUSE_TWO_MUTEXES, condition, LOCK_KIND_CONDITION, 0, 0);
}

/* Whether anything but what the attributes say (__wrefs, lowest bits) is not 0, as it is from the first waiter on. */
static bool condition_marked(const pthread_cond_t *condition)
{
    uint32_t marks = load_acquire(&condition->__data.__wrefs) >> WAITERS_SHIFT;
    for (int group = 0; group < 2; group++)
        marks |= load_acquire(&condition->__data.__g_refs[group]) | load_acquire(&condition->__data.__g_size[group]) |
                 load_acquire(&condition->__data.__g_signals[group]);
    return marks | load_acquire(&condition->__data.__g1_orig_size) |
           load_acquire(&condition->__data.__g1_start.__value64);
}

/* A waiter is counted before it marks anything, so that what is read in the other order is no waiter's. */
void condition_suspect(const pthread_cond_t *condition)
{
    bool marked = condition_marked(condition);
    uint64_t start = load_acquire(&condition->__data.__g1_start.__value64);
    uint64_t sequence = load_acquire(&condition->__data.__wseq.__value64);
    bool possible = sequence < 2 ? sequence == 0 && !marked : start >> 1 <= sequence >> 1;
    if (!possible && recorder_on() && layout_known())
        lock_misused(MISUSE_NEVER_BORN, condition, LOCK_KIND_CONDITION, 0, 0);
}

/* Waiters that were not signalled: those left in the older group, and the newer group. */
static uint32_t condition_blocked(const pthread_cond_t *condition)
{
    uint64_t sequence = load_relaxed(&condition->__data.__wseq.__value64);
    uint64_t start = load_relaxed(&condition->__data.__g1_start.__value64);
    unsigned newer = sequence & 1;
    uint32_t older_size = load_relaxed(&condition->__data.__g_size[newer ^ 1]);
    uint32_t newer_size = (uint32_t)(sequence >> 1) - (uint32_t)(start >> 1) -
                          (load_relaxed(&condition->__data.__g1_orig_size) >> 2) +
                          load_relaxed(&condition->__data.__g_size[newer]);
    return older_size + newer_size;
}

void condition_destroyed(const pthread_cond_t *condition)
{
    if (likely(!(load_relaxed(&condition->__data.__wrefs) >> WAITERS_SHIFT)) || !recorder_on() || !layout_known())
        return;
    if (condition_blocked(condition) > 0)
        lock_misused(MISUSE_WAITED_FOR, condition, LOCK_KIND_CONDITION, 0, 0);
}
