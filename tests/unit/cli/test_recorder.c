/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/message.h"
#include "cli/recorder.h"

static char error[ERROR_SIZE];

static void assert_value(enum recorder_option option, const char *text, const char *stored)
{
    struct recorder_settings settings = {0};
    int rc = recorder_set(&settings, option, text, error, sizeof(error));

    if (stored) {
        assert_int_equal(rc, 0);
        assert_string_equal(settings.value[option], stored);
    } else {
        assert_true(rc < 0);
        assert_null(settings.value[option]);
    }
    recorder_free(&settings);
}

static void sizes_need_to_be_in_range(void **state)
{
    (void)state;
    assert_value(RECORDER_max_size, "64M", "64M");
    assert_value(RECORDER_max_size, "1048576", "1048576");
    assert_value(RECORDER_max_size, "4G", "4G");
    assert_value(RECORDER_max_size, "5G", NULL);
    assert_value(RECORDER_max_size, "1000K", NULL);
    assert_value(RECORDER_max_size, "64X", NULL);
    assert_value(RECORDER_max_size, "-64M", NULL);
    assert_value(RECORDER_max_size, "99999999999999999999", NULL);
    assert_value(RECORDER_max_size, "18446744073709551615G", NULL);
    assert_value(RECORDER_max_size, "", NULL);
}

static void times_need_a_unit(void **state)
{
    (void)state;
    assert_value(RECORDER_sample, "1ms", "1ms");
    assert_value(RECORDER_sample, "10s", "10s");
    assert_value(RECORDER_sample, "11s", NULL);
    assert_value(RECORDER_sample, "10", NULL);
    assert_value(RECORDER_stall, "99us", NULL);
    assert_value(RECORDER_stall, "60m", "60m");
}

static void flags_reach_the_recorder_as_digits(void **state)
{
    (void)state;
    assert_value(RECORDER_quiet, "yes", "1");
    assert_value(RECORDER_quiet, "False", "0");
    assert_value(RECORDER_quiet, "maybe", NULL);
}

static void words_reach_the_recorder_in_its_own_form(void **state)
{
    (void)state;
    assert_value(RECORDER_wire, "off", "0");
    assert_value(RECORDER_wire, "on", "1");
    assert_value(RECORDER_wire, "perhaps", NULL);
    assert_value(RECORDER_keys, "Hash", "hash");
    assert_value(RECORDER_keys, "some", NULL);
    assert_value(RECORDER_connections, "100", "100");
    assert_value(RECORDER_connections, "0", NULL);
    assert_value(RECORDER_connections, "1K", NULL);
    assert_value(RECORDER_watch_py, "shop:Basket.add,take *:Stock", "shop:Basket.add,take *:Stock");
    assert_value(RECORDER_watch_py, "off", "off");
    assert_value(RECORDER_watch_py, "Basket", NULL);
    assert_value(RECORDER_watch_py, "shop: Basket", NULL);
}

static void names_to_watch_are_a_list(void **state)
{
    (void)state;
    assert_value(RECORDER_watch, "*cache*,global:table,!*memory*", "*cache*,global:table,!*memory*");
    assert_value(RECORDER_watch, "*", "*");
    assert_value(RECORDER_watch, "off", "off");
    assert_value(RECORDER_watch, "", NULL);
    assert_value(RECORDER_watch, "a,,b", NULL);
    assert_value(RECORDER_watch, "a,", NULL);
    assert_value(RECORDER_watch, "a,off", NULL);
    assert_value(RECORDER_watch, "a b", NULL);
    assert_value(RECORDER_watch, "global:", NULL);
    assert_value(RECORDER_watch, "!", NULL);
    assert_value(RECORDER_watch,
                 "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32",
                 "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32");
    assert_value(RECORDER_watch,
                 "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33", NULL);
}

static void a_bad_value_says_what_a_good_one_looks_like(void **state)
{
    (void)state;
    assert_value(RECORDER_stall, "soon", NULL);
    assert_string_equal(error, "'soon' is not a value for stall; give a time from 100us to 60m, such as 10ms");
}

