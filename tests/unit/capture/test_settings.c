/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/settings.h"

static struct settings s;
static int complaints;
static char complaint[500];

static void complain(const char *text)
{
    complaints++;
    snprintf(complaint, sizeof(complaint), "%s", text);
    size_t length = strlen(text);
    assert_true(length > 0 && text[length - 1] == '\n' && strchr(text, '\n') == text + length - 1);
}

static void read_one(const char *variable)
{
    char *environment[] = {"PATH=/bin", (char *)variable, NULL};
    complaints = 0;
    complaint[0] = '\0';
    settings_read(&s, environment, complain);
}

#define accept(variable, field, value)      \
    do {                                    \
        read_one(variable);                 \
        assert_int_equal(complaints, 0);    \
        assert_int_equal(s.field, (value)); \
    } while (0)

#define refuse(variable, field, value)      \
    do {                                    \
        read_one(variable);                 \
        assert_int_equal(complaints, 1);    \
        assert_int_equal(s.field, (value)); \
    } while (0)

static void defaults(void **state)
{
    (void)state;
    char expected[SETTINGS_PATH_MAX], cwd[SETTINGS_PATH_MAX - 20];
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    snprintf(expected, sizeof(expected), "%s%scprobe.data", cwd, strcmp(cwd, "/") == 0 ? "" : "/");
    read_one("UNRELATED=1");
    assert_int_equal(complaints, 0);
    assert_string_equal(s.dir, expected);
    assert_int_equal(s.max_size, 64 << 20);
    assert_int_equal(s.sample_ns, 1000000);
    assert_int_equal(s.stall_ns, 10000000);
    assert_true(s.stall_stacks);
    assert_false(s.quiet);
    assert_false(s.summary);
    assert_int_equal(s.root, 0);
    settings_read(&s, NULL, complain);
    assert_int_equal(s.max_size, 64 << 20);
}

static void sizes(void **state)
{
    (void)state;
    accept("CPROBE_MAX_SIZE=1M", max_size, 1 << 20);
    accept("CPROBE_MAX_SIZE=1048576", max_size, 1 << 20);
    accept("CPROBE_MAX_SIZE=2048K", max_size, 2 << 20);
    accept("CPROBE_MAX_SIZE=4G", max_size, UINT64_C(4) << 30);
    accept("CPROBE_MAX_SIZE=16MiB", max_size, 16 << 20);
    accept("CPROBE_MAX_SIZE=16m", max_size, 16 << 20);
    refuse("CPROBE_MAX_SIZE=1048575", max_size, 64 << 20);
    refuse("CPROBE_MAX_SIZE=5G", max_size, 64 << 20);
    refuse("CPROBE_MAX_SIZE=", max_size, 64 << 20);
    refuse("CPROBE_MAX_SIZE=M", max_size, 64 << 20);
    refuse("CPROBE_MAX_SIZE=-1M", max_size, 64 << 20);
    refuse("CPROBE_MAX_SIZE=16 M", max_size, 64 << 20);
    refuse("CPROBE_MAX_SIZE=1.5G", max_size, 64 << 20);
    refuse("CPROBE_MAX_SIZE=16Mb?", max_size, 64 << 20);
    refuse("CPROBE_MAX_SIZE=18446744073709551617", max_size, 64 << 20); /* 2^64 + 1 */
    refuse("CPROBE_MAX_SIZE=17592186044416G", max_size, 64 << 20);      /* 2^74 */
}

static void times(void **state)
{
    (void)state;
    accept("CPROBE_SAMPLE=1us", sample_ns, 1000);
    accept("CPROBE_SAMPLE=2500ns", sample_ns, 2500);
    accept("CPROBE_SAMPLE=10s", sample_ns, UINT64_C(10000000000));
    accept("CPROBE_STALL=1m", stall_ns, UINT64_C(60000000000));
    accept("CPROBE_STALL=100us", stall_ns, 100000);
    refuse("CPROBE_SAMPLE=999ns", sample_ns, 1000000);
    refuse("CPROBE_SAMPLE=11s", sample_ns, 1000000);
    refuse("CPROBE_SAMPLE=5", sample_ns, 1000000); /* of what? */
    refuse("CPROBE_SAMPLE=99999999999999999s", sample_ns, 1000000);
    refuse("CPROBE_STALL=99us", stall_ns, 10000000);
    refuse("CPROBE_STALL=61m", stall_ns, 10000000);
}

