/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/watchcost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void switches_cost_more_with_each_word(void **state)
{
    (void)state;
    assert_int_equal(watchcost_switch(2400, 0), 900);
    assert_int_equal(watchcost_switch(2400, 4), 2820);
    assert_int_equal(watchcost_switch(0, 4), 0);
}

static void windows_are_as_long_as_arming_is_dear(void **state)
{
    (void)state;
    assert_int_equal(watchcost_window(80000, 8, 0, 3000), 10000000);
    assert_int_equal(watchcost_window(0, 8, 0, 3000), 0);
}

/* Nobody switches: as above. One in ten microseconds: no longer than what arming cost. */
static void windows_are_short_where_threads_switch_often(void **state)
{
    (void)state;
    assert_int_equal(watchcost_window(80000, 8, 1, 3000), 10000000);
    assert_int_equal(watchcost_window(80000, 8, 100, 3000), 266666);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(switches_cost_more_with_each_word),
        cmocka_unit_test(windows_are_as_long_as_arming_is_dear),
        cmocka_unit_test(windows_are_short_where_threads_switch_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