static void the_command_line_beats_the_variable(void **state)
{
    (void)state;
    struct recorder_settings line = {0}, variable = {0};
    setenv("CPROBE_MAX_SIZE", "128M", 1);
    assert_int_equal(recorder_read_variable(&variable, RECORDER_max_size, error, sizeof(error)), 0);
    assert_int_equal(recorder_set(&variable, RECORDER_stall, "20ms", error, sizeof(error)), 0);
    assert_int_equal(recorder_set(&line, RECORDER_max_size, "32M", error, sizeof(error)), 0);
    recorder_merge(&line, &variable);
    assert_string_equal(line.value[RECORDER_max_size], "32M");
    assert_string_equal(line.value[RECORDER_stall], "20ms");
    assert_string_equal(recorder_dir(&line), "./cprobe.data");
    assert_true(recorder_flag(&line, RECORDER_summary, true));
    recorder_free(&line);
    recorder_free(&variable);
    setenv("CPROBE_MAX_SIZE", "huge", 1);
    assert_true(recorder_read_variable(&line, RECORDER_max_size, error, sizeof(error)) < 0);
    assert_non_null(strstr(error, "variable CPROBE_MAX_SIZE: 'huge'"));
    unsetenv("CPROBE_MAX_SIZE");
}

static void the_library_is_preloaded_before_others(void **state)
{
    (void)state;
    struct recorder_settings settings = {0};
    assert_int_equal(recorder_set(&settings, RECORDER_stall, "20ms", error, sizeof(error)), 0);
    unsetenv("LD_PRELOAD");
    assert_int_equal(recorder_export(&settings, "/x/libcprobe.so"), 0);
    assert_string_equal(getenv("LD_PRELOAD"), "/x/libcprobe.so");
    assert_string_equal(getenv("CPROBE_STALL"), "20ms");
    setenv("LD_PRELOAD", "/y/libfaketime.so", 1);
    assert_int_equal(recorder_export(&settings, "/x/libcprobe.so"), 0);
    assert_string_equal(getenv("LD_PRELOAD"), "/x/libcprobe.so:/y/libfaketime.so");
    unsetenv("LD_PRELOAD");
    unsetenv("CPROBE_STALL");
    recorder_free(&settings);
}

static void the_library_can_be_named(void **state)
{
    (void)state;
    char path[4096], directory[] = "/tmp/cprobe test.XXXXXX", library[64];
    setenv("CPROBE_LIB", "/bin/sh", 1);
    assert_int_equal(recorder_find_library(path, sizeof(path), error, sizeof(error)), 0);
    setenv("CPROBE_LIB", "/nonexistent/libcprobe.so", 1);
    assert_true(recorder_find_library(path, sizeof(path), error, sizeof(error)) < 0);
    assert_non_null(strstr(error, "CPROBE_LIB names /nonexistent/libcprobe.so"));

    assert_non_null(mkdtemp(directory));
    snprintf(library, sizeof(library), "%s/lib.so", directory);
    fclose(fopen(library, "w"));
    setenv("CPROBE_LIB", library, 1);
    assert_true(recorder_find_library(path, sizeof(path), error, sizeof(error)) < 0);
    assert_non_null(strstr(error, "space"));
    unsetenv("CPROBE_LIB");
    unlink(library);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_need_to_be_in_range),
        cmocka_unit_test(times_need_a_unit),
        cmocka_unit_test(flags_reach_the_recorder_as_digits),
        cmocka_unit_test(words_reach_the_recorder_in_its_own_form),
        cmocka_unit_test(names_to_watch_are_a_list),
        cmocka_unit_test(a_bad_value_says_what_a_good_one_looks_like),
        cmocka_unit_test(the_command_line_beats_the_variable),
        cmocka_unit_test(the_library_is_preloaded_before_others),
        cmocka_unit_test(the_library_can_be_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
