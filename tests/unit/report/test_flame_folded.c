/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/flame_sample.h"

static void folded_is(const struct flame *flame, const char *expected)
{
    size_t size;
    char *text = flame_sample_bytes(flame_format_find("folded"), flame, &size);
    assert_string_equal(text, expected);
    free(text);
}

/* Root first, microseconds; separators in names replaced, equal lines added up, what rounds to nothing left out. */
static void test_lines(void **state)
{
    struct flame flame = flame_sample();
    (void)state;
    folded_is(&flame,
              "main;main;View.get (views.py:33);0x1a2b [libmariadb.so.3];poll;[127.0.0.1:3306] 3000000\n"
              "main;main;std::map<int:>::at;futex_wait_[k] 2000000\n"
              "work:er?<1>;main;std::map<int:>::at;futex_wait_[k] 1000000\n");
}

static void test_kind(void **state)
{
    struct flame flame = flame_sample();
    (void)state;
    flame.kind = profile_kind_find("lock");
    folded_is(&flame,
              "main;main;std::map<int:>::at;futex_wait_[k] 2000000\n"
              "work:er?<1>;main;std::map<int:>::at;futex_wait_[k] 1000000\n");
    flame.kind = profile_kind_find("wakeup");
    folded_is(&flame, "");
}

static void test_idle(void **state)
{
    struct flame flame = flame_sample();
    size_t size;
    (void)state;
    flame.idle = true;
    char *text = flame_sample_bytes(flame_format_find("folded"), &flame, &size);
    assert_non_null(strstr(text, "main;[idle];main;poll 5000000\n"));
    free(text);
}

static void test_format_of_path(void **state)
{
    (void)state;
    assert_string_equal(flame_format_of_path("x/y.folded")->name, "folded");
    assert_null(flame_format_of_path("x.txt"));
    assert_null(flame_format_of_path(".folded"));
    assert_null(flame_format_find("png"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_kind),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_format_of_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
