/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When all operations are recorded: a tenth of each second at first, and never more than the allowance. */
#include "capture/python_window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)
#define START (1000 * MS)

static void first_tenth_of_a_second(void **state)
{
    (void)state;
    python_window_begin(1000000);
    assert_int_equal(python_window_now(START), 1);
    assert_int_equal(python_window_now(START + 99 * MS), 1);
    assert_int_equal(python_window_now(START + 100 * MS), 0);
    assert_int_equal(python_window_now(START + 999 * MS), 0);
    assert_int_equal(python_window_now(START + 5000 * MS), 2);
    assert_int_equal(python_window_now(START + 5099 * MS), 2);
}

/* Those begun while it is open, all of them, then none. */
static void a_window_is_bounded(void **state)
{
    (void)state;
    python_window_begin(1000000);
    uint64_t recorded = 0;
    for (uint64_t i = 0; i < 10000; i++) {
        uint32_t number = python_window_now(START + i * MS / 1000);
        assert_int_equal(number, recorded == i && i < 2000 ? 1 : 0);
        recorded += number != 0;
    }
    assert_int_equal(recorded, 2000);
}

/* A twentieth of the room at once, and as much again in five minutes. */
static void the_allowance_holds(void **state)
{
    (void)state;
    python_window_begin(200000);
    uint64_t recorded = 0, at_once = 0;
    for (uint64_t i = 0; i < 300 * 5000; i++) {
        recorded += python_window_now(START + i * MS / 5) != 0;
        if (i == 20 * 5000)
            at_once = recorded;
    }
    assert_in_range(at_once, 9000, 11000);
    assert_in_range(recorded, 17000, 20000);
    assert_true(python_window_now(START + 10000000 * MS) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_tenth_of_a_second),
        cmocka_unit_test(a_window_is_bounded),
        cmocka_unit_test(the_allowance_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
