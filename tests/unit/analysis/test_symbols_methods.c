/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables as CPython's modules have them, in this program itself: position independent, so that the loader writes them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/symbols_files.h"
#include "analysis/symbols_methods.h"

struct method_def {
    const char *name;
    void *function;
    uint64_t flags;
    const char *documentation;
};

static __attribute__((noinline)) int scan_first(int x)
{
    __asm__ volatile("");
    return x + 1;
}

static __attribute__((noinline)) int scan_second(int x)
{
    __asm__ volatile("");
    return x + 2;
}

static struct method_def table[] = {
    {"cprobe_first", scan_first, 1, "first()"},
    {"cprobe_second", scan_second, 0x82, NULL},
    {"cprobe_no_flags", scan_first, 0, NULL},
    {"cprobe_flags", scan_first, 0x10000, NULL},
    {"cprobe no identifier", scan_first, 1, NULL},
    {"cprobe_no_begin", (char *)scan_first + 1, 1, NULL},
    {NULL, NULL, 0, NULL},
};
static struct method_def *volatile used = table;

static const struct symbols_method *find(const struct symbols_method *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(list[i].name, name))
            return &list[i];
    }
    return NULL;
}

static void tables_are_read(void **state)
{
    struct symbols_file file;
    struct symbols_method *list;
    (void)state;
    assert_int_equal(used[1].flags, 0x82);
    assert_int_equal(symbols_file_open("/proc/self/exe", NULL, 0, &file), 0);
    size_t count = symbols_methods_read(file.module, &list);
    const struct symbols_method *first = find(list, count, "cprobe_first"),
                                *second = find(list, count, "cprobe_second");
    assert_non_null(first);
    assert_non_null(second);
    assert_int_equal(second->start - first->start, (uintptr_t)scan_second - (uintptr_t)scan_first);
    assert_true(first->end > first->start && (first->end <= second->start || first->start > second->start));
    for (size_t i = 2; table[i].name; i++)
        assert_null(find(list, count, table[i].name));
    free(list);
    symbols_file_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tables_are_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
