/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/commands.h"
#include "cli/status.h"
#include "trace/trace_sample.h"

#define OUTPUT_SIZE 65536

static char path[] = "/tmp/cprobe-dump-XXXXXX";

static int sample_write(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    struct trace_builder *b = sample_build();
    int err = builder_write(b, path);
    builder_free(b);
    return err;
}

static int sample_remove(void **state)
{
    (void)state;
    return unlink(path);
}

/* Runs `cprobe dump …` with stdout (and stderr) in `output`. */
static int dump_run(char *output, int argc, char **argv)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(NULL);
    int out = dup(1), err = dup(2);
    dup2(fileno(file), 1);
    dup2(fileno(file), 2);
    int status = cmd_dump(argc, argv);
    fflush(NULL);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    rewind(file);
    output[fread(output, 1, OUTPUT_SIZE - 1, file)] = '\0';
    fclose(file);
    return status;
}

static void expect_line(const char *output, const char *line)
{
    if (!strstr(output, line))
        fail_msg("no \"%s\" in:\n%s", line, output);
}

static void test_dump(void **state)
{
    (void)state;
    static char output[OUTPUT_SIZE];
    char *argv[] = {"dump", path, NULL};
    assert_int_equal(dump_run(output, 2, argv), STATUS_DONE);
    expect_line(output, "# process pid=42 ppid=1 exec=0 exe=\"/usr/bin/program\"");
    expect_line(output, "# lost overwritten=17 ");
    expect_line(output, "# thread slot=1 tid=44 name=\"worker\"");
    expect_line(output, "#   counter call=40:poll endpoint=3 flags=0 count=3 total=360000000 ");
    expect_line(output, "#   loop endpoint=2 max_fds=7 waits=3 idle=150000000 ");
    expect_line(output, "\n1110000000 wait duration_ns=120000000 ");
    expect_line(output, "\n2999000000 exec path=\"/usr/bin/other\"\n");
    assert_null(strstr(output, "  native "));
}

static void test_dump_stacks(void **state)
{
    (void)state;
    static char output[OUTPUT_SIZE];
    char *argv[] = {"dump", "--stacks", path, NULL};
    assert_int_equal(dump_run(output, 3, argv), STATUS_DONE);
    expect_line(output, "  native 0x7f0000000123 /usr/lib/libdriver.so.1+0x123\n");
    expect_line(output, "  python code=1 lasti=14 View.get (/srv/app/views.py, defined at line 30)\n");
}

static void test_dump_errors(void **state)
{
    (void)state;
    static char output[OUTPUT_SIZE];
    char *nothing[] = {"dump", NULL}, *unknown[] = {"dump", "--stakcs", path, NULL};
    char *missing[] = {"dump", "/nonexistent", path, NULL};
    assert_int_equal(dump_run(output, 1, nothing), STATUS_USAGE);
    assert_int_equal(dump_run(output, 3, unknown), STATUS_USAGE);
    expect_line(output, "unknown option '--stakcs'");
    assert_int_equal(dump_run(output, 3, missing), STATUS_DATA);
    expect_line(output, "/nonexistent: cannot be read");
    expect_line(output, "# process pid=42"); /* the others are shown all the same */
}

static void test_dump_says_what_is_damaged(void **state)
{
    (void)state;
    static char output[OUTPUT_SIZE];
    assert_int_equal(truncate(path, 30000), 0);
    char *argv[] = {"dump", path, NULL};
    assert_int_equal(dump_run(output, 2, argv), STATUS_DONE);
    expect_line(output, "damaged at byte 30000: the file is cut short");
    expect_line(output, "# process pid=42");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dump),
        cmocka_unit_test(test_dump_stacks),
        cmocka_unit_test(test_dump_errors),
        cmocka_unit_test(test_dump_says_what_is_damaged),
    };
    return cmocka_run_group_tests(tests, sample_write, sample_remove);
}
