/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "trace/reader.h"

static void expect_line(const union trace_event *e, const char *expected)
{
    char line[512];
    assert_int_equal(trace_event_format(e, line, sizeof(line)), strlen(expected));
    assert_string_equal(line, expected);
}

static void test_numbers(void **state)
{
    (void)state;
    union trace_event e = {.wait = {.header = {EVENT_MAGIC, EVENT_WAIT, 64, 123},
                                    .duration_ns = UINT64_MAX,
                                    .weight = 1.25f,
                                    .tid = 7,
                                    .fd = INT_MIN,
                                    .call = 5,
                                    .result = -1}};
    expect_line(&e,
                "123 wait duration_ns=18446744073709551615 weight=1.25 tid=7 stack=0 endpoint=0 fd=-2147483648 "
                "call=5:recv flags=0 error=0 fds=0 result=-1 slot=0");
    e.wait.call = 999;
    e.wait.weight = 0.1f;
    expect_line(&e,
                "123 wait duration_ns=18446744073709551615 weight=0.100000001 tid=7 stack=0 endpoint=0 "
                "fd=-2147483648 call=999 flags=0 error=0 fds=0 result=-1 slot=0");
}

static void test_numbers_below_zero(void **state)
{
    (void)state;
    union trace_event e;
    memset(&e, 0, sizeof(e));
    e.drift.header = (struct event_header){EVENT_MAGIC, EVENT_DRIFT, 64, 5};
    e.drift.counter = INT64_MIN;
    expect_line(&e,
                "5 drift counter=-9223372036854775808 content=0 checks=0 object=0 flags=0 entries=0 links=0 "
                "counter_name=\"\" content_name=\"\"");
}

static void test_strings_are_escaped(void **state)
{
    (void)state;
    union trace_event e;
    memset(&e, 0, sizeof(e));
    e.note.header = (struct event_header){EVENT_MAGIC, EVENT_NOTE, 32, 5};
    e.note.text = (event_str_t){24, 7};
    memcpy((char *)&e + 24, "a\"b\\\n\xff\0", 7);
    expect_line(&e, "5 note text=\"a\\\"b\\\\\\x0a\\xff\\x00\" severity=0");
}

static void test_unknown_type(void **state)
{
    (void)state;
    union trace_event e = {.header = {EVENT_MAGIC, 9999, 16, 5}};
    expect_line(&e, "5 unknown type=9999");
}

/* As snprintf: the length that is needed, whatever there is room for. */
static void test_short_buffers(void **state)
{
    (void)state;
    union trace_event e = {.fork = {.header = {EVENT_MAGIC, EVENT_FORK, 24, 5}, .child = 42}};
    const char *whole = "5 fork child=42";
    for (size_t size = 1; size <= strlen(whole) + 1; size++) {
        char line[32];
        memset(line, 'x', sizeof(line));
        assert_int_equal(trace_event_format(&e, line, size), strlen(whole));
        assert_int_equal(strlen(line), size - 1);
        assert_memory_equal(line, whole, size - 1);
        assert_int_equal(line[size], 'x');
    }
    assert_int_equal(trace_event_format(&e, NULL, 0), strlen(whole));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_numbers_below_zero),
        cmocka_unit_test(test_strings_are_escaped),
        cmocka_unit_test(test_unknown_type),
        cmocka_unit_test(test_short_buffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
