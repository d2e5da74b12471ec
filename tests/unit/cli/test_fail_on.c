/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <string.h>

#include "cli/fail_on.h"
#include "cli/message.h"

static char error[ERROR_SIZE];

static bool matches(const char *list, const char *rule, enum severity severity)
{
    struct fail_on fail_on;
    struct finding finding = {.rule = rule, .severity = severity};

    if (fail_on_parse(&fail_on, list, error, sizeof(error)) < 0)
        fail_msg("%s", error);
    return fail_on_matches(&fail_on, &finding);
}

static void a_severity_includes_what_is_worse(void **state)
{
    (void)state;
    assert_true(matches("warning", "loop-stall", SEVERITY_WARNING));
    assert_true(matches("warning", "loop-stall", SEVERITY_ERROR));
    assert_false(matches("warning", "loop-stall", SEVERITY_NOTE));
    assert_true(matches("all", "loop-stall", SEVERITY_NOTE));
    assert_true(matches("error,note", "loop-stall", SEVERITY_NOTE));
    assert_true(matches("note,error", "loop-stall", SEVERITY_NOTE));
}

static void a_rule_matches_at_any_severity(void **state)
{
    (void)state;
    assert_true(matches("loop-stall", "loop-stall", SEVERITY_NOTE));
    assert_false(matches("loop-stall", "non-yielding-io", SEVERITY_ERROR));
    assert_true(matches(" loop-stall , error", "non-yielding-io", SEVERITY_ERROR));
    assert_true(matches("loop-stall,gil-held-io", "gil-held-io", SEVERITY_WARNING));
}

static void the_default_is_every_error(void **state)
{
    (void)state;
    struct fail_on fail_on = fail_on_default();
    assert_true(fail_on_matches(&fail_on, &(struct finding){.rule = "x", .severity = SEVERITY_ERROR}));
    assert_false(fail_on_matches(&fail_on, &(struct finding){.rule = "x", .severity = SEVERITY_WARNING}));
}

static void unknown_words_are_errors(void **state)
{
    (void)state;
    struct fail_on fail_on;
    assert_true(fail_on_parse(&fail_on, "eror", error, sizeof(error)) < 0);
    assert_non_null(strstr(error, "did you mean 'error'?"));
    assert_true(fail_on_parse(&fail_on, "loop_stall", error, sizeof(error)) < 0);
    assert_non_null(strstr(error, "did you mean 'loop-stall'?"));
    assert_true(fail_on_parse(&fail_on, "", error, sizeof(error)) < 0);
    assert_true(fail_on_parse(&fail_on, " , ", error, sizeof(error)) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_severity_includes_what_is_worse),
        cmocka_unit_test(a_rule_matches_at_any_severity),
        cmocka_unit_test(the_default_is_every_error),
        cmocka_unit_test(unknown_words_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
