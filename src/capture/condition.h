/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conditions used against their rules, as glibc's own struct shows (nptl/pthread_cond_common.c, 2.25 to 2.40; of later
 * ones nothing is said). No locks, no allocation; from any thread.
 */
#ifndef CPROBE_CAPTURE_CONDITION_H
#define CPROBE_CAPTURE_CONDITION_H

#include <pthread.h>
#include <stdint.h>

#include "base/compiler.h"

/* What lies at `condition` is looked into: nobody has waited for it so far, or it is no condition. */
COLD void condition_suspect(const pthread_cond_t *condition);

/* It is about to be used. Who has waited for it is counted in it (__wseq, in steps of 2), always up. */
static ALWAYS_INLINE void condition_used(const pthread_cond_t *condition)
{
    uint64_t start = load_acquire(&condition->__data.__g1_start.__value64); /* before: it never overtakes the other */
    uint64_t sequence = load_relaxed(&condition->__data.__wseq.__value64);
    if (unlikely(sequence < 2 || start >> 1 > sequence >> 1))
        condition_suspect(condition);
}

/* A thread is about to wait. While others wait for the condition it must be with the same mutex. */
void condition_waited(const pthread_cond_t *condition, const pthread_mutex_t *mutex);

/* It is about to be destroyed: nobody may be blocked on it. Who was signalled is not, though it may still be there. */
void condition_destroyed(const pthread_cond_t *condition);

#endif
