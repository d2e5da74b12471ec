/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of held locks: whatever is taken and left, in whatever order, it ends empty and never names another lock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture/lockset.h"
#include "recording.h"

#define PC 0x1000

static char locks[40];

static int setup(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    memset(&lockset_self, 0, sizeof(lockset_self));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    recording_close(recording_end());
    return 0;
}

static void take(int lock)
{
    lockset_push(&locks[lock], PC, LOCK_KIND_MUTEX, 0);
}

static void assert_held(int count, ...)
{
    va_list list;
    va_start(list, count);
    assert_int_equal(lockset_self.depth, count);
    for (int i = 0; i < count; i++)
        assert_ptr_equal(lockset_self.held[i].lock, &locks[va_arg(list, int)]);
    va_end(list);
    for (uint32_t i = lockset_self.depth; i < LOCKSET_MAX; i++)
        assert_int_equal(lockset_self.held[i].lock, 0);
}

static void last_first(void **state)
{
    (void)state;
    take(1);
    take(2);
    assert_held(2, 1, 2);
    assert_true(lockset_pop(&locks[2]));
    assert_true(lockset_pop(&locks[1]));
    assert_held(0);
    assert_false(lockset_pop(&locks[1]));
}

static void any_order(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        take(i);
    assert_true(lockset_pop(&locks[0]));
    assert_held(4, 1, 2, 3, 4);
    assert_true(lockset_pop(&locks[3]));
    assert_held(3, 1, 2, 4);
    assert_false(lockset_pop(&locks[3]));
    assert_true(lockset_pop(&locks[2]));
    assert_true(lockset_pop(&locks[1]));
    assert_true(lockset_pop(&locks[4]));
    assert_held(0);
}

static void again(void **state)
{
    (void)state;
    take(1);
    lockset_find(&lockset_self, &locks[1])->again = 2;
    take(2);
    assert_true(lockset_pop(&locks[1]));
    assert_held(2, 1, 2);
    assert_true(lockset_pop(&locks[2]));
    assert_true(lockset_pop(&locks[1]));
    assert_held(1, 1);
    assert_true(lockset_pop(&locks[1]));
    assert_held(0);
}

static void too_many(void **state)
{
    (void)state;
    for (int i = 0; i < LOCKSET_MAX + 4; i++)
        take(i);
    assert_int_equal(lockset_self.depth, LOCKSET_MAX);
    for (int i = LOCKSET_MAX + 3; i >= 0; i--)
        assert_int_equal(lockset_pop(&locks[i]), i < LOCKSET_MAX);
    assert_held(0);
}

static void dropped(void **state)
{
    (void)state;
    take(1);
    take(2);
    take(1);
    lockset_find(&lockset_self, &locks[2])->again = 3;
    lockset_drop(&locks[1]);
    assert_held(1, 2);
    lockset_drop(&locks[2]);
    assert_held(0);
}

static void not_recording(void **state)
{
    (void)state;
    recorder_gate.open = 0;
    take(1);
    recorder_gate.open = 1;
    assert_held(0);
}

/* A handler that runs between the steps of a pop pushes above what is half gone. */
static void interrupted(void **state)
{
    (void)state;
    take(1);
    lockset_self.held[0].lock = 0;
    take(2);
    assert_ptr_equal(lockset_self.held[1].lock, &locks[2]);
    assert_true(lockset_pop(&locks[2]));
    assert_int_equal(lockset_self.depth, 1);
    lockset_self.depth = 0;
}

static void timed_at_random(void **state)
{
    (void)state;
    double weight = 0;
    const int count = 2000000;
    for (int i = 0; i < count; i++) {
        take(1);
        weight += lockset_self.held[0].weight;
        lockset_self.held[0].since_ns = 0;
        lockset_pop(&locks[1]);
    }
    assert_true(weight > 0.1 * count && weight < 10.0 * count); /* few are timed: an estimate */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(last_first), TEST(any_order),     TEST(again),       TEST(too_many),
                                       TEST(dropped),    TEST(not_recording), TEST(interrupted), TEST(timed_at_random)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
