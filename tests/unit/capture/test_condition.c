/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conditions that are waited for with two mutexes, or destroyed while somebody waits; and those that only seem so. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/condition.h"
#include "capture/lock.h"
#include "isolated.h"
#include "recording.h"

static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER, two = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int go;

static unsigned misuses(struct trace *t, uint16_t kind)
{
    const union trace_event *e;
    unsigned n = 0;
    trace_rewind(t);
    while (trace_next(t, &e) == 1)
        n += e->header.type == EVENT_MISUSE && e->misuse.kind == kind;
    return n;
}

static void *wait_for_it(void *unused)
{
    pthread_mutex_lock(&one);
    condition_waited(&condition, &one);
    while (!go)
        pthread_cond_wait(&condition, &one);
    pthread_mutex_unlock(&one);
    return unused;
}

/* A thread that waits, for certain. */
static pthread_t waiter_start(void)
{
    pthread_t thread;
    go = 0;
    pthread_create(&thread, NULL, wait_for_it, NULL);
    while (!(__atomic_load_n(&condition.__data.__wrefs, __ATOMIC_ACQUIRE) >> 3))
        usleep(1000);
    pthread_mutex_lock(&one);
    pthread_mutex_unlock(&one);
    return thread;
}

static void two_mutexes(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    condition_waited(&condition, &two); /* nobody else waits */
    pthread_t thread = waiter_start();
    condition_waited(&condition, &one);
    condition_waited(&condition, &two);
    pthread_mutex_lock(&one);
    go = 1;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&one);
    pthread_join(thread, NULL);
    condition_waited(&condition, &two);
    struct trace *t = recording_end();
    assert_int_equal(misuses(t, MISUSE_TWO_MUTEXES), 1);
    recording_close(t);
}

static void end_wait(pthread_t thread)
{
    pthread_mutex_unlock(&one);
    pthread_join(thread, NULL);
}

static void signal_it(void)
{
    pthread_mutex_lock(&one);
    go = 1;
    pthread_cond_signal(&condition);
}

static void destroyed_when_signalled(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    condition_destroyed(&condition);
    pthread_t thread = waiter_start();
    signal_it();
    condition_destroyed(&condition); /* the waiter is still there, but not blocked */
    end_wait(thread);
    struct trace *t = recording_end();
    assert_int_equal(misuses(t, MISUSE_WAITED_FOR), 0);
    recording_close(t);
}

static void destroyed_while_waited_for(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    pthread_t thread = waiter_start();
    condition_destroyed(&condition);
    signal_it();
    end_wait(thread);
    struct trace *t = recording_end();
    assert_int_equal(misuses(t, MISUSE_WAITED_FOR), 1);
    recording_close(t);
}

static void use(void *memory)
{
    condition_used(memory);
    condition_waited(memory, &one);
}

/* What was never waited for is 0 but for its attributes; what was has been counted before anything else. */
static void never_born(void **state)
{
    static pthread_cond_t zero, shared, left, garbage[4];
    pthread_condattr_t attributes;
    (void)state;
    pthread_condattr_init(&attributes);
    pthread_condattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&shared, &attributes);
    recording_begin(4 << 20);
    pthread_t thread = waiter_start();
    use(&condition);
    signal_it();
    use(&condition);
    end_wait(thread);
    use(&condition);
    use(&zero);
    use(&shared);
    pthread_cond_destroy(&left);
    use(&left);
    garbage[0].__data.__g_signals[1] = 1;
    garbage[1].__data.__wrefs = 1 << 3;
    garbage[2].__data.__wseq.__value64 = 1;
    memset(&garbage[3], 0x77, sizeof(garbage[3]));
    garbage[3].__data.__wseq.__value64 = 2;
    for (int i = 0; i < 4; i++)
        condition_used(&garbage[i]);
    struct trace *t = recording_end();
    assert_int_equal(misuses(t, MISUSE_NEVER_BORN), 4);
    recording_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_mutexes),
        cmocka_unit_test(never_born),
        cmocka_unit_test(destroyed_when_signalled),
        cmocka_unit_test(destroyed_while_waited_for),
    };
    return isolated_run(tests, sizeof(tests) / sizeof(tests[0]));
}
