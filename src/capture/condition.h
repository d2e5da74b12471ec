/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conditions used against their rules, as glibc's own struct shows (nptl/pthread_cond_common.c, 2.25 to 2.40; of later
 * ones nothing is said). No locks, no allocation; from any thread.
 */
#ifndef CPROBE_CAPTURE_CONDITION_H
#define CPROBE_CAPTURE_CONDITION_H

#include <pthread.h>

/* A thread is about to wait. While others wait for the condition it must be with the same mutex. */
void condition_waited(const pthread_cond_t *condition, const pthread_mutex_t *mutex);

/* It is about to be destroyed: nobody may be blocked on it. Who was signalled is not, though it may still be there. */
void condition_destroyed(const pthread_cond_t *condition);

#endif
