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

#include "cli/message.h"
#include "cli/suppressions.h"
#include "report/sample.h"

static char error[ERROR_SIZE];

static bool suppressed_by(const char *line)
{
    struct suppressions suppressions = {0};
    if (suppressions_add(&suppressions, line, "file", 7, error, sizeof(error)) < 0)
        fail_msg("%s", error);
    bool matched = suppressions_match(&suppressions, &sample_report()->findings[0]);
    assert_true(suppressions.count == 0 || suppressions.items[0].used == matched);
    suppressions_free(&suppressions);
    return matched;
}

static void patterns_match_every_kind_of_place(void **state)
{
    (void)state;
    assert_true(suppressed_by("non-yielding-io:View.get"));               /* function */
    assert_true(suppressed_by("non-yielding-io:libmariadb.so*"));         /* module */
    assert_true(suppressed_by("non-yielding-io:*/views.py"));             /* file */
    assert_true(suppressed_by("non-yielding-io:127.0.0.1:3306"));         /* peer */
    assert_true(suppressed_by("non-yielding-io:SELECT * FROM user"));     /* operation */
    assert_true(suppressed_by("*:View.*"));                               /* any rule */
    assert_true(suppressed_by("  non-yielding-io:View.get  # reviewed")); /* comment */
}

static void patterns_match_whole_texts_of_their_rule(void **state)
{
    (void)state;
    assert_false(suppressed_by("non-yielding-io:View"));
    assert_false(suppressed_by("loop-stall:View.get"));
    assert_false(suppressed_by("# non-yielding-io:View.get"));
    assert_false(suppressed_by("   "));
}

static bool suppresses(const char *line, const struct finding *finding)
{
    struct suppressions suppressions = {0};
    assert_int_equal(suppressions_add(&suppressions, line, "file", 1, error, sizeof(error)), 0);
    bool matched = suppressions_match(&suppressions, finding);
    suppressions_free(&suppressions);
    return matched;
}

static void peers_and_operations_are_matched(void **state)
{
    (void)state;
    struct peer peer = {.protocol = "mysql", .family = "inet", .address = "10.0.0.1:3306", .name = "db.internal"};
    struct finding finding = {.rule = "non-yielding-io", .peer = &peer, .operation = "SELECT ? FROM user"};
    assert_true(suppresses("*:10.0.0.1:*", &finding));
    assert_true(suppresses("*:db.internal", &finding));
    assert_true(suppresses("*:mysql://*", &finding));
    assert_true(suppresses("*:SELECT * FROM user", &finding));
    assert_false(suppresses("*:redis://*", &finding));
    assert_false(suppresses("*:INSERT*", &finding));
}

static void brackets_may_be_meant_literally(void **state)
{
    (void)state;
    struct suppressions suppressions = {0};
    struct peer peer = {.protocol = "unknown", .family = "inet6", .address = "[::1]:3306"};
    struct finding finding = {.rule = "non-yielding-io", .peer = &peer};
    assert_int_equal(suppressions_add(&suppressions, "*:[::1]:3306", "file", 1, error, sizeof(error)), 0);
    assert_true(suppressions_match(&suppressions, &finding));
    suppressions_free(&suppressions);
}

static void mistakes_name_file_and_line(void **state)
{
    (void)state;
    struct suppressions suppressions = {0};
    assert_true(suppressions_add(&suppressions, "View.get", "s.txt", 3, error, sizeof(error)) < 0);
    assert_non_null(strstr(error, "s.txt:3: 'View.get' is not of the form rule:pattern"));
    assert_true(suppressions_add(&suppressions, "loop-stal:x", "s.txt", 4, error, sizeof(error)) < 0);
    assert_string_equal(error, "s.txt:4: 'loop-stal' is no rule of this build; did you mean 'loop-stall'?");
    assert_true(suppressions_add(&suppressions, "loop-stall:", "s.txt", 5, error, sizeof(error)) < 0);
    assert_int_equal(suppressions.count, 0);
    suppressions_free(&suppressions);
}

static void a_file_is_read_line_by_line(void **state)
{
    (void)state;
    struct suppressions suppressions = {0};
    char path[] = "/tmp/cprobe-suppressions.XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    fputs("# known\n\nloop-stall:nothing.py\nnon-yielding-io:View.get", file);
    fclose(file);
    assert_int_equal(suppressions_load(&suppressions, path, error, sizeof(error)), 0);
    assert_int_equal(suppressions.count, 2);
    assert_true(suppressions_match(&suppressions, &sample_report()->findings[0]));
    assert_false(suppressions.items[0].used);
    assert_true(suppressions.items[1].used);
    suppressions_free(&suppressions);
    unlink(path);
    assert_true(suppressions_load(&suppressions, path, error, sizeof(error)) < 0);
    assert_non_null(strstr(error, "cannot read suppressions"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_every_kind_of_place),
        cmocka_unit_test(patterns_match_whole_texts_of_their_rule),
        cmocka_unit_test(peers_and_operations_are_matched),
        cmocka_unit_test(brackets_may_be_meant_literally),
        cmocka_unit_test(mistakes_name_file_and_line),
        cmocka_unit_test(a_file_is_read_line_by_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
