/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "report/sample.h"

static const struct report_style plain = {false, REPORT_COLUMNS};

static json_t *parsed(const struct report *report)
{
    char *text = sample_text(report_format_find("json"), report, plain);
    json_error_t error;
    json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!document)
        fail_msg("%d: %s", error.line, error.text);
    free(text);
    return document;
}

/* All keys are there, in this order's spelling, and no others. */
static void assert_keys(json_t *object, const char *keys)
{
    char *copy = strdup(keys), *rest = copy;
    size_t count = 0;

    assert_true(json_is_object(object));
    for (char *key = strsep(&rest, " "); key; key = strsep(&rest, " "), count++)
        if (!json_object_get(object, key))
            fail_msg("key '%s' is missing", key);
    assert_int_equal(json_object_size(object), count);
    free(copy);
}

static json_t *first(json_t *object, const char *array)
{
    return json_array_get(json_object_get(object, array), 0);
}

static const char *string_of(json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void every_key_of_the_contract_is_present(void **state)
{
    (void)state;
    json_t *document = parsed(sample_report());
    assert_keys(document, "version verdict findings loops endpoints locks watched processes syscalls warnings lost");
    assert_int_equal(json_integer_value(json_object_get(document, "version")), 1);

    json_t *finding = first(document, "findings");
    assert_keys(finding,
                "rule severity id title remedy count total_ns max_ns p99_ns process thread peer operation "
                "serving context stacks evidence first_seen last_seen");
    assert_keys(json_object_get(finding, "context"), "kind name others");
    assert_keys(json_object_get(json_object_get(finding, "evidence"), "timeline"), "start step_ns counts");
    json_t *table = json_object_get(json_object_get(finding, "evidence"), "locks_replayed");
    assert_int_equal(json_array_size(table), 2);
    assert_keys(json_array_get(table, 1), "lock rate busy");
    assert_string_equal(json_string_value(json_object_get(json_array_get(table, 1), "lock")), "striped");
    assert_true(json_real_value(json_object_get(json_array_get(table, 1), "busy")) == 0.25);
    assert_keys(json_object_get(finding, "process"), "pid ppid exe name cmdline host");
    assert_keys(json_object_get(finding, "thread"), "tid name loop");
    assert_keys(json_object_get(finding, "peer"), "protocol family address name tls");
    assert_keys(first(finding, "stacks"), "role complete count total_ns frames");
    assert_keys(first(first(finding, "stacks"), "frames"), "kind function module file line inlined");

    assert_keys(first(document, "watched"),
                "process name objects operations changes threads overlaps key_errors difference "
                "lock_busy lock_wait_p99_ns");
    json_t *loop = first(document, "loops");
    assert_keys(
        loop,
        "process thread kind wall_ns idle_ns oncpu_ns blocked_ns runnable_ns turns turn_p99_ns turn_max_ns verdict "
        "blocked_by");
    assert_keys(first(loop, "blocked_by"), "module peer total_ns count");
    assert_keys(first(document, "endpoints"),
                "protocol family address name tls connects calls wait_ns bytes_in bytes_out processes connects_failed "
                "connects_failed_ns requests request_ns request_bytes errors p50_ns p99_ns first_byte_p50_ns "
                "top_operations");
    assert_keys(first(first(document, "endpoints"), "top_operations"),
                "operation count total_ns max_ns p50_ns p99_ns errors");
    assert_keys(first(document, "processes"), "pid ppid exe name cmdline host state threads started ended");
    assert_keys(first(document, "syscalls"),
                "process thread name cause count total_ns max_ns p99_ns runqueue_ns histogram");
    assert_keys(json_object_get(document, "lost"),
                "overwritten ring_full too_big stacks nested kernel threads processes");
    json_decref(document);
}

static void values_are_those_of_the_report(void **state)
{
    (void)state;
    json_t *document = parsed(sample_report());
    json_t *finding = first(document, "findings");

    assert_string_equal(string_of(finding, "id"), "0e3c1a2b9f00d412");
    assert_string_equal(string_of(finding, "severity"), "error");
    assert_string_equal(string_of(finding, "first_seen"), "2023-11-14T22:13:20.123Z");
    assert_int_equal(json_integer_value(json_object_get(finding, "total_ns")), 4060000000);
    assert_string_equal(string_of(json_object_get(finding, "peer"), "address"), "127.0.0.1:3306");
    json_t *evidence = json_object_get(finding, "evidence");
    assert_true(json_real_value(json_object_get(evidence, "share")) == 0.382);
    assert_int_equal(json_integer_value(json_object_get(evidence, "gil_wait_ns")), 1200000);
    assert_string_equal(string_of(evidence, "call"), "poll");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(document, "lost"), "overwritten")), 1234);
    assert_string_equal(string_of(finding, "serving"), "POST /cards");
    assert_string_equal(string_of(json_object_get(finding, "peer"), "name"), "db.internal");
    json_t *timeline = json_object_get(evidence, "timeline");
    assert_string_equal(string_of(timeline, "start"), "2023-11-14T22:13:20.000Z");
    assert_int_equal(json_integer_value(json_array_get(json_object_get(timeline, "counts"), 2)), 8);
    json_t *operation = first(first(document, "endpoints"), "top_operations");
    assert_string_equal(string_of(operation, "operation"), "SELECT ? FROM user");
    assert_int_equal(json_integer_value(json_object_get(operation, "errors")), 2);
    assert_string_equal(string_of(first(document, "loops"), "verdict"), "blocked");
    assert_string_equal(string_of(first(document, "syscalls"), "cause"), "lock");
    assert_int_equal(json_integer_value(json_object_get(first(document, "syscalls"), "runqueue_ns")), 1500000);
    json_t *histogram = json_object_get(first(document, "syscalls"), "histogram");
    assert_int_equal(json_array_size(histogram), 2);
    assert_int_equal(json_integer_value(json_array_get(json_array_get(histogram, 0), 0)), 4096);
    assert_int_equal(json_integer_value(json_array_get(json_array_get(histogram, 0), 1)), 3);
    assert_true(json_is_null(json_array_get(json_array_get(histogram, 1), 0)));
    json_decref(document);
}

