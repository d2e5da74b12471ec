/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "jit/perf_map.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char home[64], path[128];
static int root;

static int begin(void **state)
{
    (void)state;
    strcpy(home, "/tmp/cprobe-map-XXXXXX");
    if (!mkdtemp(home))
        return -1;
    snprintf(path, sizeof(path), "%s/tmp", home);
    if (mkdir(path, 0700) != 0)
        return -1;
    snprintf(path, sizeof(path), "%s/tmp/perf-7.map", home);
    root = open(home, O_PATH | O_CLOEXEC);
    return root < 0 ? -1 : 0;
}

static int end(void **state)
{
    (void)state;
    char directory[96];
    snprintf(directory, sizeof(directory), "%s/tmp", home);
    close(root);
    unlink(path);
    return rmdir(directory) || rmdir(home);
}

static void text_add(const char *text)
{
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static ssize_t map_read(struct perf_map *m)
{
    int fd = perf_map_open(root, 7, getuid());
    assert_true(fd >= 0);
    ssize_t n = perf_map_read(m, fd);
    close(fd);
    return n;
}

static const char *name_at(struct perf_map *m, uint64_t pc)
{
    struct perf_map_entry e;
    return perf_map_find(m, pc, &e) ? e.name : "";
}

static void functions_by_address(void **state)
{
    (void)state;
    struct perf_map *m = perf_map_new();
    text_add("7fe72003e140 378 JS:~loop /srv/a b.js:4:14\nnonsense\n1000 0 empty\n2000 10 Lcom/shop/View;::get\n");
    assert_int_equal(map_read(m), 0);
    assert_int_equal(perf_map_count(m), 2);
    assert_string_equal(name_at(m, 0x7fe72003e140), "JS:~loop /srv/a b.js:4:14");
    assert_string_equal(name_at(m, 0x7fe72003e140 + 0x377), "JS:~loop /srv/a b.js:4:14");
    assert_string_equal(name_at(m, 0x7fe72003e140 + 0x378), "");
    assert_string_equal(name_at(m, 0x200f), "Lcom/shop/View;::get");
    assert_string_equal(name_at(m, 0x1fff), "");
    perf_map_free(m);
}

static void the_later_one_is_meant(void **state)
{
    (void)state;
    struct perf_map *m = perf_map_new();
    text_add("1000 100 old\n1040 10 new\n0800 1000 around\n1044 4 newest\n");
    map_read(m);
    assert_string_equal(name_at(m, 0x1000), "around");
    assert_string_equal(name_at(m, 0x1041), "around");
    assert_string_equal(name_at(m, 0x1045), "newest");
    perf_map_free(m);
}

static void lines_are_added(void **state)
{
    (void)state;
    struct perf_map *m = perf_map_new();
    text_add("1000 10 a\n2000 10 b");
    assert_int_equal(map_read(m), 0);
    assert_int_equal(perf_map_count(m), 1);
    text_add("oth\n3000 10 c\n");
    assert_int_equal(map_read(m), 1);
    assert_int_equal(perf_map_count(m), 3);
    assert_string_equal(perf_map_at(m, 1).name, "both");
    assert_string_equal(name_at(m, 0x3001), "c");
    assert_int_equal(truncate(path, 0), 0);
    text_add("4000 10 d\n");
    assert_int_equal(map_read(m), 0);
    assert_int_equal(perf_map_count(m), 1);
    assert_string_equal(name_at(m, 0x1000), "");
    assert_string_equal(name_at(m, 0x4000), "d");
    perf_map_free(m);
}

static void what_is_no_map_of_the_process(void **state)
{
    (void)state;
    assert_int_equal(perf_map_open(root, 7, getuid()), -ENOENT);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(perf_map_open(root, 7, getuid()), -ELOOP);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(perf_map_open(root, 7, getuid()), -EPERM);
    unlink(path);
    if (getuid() == 0) {
        text_add("1000 10 a\n");
        assert_int_equal(chown(path, 4711, 4711), 0);
        assert_int_equal(perf_map_open(root, 7, 0), -EPERM);
        int fd = perf_map_open(root, 7, 4711);
        assert_true(fd >= 0);
        close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(functions_by_address, begin, end),
        cmocka_unit_test_setup_teardown(the_later_one_is_meant, begin, end),
        cmocka_unit_test_setup_teardown(lines_are_added, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_map_of_the_process, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
