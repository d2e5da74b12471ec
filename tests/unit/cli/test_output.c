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
#include <sys/stat.h>
#include <unistd.h>

#include "cli/message.h"
#include "cli/output.h"

static char error[ERROR_SIZE];
static char directory[] = "/tmp/cprobe-output.XXXXXX";

static int directory_setup(void **state)
{
    (void)state;
    umask(022);
    return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int directory_teardown(void **state)
{
    (void)state;
    unlink("out");
    unlink("link");
    return chdir("/") == 0 ? rmdir(directory) : -1;
}

static void assert_content(const char *path, const char *text)
{
    char buffer[64] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    buffer[fread(buffer, 1, sizeof(buffer) - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(buffer, text);
}

static void put(const char *path, const char *text)
{
    struct output output;
    assert_int_equal(output_open(&output, path, error, sizeof(error)), 0);
    fputs(text, output.file);
    assert_int_equal(output_close(&output, error, sizeof(error)), 0);
}

static void a_file_appears_whole_with_the_usual_mode(void **state)
{
    (void)state;
    struct stat status;
    struct output output;
    put("out", "one");
    assert_int_equal(stat("out", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0644);
    assert_int_equal(output_open(&output, "out", error, sizeof(error)), 0);
    fputs("two", output.file);
    fflush(output.file);
    assert_content("out", "one"); /* the old one until the new one is complete */
    assert_int_equal(output_close(&output, error, sizeof(error)), 0);
    assert_content("out", "two");
}

static void what_is_abandoned_leaves_nothing(void **state)
{
    (void)state;
    struct output output;
    put("out", "old");
    assert_int_equal(output_open(&output, "out", error, sizeof(error)), 0);
    fputs("new", output.file);
    output_abandon(&output);
    assert_content("out", "old"); /* and the directory can be removed at the end */
}

static void a_link_keeps_pointing_to_its_file(void **state)
{
    (void)state;
    struct stat status;
    put("out", "old");
    assert_int_equal(symlink("out", "link"), 0);
    put("link", "new");
    assert_int_equal(lstat("link", &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_content("out", "new");
}

static void failures_are_told(void **state)
{
    (void)state;
    struct output output;
    assert_true(output_open(&output, "missing/out", error, sizeof(error)) < 0);
    assert_string_equal(error, "cannot write missing/out: No such file or directory");
    assert_int_equal(output_open(&output, "/dev/full", error, sizeof(error)), 0);
    fputs("x", output.file);
    assert_true(output_close(&output, error, sizeof(error)) < 0);
    assert_string_equal(error, "cannot write /dev/full: No space left on device");
}

static void a_file_is_never_coloured(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    struct report_style style = output_style(file);
    assert_false(style.colour);
    assert_int_equal(style.columns, REPORT_COLUMNS);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_appears_whole_with_the_usual_mode),
        cmocka_unit_test(what_is_abandoned_leaves_nothing),
        cmocka_unit_test(a_link_keeps_pointing_to_its_file),
        cmocka_unit_test(failures_are_told),
        cmocka_unit_test(a_file_is_never_coloured),
    };
    return cmocka_run_group_tests(tests, directory_setup, directory_teardown);
}
