/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <string.h>

#include "cli/message.h"
#include "cli/options.h"

enum key { KEY_FORMAT, KEY_OUTPUT, KEY_QUIET, KEY_HELP };

static const struct cli_option options[] = {
    {"format", 'f', ARGUMENT_REQUIRED, "FORMAT", "how", KEY_FORMAT},
    {"output", 'o', ARGUMENT_REQUIRED, "FILE", "where", KEY_OUTPUT},
    {"quiet", 'q', ARGUMENT_OPTIONAL, "yes|no", "silence", KEY_QUIET},
    {"help", 'h', ARGUMENT_NONE, NULL, "this text", KEY_HELP},
};

static const char *given[4];
static unsigned calls[4];
static char error[ERROR_SIZE];

static int apply(void *target, int key, const char *value, char *text, size_t size)
{
    (void)target;
    if (value && strcmp(value, "bad") == 0)
        return error_set(text, size, -22, "bad value");
    given[key] = value;
    calls[key]++;
    return 0;
}

static char *arguments[16];

static int parse(bool stop, const char *line)
{
    static char copy[200];
    char *rest = copy;
    int count = 0;
    struct cli_group group = {options, 4, apply, NULL};

    memset(given, 0, sizeof(given));
    memset(calls, 0, sizeof(calls));
    strcpy(copy, line);
    while ((arguments[count] = strsep(&rest, " ")))
        count++;
    return options_parse(&group, 1, stop, count, arguments, error, sizeof(error));
}

static void values_come_in_every_usual_form(void **state)
{
    (void)state;
    static const char *const forms[] = {"x --format json", "x --format=json", "x -f json", "x -fjson", "x -hfjson"};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        assert_int_equal(parse(false, forms[i]), 0);
        assert_string_equal(given[KEY_FORMAT], "json");
    }
    assert_int_equal(calls[KEY_HELP], 1);
}

static void optional_values_need_the_equals_sign(void **state)
{
    (void)state;
    assert_int_equal(parse(false, "x --quiet no"), 1);
    assert_null(given[KEY_QUIET]);
    assert_int_equal(parse(false, "x --quiet=no"), 0);
    assert_string_equal(given[KEY_QUIET], "no");
}

static void options_may_stand_among_operands(void **state)
{
    (void)state;
    assert_int_equal(parse(false, "x a -f json b -- --help -"), 4);
    assert_string_equal(arguments[1], "a");
    assert_string_equal(arguments[2], "b");
    assert_string_equal(arguments[3], "--help");
    assert_string_equal(arguments[4], "-");
    assert_int_equal(calls[KEY_HELP], 0);
}

static void a_commands_own_options_are_left_alone(void **state)
{
    (void)state;
    assert_int_equal(parse(true, "x -q prog --help -- -f json"), 5);
    assert_int_equal(calls[KEY_QUIET], 1);
    assert_int_equal(calls[KEY_HELP], 0);
    assert_string_equal(arguments[1], "prog");
    assert_string_equal(arguments[3], "--");
    assert_int_equal(parse(true, "x -- -prog"), 1);
    assert_string_equal(arguments[1], "-prog");
}

static void assert_error(const char *line, const char *text)
{
    assert_true(parse(false, line) < 0);
    if (!strstr(error, text))
        fail_msg("'%s' does not say '%s'", error, text);
}

static void errors_say_what_is_wrong(void **state)
{
    (void)state;
    assert_error("x --fromat json", "unknown option '--fromat'; did you mean 'format'?");
    assert_error("x -z", "unknown option '-z'");
    assert_error("x --format", "option '--format' needs a value: FORMAT");
    assert_error("x -f", "option '-f' needs a value: FORMAT");
    assert_error("x --help=yes", "option '--help' takes no value");
    assert_error("x --output bad", "bad value");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_in_every_usual_form),  cmocka_unit_test(optional_values_need_the_equals_sign),
        cmocka_unit_test(options_may_stand_among_operands), cmocka_unit_test(a_commands_own_options_are_left_alone),
        cmocka_unit_test(errors_say_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
