/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analysis/watched_windows.h"

static void add(struct watched_windows *windows, uint32_t object, uint32_t window, uint64_t begin_ns, uint16_t inside)
{
    struct event_mutate event = {.header = {.time_ns = begin_ns},
                                 .duration_ns = 10,
                                 .tid = 1 + begin_ns % 3,
                                 .flags = MUTATE_WRITE | MUTATE_WINDOW,
                                 .inside = inside,
                                 .window = window};
    watched_windows_add(windows, object, &event);
}

static void each_object_has_its_own_windows(void **state)
{
    (void)state;
    struct watched_windows windows = {0};
    const struct replay_setup setup = {.lock = REPLAY_ONE, .speed = 1};
    struct replay_result result = {0};
    add(&windows, 1, 0, 5, 0); /* in none */
    add(&windows, 2, 2, 1000, 0);
    add(&windows, 1, 1, 100, 0);
    add(&windows, 2, 1, 100, 1);
    add(&windows, 2, 1, 104, 1);
    watched_windows_finish(&windows);
    assert_int_equal(windows.count, 4);
    assert_int_equal(watched_windows_met(&windows, 1), 0);
    assert_int_equal(watched_windows_met(&windows, 2), 2);
    watched_windows_replay(&windows, 2, &setup, &result);
    assert_int_equal(result.operations, 3);
    assert_int_equal(result.queued, 1);
    assert_int_equal(result.wait_max_ns, 6);
    watched_windows_replay(&windows, 3, &setup, &result);
    assert_int_equal(result.operations, 3);
    replay_result_free(&result);
    watched_windows_free(&windows);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    struct watched_windows windows = {0};
    for (uint32_t i = 0; i < 5000000; i++)
        add(&windows, 1, 1 + i / 1000, i, 0);
    watched_windows_finish(&windows);
    assert_true(windows.count > 400000 && windows.count <= 1000001);
    for (size_t i = 1; i < windows.count; i++)
        assert_true(windows.list[i].window % windows.stride == 0);
    /* What is left of a window is whole. */
    assert_int_equal(windows.list[999].window, windows.list[0].window);
    assert_int_not_equal(windows.list[1000].window, windows.list[0].window);
    watched_windows_free(&windows);
}

/* All in one window: nothing can be let go, but there is an end. */
static void one_endless_window(void **state)
{
    (void)state;
    struct watched_windows windows = {0};
    for (uint32_t i = 0; i < 3000000; i++)
        add(&windows, 1, 1u << 31, i, 0);
    assert_int_equal(windows.count, 2000000);
    watched_windows_free(&windows);
}

static void standing_still_is_told_from_working(void **state)
{
    (void)state;
    struct watched_windows windows = {0};
    for (uint32_t i = 0; i < 100; i++)
        add(&windows, 1, 1, 1000 + 100 * i, 0);
    watched_windows_finish(&windows);
    struct watched_standing standing = watched_windows_standing(&windows, 1);
    assert_true(standing.share == 0);
    assert_int_equal(standing.usual_ns, 10);
    watched_windows_free(&windows);

    windows = (struct watched_windows){0};
    for (uint32_t i = 0; i < 100; i++)
        add(&windows, 1, 1, 1000 + 3 * i, 1);
    watched_windows_finish(&windows);
    assert_true(watched_windows_standing(&windows, 1).share > 0.5);
    watched_windows_free(&windows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_object_has_its_own_windows),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(one_endless_window),
        cmocka_unit_test(standing_still_is_told_from_working),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
