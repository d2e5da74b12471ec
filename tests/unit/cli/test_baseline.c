/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/baseline.h"
#include "cli/message.h"
#include "report/sample.h"

static char error[ERROR_SIZE];
static char path[64];

static int path_setup(void **state)
{
    (void)state;
    strcpy(path, "/tmp/cprobe-baseline.XXXXXX");
    return close(mkstemp(path));
}

static int path_teardown(void **state)
{
    (void)state;
    return unlink(path);
}

static void what_is_written_is_known_afterwards(void **state)
{
    (void)state;
    struct baseline baseline = {0};
    struct report *report = sample_report();
    report->findings[0].title = "not \xff UTF-8";
    assert_int_equal(baseline_write(path, report->findings, report->finding_count, error, sizeof(error)), 0);
    assert_int_equal(baseline_load(&baseline, path, error, sizeof(error)), 0);
    assert_int_equal(baseline.count, 2);
    assert_true(baseline_contains(&baseline, UINT64_C(0x0e3c1a2b9f00d412)));
    assert_false(baseline_contains(&baseline, 1));
    assert_true(baseline.entries[0].seen);
    assert_false(baseline.entries[1].seen);
    assert_string_equal(baseline.entries[1].rule, "loop-stall");
    assert_string_equal(baseline.entries[1].title, "a turn of the loop took 480 ms");
    baseline_free(&baseline);
}

static void an_empty_baseline_is_one(void **state)
{
    (void)state;
    struct baseline baseline = {0};
    assert_int_equal(baseline_write(path, NULL, 0, error, sizeof(error)), 0);
    assert_int_equal(baseline_load(&baseline, path, error, sizeof(error)), 0);
    assert_int_equal(baseline.count, 0);
    baseline_free(&baseline);
}

static void assert_refused(const char *text, const char *reason)
{
    struct baseline baseline = {0};
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    assert_true(baseline_load(&baseline, path, error, sizeof(error)) < 0);
    baseline_free(&baseline);
    if (!strstr(error, reason) || !strstr(error, path))
        fail_msg("'%s' does not say '%s'", error, reason);
}

static void a_damaged_baseline_is_refused(void **state)
{
    (void)state;
    assert_refused("", ":");
    assert_refused("{\n\"version\": 1,\n", ":3: ");
    assert_refused("[]", "\"version\" is not 1");
    assert_refused("{\"version\": 2, \"findings\": []}", "\"version\" is not 1");
    assert_refused("{\"version\": 1}", "no array \"findings\"");
    assert_refused("{\"version\": 1, \"findings\": [{\"id\": \"0123456789abcdef\"}, {\"id\": \"xyz\"}]}",
                   "entry 2 has no \"id\" of 16 hex digits");
    assert_refused("{\"version\": 1, \"findings\": [{\"id\": 5}]}", "entry 1");
}

static void failures_to_read_or_write_say_why(void **state)
{
    (void)state;
    struct baseline baseline = {0};
    assert_true(baseline_load(&baseline, "/nonexistent/b.json", error, sizeof(error)) < 0);
    assert_string_equal(error, "cannot read baseline /nonexistent/b.json: No such file or directory");
    assert_true(baseline_write("/nonexistent/b.json", NULL, 0, error, sizeof(error)) < 0);
    assert_string_equal(error, "cannot write /nonexistent/b.json: No such file or directory");
    assert_true(baseline_write("/dev/full", NULL, 0, error, sizeof(error)) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_known_afterwards, path_setup, path_teardown),
        cmocka_unit_test_setup_teardown(an_empty_baseline_is_one, path_setup, path_teardown),
        cmocka_unit_test_setup_teardown(a_damaged_baseline_is_refused, path_setup, path_teardown),
        cmocka_unit_test(failures_to_read_or_write_say_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
