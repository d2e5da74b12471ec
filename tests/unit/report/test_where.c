/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "report/sample.h"
#include "report/where.h"

static void the_users_python_line_stands_before_the_drivers(void **state)
{
    (void)state;
    const struct finding *finding = &sample_report()->findings[0];
    assert_int_equal(where_user(finding->stacks[0].stack, &finding->process), 4);
    assert_int_equal(where_driver(finding->stacks[0].stack), 1);
}

static void a_c_server_is_its_own_executable(void **state)
{
    (void)state;
    struct frame frames[] = {
        {FRAME_NATIVE, "recv", "libc.so.6", NULL, 0, false, true},
        {FRAME_NATIVE, "redisGetReply", "libhiredis.so.0.14", NULL, 0, false, false},
        {FRAME_NATIVE, "handle", "server", "/src/server.c", 12, false, false},
    };
    struct stack stack = {frames, 3, true};
    struct process_info process = {.exe = "/opt/bin/server"};
    assert_int_equal(where_user(&stack, &process), 2);
    process.exe = "/opt/bin/other";
    assert_int_equal(where_user(&stack, &process), 1);
    process.exe = NULL;
    assert_int_equal(where_user(&stack, &process), 1);
}

static void a_stack_of_system_frames_has_no_user(void **state)
{
    (void)state;
    struct frame frames[] = {{FRAME_NATIVE, "poll", "libc.so.6", NULL, 0, false, true}};
    struct stack stack = {frames, 1, true};
    struct process_info process = {.exe = "/bin/x"};
    assert_true(where_user(&stack, &process) == WHERE_NONE);
    assert_true(where_user(NULL, &process) == WHERE_NONE);
}

static void a_place_is_file_and_line_or_module(void **state)
{
    (void)state;
    char text[64];
    struct frame frame = {FRAME_NATIVE, "f", "lib.so", NULL, 0, false, false};
    assert_string_equal(where_place(&frame, text, sizeof(text)), "lib.so");
    frame.file = "a.c";
    assert_string_equal(where_place(&frame, text, sizeof(text)), "a.c");
    frame.line = 3;
    assert_string_equal(where_place(&frame, text, sizeof(text)), "a.c:3");
}

static void formats_are_found_by_name_and_ending(void **state)
{
    (void)state;
    assert_string_equal(report_format_of_path("out/report.json")->name, "json");
    assert_string_equal(report_format_of_path("a.txt")->name, "text");
    assert_null(report_format_of_path("a.svg"));
    assert_null(report_format_of_path(".json"));
    assert_null(report_format_find("html"));
    assert_string_equal(report_format_find("short")->name, "short");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_users_python_line_stands_before_the_drivers),
        cmocka_unit_test(a_c_server_is_its_own_executable),
        cmocka_unit_test(a_stack_of_system_frames_has_no_user),
        cmocka_unit_test(a_place_is_file_and_line_or_module),
        cmocka_unit_test(formats_are_found_by_name_and_ending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
