/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "analysis/arena.h"
#include "analysis/lock_replay.h"

#define US UINT64_C(1000)

static const struct replay_setup ONE = {.lock = REPLAY_ONE, .speed = 1, .stood_max_ns = UINT64_MAX};

static struct replay_operation op(uint64_t thread, uint64_t begin_us, uint64_t us)
{
    return (struct replay_operation){
        .begin_ns = begin_us * US, .end_ns = (begin_us + us) * US, .thread = thread, .run_ns = us * US};
}

static void assert_about(double value, double expected, double tolerance)
{
    if (value < expected - tolerance || value > expected + tolerance)
        fail_msg("%g, expected %g", value, expected);
}

static void nothing_overlaps_nothing_waits(void **state)
{
    (void)state;
    const struct replay_operation list[] = {op(1, 0, 10), op(2, 20, 10), op(1, 40, 10), op(2, 60, 10), op(1, 80, 20)};
    struct replay_result result = {0};
    replay_window(list, 5, &ONE, &result);
    assert_int_equal(result.operations, 5);
    assert_int_equal(result.queued, 0);
    assert_about(replay_utilisation(&result, REPLAY_ONE), 60.0 / (100 * 1.25), 1e-9);
    assert_about(replay_queue_mean(&result), 0, 0);
    replay_result_free(&result);
}

/* Three come at once: they wait 0, 10 and 20. */
static void who_comes_second_waits(void **state)
{
    (void)state;
    const struct replay_operation list[] = {op(1, 0, 10), op(2, 0, 10), op(3, 0, 10)};
    struct replay_result result = {0};
    replay_window(list, 3, &ONE, &result);
    assert_int_equal(result.queued, 2);
    assert_int_equal(result.queue_max, 2);
    assert_int_equal(result.wait_max_ns, 20 * US);
    assert_about(result.wait_ns, 30e3, 1e-6);
    assert_about(replay_queue_mean(&result), 30.0 / 45, 1e-9);
    replay_result_free(&result);
}

/* Thread 2 waits 9, so its next operation, 5 after the first one's end, comes 9 later as well, and meets nobody. */
static void a_thread_comes_back_later_by_what_it_waited(void **state)
{
    (void)state;
    const struct replay_operation list[] = {op(1, 0, 10), op(2, 1, 10), op(2, 16, 4), op(3, 21, 3), op(1, 30, 1)};
    struct replay_result result = {0};
    replay_window(list, 5, &ONE, &result);
    assert_int_equal(result.queued, 1 + 0);
    assert_int_equal(result.wait_max_ns, 9 * US);
    replay_result_free(&result);
}

/* Operations of 10 every 100 in each of two threads that never meet: at ten times the rate they do. */
static void at_a_higher_rate_it_is_busier(void **state)
{
    (void)state;
    struct replay_operation list[200];
    double last = 0;
    for (uint64_t i = 0; i < 100; i++) {
        list[2 * i] = op(1, 110 * i, 10);
        list[2 * i + 1] = op(2, 110 * i + 50, 10);
    }
    for (unsigned speed = 1; speed <= 10; speed += 3) {
        struct replay_setup setup = ONE;
        struct replay_result result = {0};
        setup.speed = speed;
        replay_window(list, 200, &setup, &result);
        double busy = replay_utilisation(&result, REPLAY_ONE);
        assert_true(busy > last);
        /* 20 of work in each (10 + 100 / speed), until the lock is busy all the time */
        double expected = 20 / (10 + 100.0 / speed);
        assert_about(busy, expected < 0.99 ? expected : 0.99, 0.02);
        last = busy;
        replay_result_free(&result);
    }
}

/* The M/D/1 queue, whose mean wait is known (Pollaczek and Khinchine): rho * service / (2 * (1 - rho)). */
static void waits_are_those_of_the_theory(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    struct replay_operation *list = memory_get(COUNT, sizeof(*list));
    uint64_t random = 88172645463325252u, time = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        double u = (double)(random >> 11) / 9007199254740992.0;
        time += (uint64_t)(-20000 * __builtin_log(1 - u));
        list[i] = (struct replay_operation){.begin_ns = time, .end_ns = time + 10000, .thread = i, .run_ns = 10000};
    }
    struct replay_result result = {0};
    replay_window(list, COUNT, &ONE, &result);
    assert_about(replay_utilisation(&result, REPLAY_ONE), 0.5, 0.01);
    assert_about(result.wait_ns / COUNT, 0.5 * 10000 / (2 * 0.5), 250);
    replay_result_free(&result);

    /* Sixteen locks: each has a sixteenth of the load. */
    struct replay_setup striped = ONE;
    result = (struct replay_result){0};
    striped.lock = REPLAY_STRIPED;
    replay_window(list, COUNT, &striped, &result);
    assert_about(replay_utilisation(&result, REPLAY_STRIPED), 0.5 / 16, 0.001);
    assert_about(result.wait_ns / COUNT, 0.03125 * 10000 / (2 * (1 - 0.03125)), 40);
    replay_result_free(&result);
    free(list);
}