static void switches_and_numbers(void **state)
{
    (void)state;
    accept("CPROBE_QUIET=1", quiet, true);
    accept("CPROBE_QUIET=0", quiet, false);
    accept("CPROBE_SUMMARY=1", summary, true);
    accept("CPROBE_STALL_STACKS=0", stall_stacks, false);
    accept("CPROBE_ROOT=4294967295", root, UINT32_MAX);
    refuse("CPROBE_QUIET=2", quiet, false);
    refuse("CPROBE_QUIET=yes", quiet, false);
    refuse("CPROBE_STALL_STACKS=", stall_stacks, true);
    refuse("CPROBE_ROOT=4294967296", root, 0);
}

static void words(void **state)
{
    (void)state;
    read_one("UNRELATED=1");
    assert_int_equal(s.wire, 1);
    assert_int_equal(s.keys, SETTINGS_KEYS_FULL);
    assert_int_equal(s.connections, 4096);
    accept("CPROBE_WIRE=off", wire, 0);
    accept("CPROBE_WIRE=1", wire, 1);
    accept("CPROBE_KEYS=hash", keys, SETTINGS_KEYS_HASH);
    accept("CPROBE_KEYS=off", keys, SETTINGS_KEYS_OFF);
    accept("CPROBE_CONNECTIONS=65000", connections, 65000);
    refuse("CPROBE_WIRE=maybe", wire, 1);
    accept("CPROBE_WATCH_PY=shop:Basket.add,take x:Y", watch_py[5], 'B');
    refuse("CPROBE_WATCH_PY=Basket", watch_py[0], '\0');
    refuse("CPROBE_KEYS=", keys, SETTINGS_KEYS_FULL);
    refuse("CPROBE_CONNECTIONS=0", connections, 4096);
    refuse("CPROBE_CONNECTIONS=65001", connections, 4096);
}

static void watching(void **state)
{
    (void)state;
    read_one("UNRELATED=1");
    assert_true(s.watch_own);
    assert_true(patterns_function(&s.watch, "lru_put"));
    accept("CPROBE_WATCH=*table*", watch.count, 1);
    assert_false(s.watch_own);
    assert_false(patterns_function(&s.watch, "lru_put"));
    accept("CPROBE_WATCH=off", watch.count, 0);
    refuse("CPROBE_WATCH=a,,b", watch.count, 6);
    assert_true(s.watch_own);
    refuse("CPROBE_WATCH=", watch.count, 6);
}

static void complaints_help(void **state)
{
    (void)state;
    read_one("CPROBE_MAX_SIZE=lots");
    assert_string_equal(complaint,
                        "cprobe: CPROBE_MAX_SIZE=lots is not a size from 1M to 4G, such as 64M; recording goes "
                        "on with the default\n");
    read_one("CPROBE_MAXSIZE=1M");
    assert_int_equal(complaints, 1);
    assert_non_null(strstr(complaint, "CPROBE_MAXSIZE"));
    assert_non_null(strstr(complaint, "did you mean CPROBE_MAX_SIZE?"));
    read_one("CPROBE_CONFIG=/etc/cprobe.yaml"); /* the command's */
    assert_int_equal(complaints, 0);
    read_one("CPROBED=1"); /* not ours at all */
    assert_int_equal(complaints, 0);
    read_one("CPROBE_WITHOUT_VALUE"); /* not a variable */
    assert_int_equal(complaints, 0);
}

