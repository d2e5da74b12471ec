/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/options.h"

static char error[256];

static int set(struct analysis_options *options, const char *key, const char *value)
{
    error[0] = '\0';
    return analysis_option_set(options, key, value, error, sizeof(error));
}

static void defaults_are_valid(void **state)
{
    (void)state;
    struct analysis_options options;
    for (size_t i = 0; i < analysis_option_count(); i++) {
        const struct analysis_option *option = analysis_option_at(i);
        assert_int_equal(set(&options, option->key, option->default_text), 0);
        assert_true(strlen(option->description) > 0);
        assert_true(strlen(option->unit) > 0);
    }
    analysis_options_init(&options);
    assert_int_equal(options.io_single, 100000000);
    assert_int_equal(options.io_short, 20000);
    assert_true(options.io_share == 0.02);
    assert_int_equal(options.io_busy_count, 10);
    assert_int_equal(options.started_since_real_ns, 0);
}

static void durations(void **state)
{
    (void)state;
    struct analysis_options options;
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {{"100ms", 100000000},
                {"1.5s", 1500000000},
                {"20us", 20000},
                {"20 µs", 20000},
                {"7ns", 7},
                {"2min", UINT64_C(120000000000)},
                {"0", 0},
                {" 3 ms", 3000000}};
    static const char *const bad[] = {"", "100", "ms", "-1ms", "100 m", "1h", "nan", "inf", "1ms2", "0x"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(set(&options, "non-yielding-io.single", good[i].text), 0);
        assert_int_equal(options.io_single, good[i].ns);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(set(&options, "non-yielding-io.single", bad[i]), -EINVAL);
        assert_non_null(strstr(error, "a duration such as 100ms"));
    }
}

static void ratios_and_counts(void **state)
{
    (void)state;
    struct analysis_options options;
    assert_int_equal(set(&options, "gil-held-io.share", "2%"), 0);
    assert_true(options.gil_share > 0.01999 && options.gil_share < 0.02001);
    assert_int_equal(set(&options, "gil-held-io.share", "0.5"), 0);
    assert_true(options.gil_share == 0.5);
    assert_int_equal(set(&options, "gil-held-io.share", "150%"), -ERANGE);
    assert_int_equal(set(&options, "gil-held-io.share", "-1%"), -ERANGE);
    assert_int_equal(set(&options, "gil-held-io.share", "half"), -EINVAL);
    assert_int_equal(set(&options, "non-yielding-io.busy-count", "25"), 0);
    assert_int_equal(options.io_busy_count, 25);
    assert_int_equal(set(&options, "non-yielding-io.busy-count", "2.5"), -EINVAL);
    assert_int_equal(set(&options, "non-yielding-io.busy-count", "0"), -ERANGE);
}

static void unknown_key_names_the_nearest(void **state)
{
    (void)state;
    struct analysis_options options;
    assert_int_equal(set(&options, "non-yielding-io.shar", "2%"), -ENOENT);
    assert_non_null(strstr(error, "non-yielding-io.share"));
    assert_int_equal(set(&options, "zzz", "2%"), -ENOENT);
    assert_non_null(strstr(error, "zzz"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_valid),
        cmocka_unit_test(durations),
        cmocka_unit_test(ratios_and_counts),
        cmocka_unit_test(unknown_key_names_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