static void readers_have_a_shared_lock_together(void **state)
{
    (void)state;
    struct replay_operation list[] = {op(1, 0, 10), op(2, 1, 10), op(3, 2, 10), op(4, 3, 10)};
    struct replay_setup setup = ONE;
    struct replay_result result = {0};
    setup.lock = REPLAY_SHARED;
    for (size_t i = 0; i < 4; i++)
        list[i].shared = true;
    replay_window(list, 4, &setup, &result);
    assert_int_equal(result.queued, 0);
    replay_result_free(&result);

    /* A writer third: it waits for both readers, the reader behind it waits for it. */
    result = (struct replay_result){0};
    list[2].shared = false;
    replay_window(list, 4, &setup, &result);
    assert_int_equal(result.queued, 2);
    assert_about(result.wait_ns, (11 - 2 + 21 - 3) * 1e3, 1e-6);
    replay_result_free(&result);
}

/* The second began while the first was inside, and ended before it: the first stood still for as long as it can have.
 */
static void standing_still_is_found(void **state)
{
    (void)state;
    struct replay_operation list[] = {op(1, 0, 100), op(2, 10, 20), op(3, 200, 5)};
    replay_split(list, 3);
    assert_int_equal(list[0].run_ns, 10 * US);
    assert_int_equal(list[0].rest_ns, 70 * US);
    assert_int_equal(list[0].stood_ns, 20 * US);
    assert_int_equal(list[1].run_ns, 20 * US);
    assert_int_equal(list[1].stood_ns, 0);
    assert_int_equal(list[2].run_ns, 5 * US);
    assert_int_equal(list[2].rest_ns, 0);
}

/* Under an interpreter's lock the same operations, one after the other, wait for nothing but the interpreter. */
static void who_runs_keeps_nobody_waiting_for_the_lock(void **state)
{
    (void)state;
    struct replay_operation list[] = {op(1, 0, 10), op(2, 5, 10), op(3, 7, 10)};
    struct replay_setup setup = ONE;
    struct replay_result result = {0};
    setup.interpreter = true;
    setup.handover_ns = 50 * US;
    replay_window(list, 3, &setup, &result);
    assert_int_equal(result.queued, 0);
    replay_result_free(&result);
}

/* One that stands still in the middle does: until it has ended, and the one that waited was woken. */
static void who_stands_still_does(void **state)
{
    (void)state;
    struct replay_operation list[] = {op(1, 0, 100), op(2, 10, 20)};
    struct replay_setup setup = ONE;
    struct replay_result result = {0};
    replay_split(list, 2);
    setup.interpreter = true;
    setup.handover_ns = 50 * US;
    setup.stood_max_ns = 15 * US;
    replay_window(list, 2, &setup, &result);
    assert_int_equal(result.queued, 1);
    assert_int_equal(result.wait_max_ns, (10 + 15 + 70 + 50 - 10) * US);
    assert_about(result.busy_ns, (10 + 15 + 70 + 20) * 1e3, 1e-6);
    replay_result_free(&result);
}

static void windows_add_up(void **state)
{
    (void)state;
    const struct replay_operation list[] = {op(1, 0, 10), op(2, 5, 10)};
    struct replay_result result = {0};
    replay_window(list, 2, &ONE, &result);
    replay_window(list, 2, &ONE, &result);
    replay_window(list, 0, &ONE, &result);
    assert_int_equal(result.operations, 4);
    assert_int_equal(result.queued, 2);
    assert_about(replay_utilisation(&result, REPLAY_ONE), 0.5, 1e-9);
    replay_result_free(&result);
}

/* Times that go backwards come of a damaged file. */
static void damage_is_survived(void **state)
{
    (void)state;
    struct replay_operation list[] = {{.begin_ns = 100, .end_ns = 50, .thread = 1, .run_ns = 0},
                                      {.begin_ns = 100, .end_ns = UINT64_C(1) << 60, .thread = 1, .run_ns = 1},
                                      {.begin_ns = 101, .end_ns = 102, .thread = 1, .run_ns = 1}};
    struct replay_result result = {0};
    replay_split(list, 3);
    replay_window(list, 3, &ONE, &result);
    assert_int_equal(result.operations, 3);
    replay_result_free(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_overlaps_nothing_waits),
        cmocka_unit_test(who_comes_second_waits),
        cmocka_unit_test(a_thread_comes_back_later_by_what_it_waited),
        cmocka_unit_test(at_a_higher_rate_it_is_busier),
        cmocka_unit_test(waits_are_those_of_the_theory),
        cmocka_unit_test(readers_have_a_shared_lock_together),
        cmocka_unit_test(standing_still_is_found),
        cmocka_unit_test(who_runs_keeps_nobody_waiting_for_the_lock),
        cmocka_unit_test(who_stands_still_does),
        cmocka_unit_test(windows_add_up),
        cmocka_unit_test(damage_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
