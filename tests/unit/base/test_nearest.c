/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <string.h>

#include "base/nearest.h"

static void edits_are_counted(void **state)
{
    (void)state;
    assert_int_equal(nearest_distance("", ""), 0);
    assert_int_equal(nearest_distance("", "abc"), 3);
    assert_int_equal(nearest_distance("abc", "abc"), 0);
    assert_int_equal(nearest_distance("abc", "ABC"), 0);
    assert_int_equal(nearest_distance("abc", "acb"), 1); /* a swap is one edit */
    assert_int_equal(nearest_distance("kitten", "sitting"), 3);
    assert_int_equal(nearest_distance("report", "rport"), 1);
}

static void only_what_is_near_is_named(void **state)
{
    (void)state;
    static const char *const names[] = {"run", "report", "check"};
    assert_string_equal(nearest_name("reprot", names, 3), "report");
    assert_string_equal(nearest_name("chek", names, 3), "check");
    assert_null(nearest_name("flamegraph", names, 3));
    assert_null(nearest_name("x", names, 0));
}

static void long_names_are_harmless(void **state)
{
    (void)state;
    char name[500];
    const char *names[] = {"report"};
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(nearest_distance(name, name), 0);
    assert_null(nearest_name(name, names, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edits_are_counted),
        cmocka_unit_test(only_what_is_near_is_named),
        cmocka_unit_test(long_names_are_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