static void long_text_is_cut(void **state)
{
    (void)state;
    char variable[3000] = "CPROBE_SAMPLE=";
    memset(variable + strlen(variable), 'x', 2000);
    read_one(variable);
    assert_int_equal(complaints, 1);
    assert_non_null(strstr(complaint, "is not a time"));
    assert_int_equal(s.sample_ns, 1000000);
    strcpy(variable, "CPROBE_");
    memset(variable + 7, 'Y', 2000);
    strcpy(variable + 2007, "=1");
    read_one(variable);
    assert_int_equal(complaints, 1);
    assert_non_null(strstr(complaint, "there is no variable"));
}

static void all_are_read(void **state)
{
    (void)state;
    char *environment[] = {"CPROBE_SAMPLE=2ms", "CPROBE_DIR=/a", "HOME=/root", "CPROBE_STALL=20ms",
                           "CPROBE_QUIET=1",    "CPROBE_DIR=/b", NULL};
    complaints = 0;
    settings_read(&s, environment, complain);
    assert_int_equal(complaints, 0);
    assert_int_equal(s.sample_ns, 2000000);
    assert_int_equal(s.stall_ns, 20000000);
    assert_true(s.quiet);
    assert_string_equal(s.dir, "/b");
}

static void directory(void **state)
{
    (void)state;
    char expected[SETTINGS_PATH_MAX], cwd[SETTINGS_PATH_MAX - 100], old[4096], base[] = "/tmp/cprobe-settings.XXXXXX";
    assert_non_null(getcwd(old, sizeof(old)));
    assert_non_null(mkdtemp(base));
    assert_int_equal(chdir(base), 0);
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    read_one("CPROBE_DIR=/var/tmp/x");
    assert_string_equal(s.dir, "/var/tmp/x");
    read_one("CPROBE_DIR=some/where");
    snprintf(expected, sizeof(expected), "%s/some/where", cwd);
    assert_string_equal(s.dir, expected);
    read_one("CPROBE_DIR=./here");
    snprintf(expected, sizeof(expected), "%s/here", cwd);
    assert_string_equal(s.dir, expected);
    read_one("CPROBE_DIR=");
    assert_int_equal(complaints, 1);
    snprintf(expected, sizeof(expected), "%s/cprobe.data", cwd);
    assert_string_equal(s.dir, expected);
    assert_int_equal(rmdir(base), 0); /* the working directory is gone */
    read_one("CPROBE_DIR=relative");
    assert_int_equal(complaints, 1);
    assert_string_equal(s.dir, "");
    read_one("CPROBE_DIR=/absolute");
    assert_int_equal(complaints, 0);
    assert_string_equal(s.dir, "/absolute");
    assert_int_equal(chdir(old), 0);
}

static void directory_too_long(void **state)
{
    (void)state;
    char variable[2 * SETTINGS_PATH_MAX] = "CPROBE_DIR=/", expected[SETTINGS_PATH_MAX];
    read_one("UNRELATED=1");
    strcpy(expected, s.dir);
    memset(variable + 12, 'd', SETTINGS_PATH_MAX - 2); /* with the slash and the end mark: fits exactly */
    read_one(variable);
    assert_int_equal(complaints, 0);
    assert_int_equal(strlen(s.dir), SETTINGS_PATH_MAX - 1);
    strcat(variable, "d");
    read_one(variable);
    assert_int_equal(complaints, 1);
    assert_string_equal(s.dir, expected);
    memmove(variable + 11, variable + 12, strlen(variable + 12) + 1); /* the same, relative */
    read_one(variable);
    assert_int_equal(complaints, 1);
    assert_string_equal(s.dir, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(sizes),
        cmocka_unit_test(times),
        cmocka_unit_test(switches_and_numbers),
        cmocka_unit_test(words),
        cmocka_unit_test(watching),
        cmocka_unit_test(complaints_help),
        cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(all_are_read),
        cmocka_unit_test(directory),
        cmocka_unit_test(directory_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
