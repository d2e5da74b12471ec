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

#include "cli/traces.h"
#include "trace/format.h"

static char directory[] = "/tmp/cprobe-traces.XXXXXX";

static int directory_setup(void **state)
{
    (void)state;
    return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int directory_teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"a.trace", "b.trace", "c.trace", "short.trace", "notes.txt", ".trace"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(names[i]);
    return chdir("/") == 0 ? rmdir(directory) : -1;
}

static void trace_write(const char *name, uint64_t start_ns)
{
    struct trace_header header = {.start_mono_ns = start_ns, .start_real_ns = start_ns};
    FILE *file = fopen(name, "w");
    fwrite(&header, sizeof(header), 1, file);
    fclose(file);
}

static void only_new_recordings_are_kept(void **state)
{
    (void)state;
    struct trace_files before, after;
    trace_write("a.trace", 100);
    trace_write("b.trace", 100);
    assert_int_equal(traces_list(&before, directory), 0);
    assert_int_equal(before.count, 2);
    trace_write("b.trace", 200); /* a process id came back, its file was replaced */
    trace_write("c.trace", 50);  /* new, though a clock says that it is older */
    fclose(fopen("short.trace", "w"));
    fclose(fopen("notes.txt", "w"));
    fclose(fopen(".trace", "w"));
    assert_int_equal(traces_list(&after, directory), 0);
    traces_remove_old(&after, &before);
    assert_int_equal(after.count, 3);
    assert_non_null(strstr(after.items[0].path, "/b.trace"));
    assert_non_null(strstr(after.items[1].path, "/c.trace"));
    assert_non_null(strstr(after.items[2].path, "/short.trace"));
    traces_free(&before);
    traces_free(&after);
}

static void a_missing_directory_is_empty(void **state)
{
    (void)state;
    struct trace_files files, none = {0};
    assert_int_equal(traces_list(&files, "missing"), 0);
    assert_int_equal(files.count, 0);
    traces_remove_old(&files, &none);
    assert_true(traces_list(&files, "/proc/self/exe") < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_new_recordings_are_kept),
        cmocka_unit_test(a_missing_directory_is_empty),
    };
    return cmocka_run_group_tests(tests, directory_setup, directory_teardown);
}