static void frames_stand_innermost_first(void **state)
{
    (void)state;
    json_t *document = parsed(sample_report());
    json_t *frames = json_object_get(first(first(document, "findings"), "stacks"), "frames");

    assert_string_equal(string_of(json_array_get(frames, 0), "function"), "poll");
    assert_string_equal(string_of(json_array_get(frames, 0), "kind"), "native");
    assert_true(json_is_null(json_object_get(json_array_get(frames, 0), "line")));
    assert_string_equal(string_of(json_array_get(frames, 4), "function"), "View.get");
    assert_string_equal(string_of(json_array_get(frames, 4), "kind"), "python");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(frames, 4), "line")), 33);
    json_decref(document);
}

static void what_is_unknown_is_null(void **state)
{
    (void)state;
    struct report *report = sample_report();
    report->findings[1].first_real_ns = 0;
    report->verdict = NULL;
    json_t *document = parsed(report);
    json_t *finding = json_array_get(json_object_get(document, "findings"), 1);

    assert_true(json_is_null(json_object_get(finding, "peer")));
    assert_true(json_is_null(json_object_get(finding, "operation")));
    assert_true(json_is_null(json_object_get(finding, "serving")));
    assert_true(json_is_null(json_object_get(finding, "context")));
    assert_true(json_is_null(json_object_get(finding, "remedy")));
    assert_true(json_is_null(json_object_get(finding, "first_seen")));
    assert_true(json_is_null(json_object_get(document, "verdict")));
    assert_int_equal(json_array_size(json_object_get(finding, "stacks")), 0);
    assert_string_equal(string_of(finding, "id"), "ffffffffffffffff");
    json_decref(document);
}

static void any_bytes_give_valid_json(void **state)
{
    (void)state;
    struct report *report = sample_report();
    report->findings[0].title = "a\xff\"\\\n\x1b[31m\xc3\xa4\xed\xa0\x80";
    report->findings[0].process.cmdline = "\x80";
    report->findings[0].count = UINT64_MAX;
    report->findings[0].evidence[0].ratio = 0.0 / 0.0;
    json_t *document = parsed(report);
    json_t *finding = first(document, "findings");

    assert_string_equal(string_of(finding, "title"),
                        "a\xef\xbf\xbd\"\\\n\x1b[31mä\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    assert_string_equal(string_of(json_object_get(finding, "process"), "cmdline"), "\xef\xbf\xbd");
    assert_true(json_integer_value(json_object_get(finding, "count")) == INT64_MAX);
    assert_true(json_is_null(json_object_get(json_object_get(finding, "evidence"), "share")));
    json_decref(document);
}

static void an_empty_report_has_all_arrays(void **state)
{
    (void)state;
    struct report report = {0};
    json_t *document = parsed(&report);

    assert_keys(document, "version verdict findings loops endpoints locks watched processes syscalls warnings lost");
    assert_int_equal(json_array_size(json_object_get(document, "findings")), 0);
    assert_true(json_is_array(json_object_get(document, "locks")));
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_of_the_contract_is_present),
        cmocka_unit_test(values_are_those_of_the_report),
        cmocka_unit_test(frames_stand_innermost_first),
        cmocka_unit_test(what_is_unknown_is_null),
        cmocka_unit_test(any_bytes_give_valid_json),
        cmocka_unit_test(an_empty_report_has_all_arrays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
