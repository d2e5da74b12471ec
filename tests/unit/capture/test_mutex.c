/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking and leaving an ordinary mutex leaves it as glibc's functions would; all other mutexes are left to these. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/mutex.h"
#include "capture/real.h"

static pthread_mutex_t mutex;
static uint32_t self;

static int setup(void **state)
{
    (void)state;
    mutex_init();
    self = mutex_self();
    mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    return self == (uint32_t)gettid() ? 0 : -1;
}

static void as_glibc(int type)
{
    pthread_mutex_t theirs = mutex = type == PTHREAD_MUTEX_NORMAL
                                         ? (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER
                                         : (pthread_mutex_t)PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
    assert_int_equal(REAL(pthread_mutex_lock)(&theirs), 0);
    assert_true(mutex_take(&mutex, self));
    assert_memory_equal(&mutex, &theirs, sizeof(mutex));
    assert_false(mutex_take(&mutex, self));
    assert_int_equal(REAL(pthread_mutex_trylock)(&mutex), EBUSY);
    assert_memory_equal(&mutex, &theirs, sizeof(mutex));
    assert_int_equal(REAL(pthread_mutex_unlock)(&theirs), 0);
    assert_true(mutex_leave(&mutex, self));
    assert_memory_equal(&mutex, &theirs, sizeof(mutex));
    assert_int_equal(REAL(pthread_mutex_destroy)(&mutex), 0);
}

static void as_glibc_does(void **state)
{
    (void)state;
    as_glibc(PTHREAD_MUTEX_NORMAL);
    as_glibc(PTHREAD_MUTEX_ADAPTIVE_NP);
}

static void others_are_left_alone(void **state)
{
    pthread_mutexattr_t attributes;
    (void)state;
    for (int type = PTHREAD_MUTEX_NORMAL; type <= PTHREAD_MUTEX_ADAPTIVE_NP; type++) {
        for (int more = type == PTHREAD_MUTEX_NORMAL || type == PTHREAD_MUTEX_ADAPTIVE_NP; more < 4; more++) {
            pthread_mutexattr_init(&attributes);
            pthread_mutexattr_settype(&attributes, type);
            if (more == 1)
                pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
            else if (more == 2)
                pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
            else if (more == 3)
                pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
            assert_int_equal(REAL(pthread_mutex_init)(&mutex, &attributes), 0);
            assert_false(mutex_take(&mutex, self));
            assert_int_equal(REAL(pthread_mutex_lock)(&mutex), 0);
            pthread_mutex_t before = mutex;
            assert_false(mutex_leave(&mutex, self));
            assert_memory_equal(&mutex, &before, sizeof(mutex));
            assert_int_equal(REAL(pthread_mutex_unlock)(&mutex), 0);
        }
    }
}

static void not_this_threads(void **state)
{
    (void)state;
    assert_false(mutex_take(&mutex, 0));
    assert_false(mutex_leave(&mutex, self));
    assert_true(mutex_take(&mutex, self + 1));
    assert_false(mutex_leave(&mutex, self));
    assert_false(mutex_leave(&mutex, 0));
}

static atomic_int stage;

static void *waiter(void *unused)
{
    assert_int_equal(REAL(pthread_mutex_lock)(&mutex), 0);
    stage = 1;
    assert_int_equal(REAL(pthread_mutex_unlock)(&mutex), 0);
    return unused;
}

/* Whoever waits has to be woken, which is glibc's business. */
static void waited_for(void **state)
{
    pthread_t thread;
    (void)state;
    assert_true(mutex_take(&mutex, self));
    pthread_create(&thread, NULL, waiter, NULL);
    while (load_relaxed(&mutex.__data.__lock) == 1)
        usleep(1000);
    assert_false(mutex_leave(&mutex, self));
    assert_int_equal(mutex.__data.__owner, self);
    assert_int_equal(mutex.__data.__nusers, 1);
    assert_int_equal(stage, 0);
    assert_int_equal(REAL(pthread_mutex_unlock)(&mutex), 0);
    pthread_join(thread, NULL);
    assert_int_equal(mutex.__data.__nusers, 0);
}

#define ROUNDS 200000
static long counted;

static void *racer(void *mine)
{
    uint32_t owner = (uint32_t)gettid();
    for (int i = 0; i < ROUNDS; i++) {
        if (!mine || !mutex_take(&mutex, owner))
            REAL(pthread_mutex_lock)(&mutex);
        counted++;
        if (!mine || !mutex_leave(&mutex, owner))
            REAL(pthread_mutex_unlock)(&mutex);
    }
    return NULL;
}

/* Threads that take it this way and glibc's exclude each other, and none sleeps for ever. */
static void both_ways(void **state)
{
    pthread_t threads[4];
    (void)state;
    counted = 0;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, racer, i % 2 ? &mutex : NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(counted, 4 * ROUNDS);
    assert_int_equal(mutex.__data.__lock, 0);
    assert_int_equal(mutex.__data.__nusers, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(as_glibc_does, setup),    cmocka_unit_test_setup(others_are_left_alone, setup),
        cmocka_unit_test_setup(not_this_threads, setup), cmocka_unit_test_setup(waited_for, setup),
        cmocka_unit_test_setup(both_ways, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
