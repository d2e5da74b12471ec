/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The symbols of this program and of libc, as their files have them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "capture/symtab.h"

static int test_written[4] = {1, 2, 3, 4};
static const int test_only_read[4] = {1, 2, 3, 4};
static __thread int of_each_thread = 1;
static const int *const test_relocated[] = {test_only_read, test_written}; /* in .data.rel.ro */

static const struct wanted {
    const char *name;
    const void *start;
    uint64_t size;
    bool function, writable;
} wanted[] = {
    {"test_written", test_written, sizeof(test_written), false, true},
    {"test_only_read", test_only_read, sizeof(test_only_read), false, false},
    {"test_relocated", test_relocated, sizeof(test_relocated), false, false},
};

static unsigned found, functions, others;

static void test_take(const struct symtab_symbol *s, void *context)
{
    functions += s->function;
    others += s->name[0] != '\0';
    assert_ptr_equal(context, &found);
    assert_string_not_equal(s->name, "of_each_thread");
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (strcmp(s->name, wanted[i].name) != 0)
            continue;
        found |= 1u << i;
        assert_true(s->start == (uintptr_t)wanted[i].start && s->size == wanted[i].size);
        assert_true(s->function == wanted[i].function && s->writable == wanted[i].writable);
    }
    if (strcmp(s->name, "test_take") == 0) {
        found |= 8;
        assert_true(s->function && s->start == (uintptr_t)test_take);
    }
}

static void this_program(void **state)
{
    (void)state;
    assert_int_equal(of_each_thread + test_written[0] + *test_relocated[test_written[1] - 1], 3);
    int count = symtab_read(_r_debug.r_map, test_take, &found);
    assert_true(count > 10);
    assert_int_equal(found, 15);
    assert_true(functions > 5);
}

/* Stripped: what it exports. */
static void take_malloc(const struct symtab_symbol *s, void *context)
{
    if (strcmp(s->name, "malloc") == 0)
        *(uintptr_t *)context = s->start;
}

static void a_library(void **state)
{
    (void)state;
    void *libc = dlopen("libc.so.6", RTLD_NOW);
    uintptr_t start = 0;
    assert_true(symtab_read((const struct link_map *)libc, take_malloc, &start) > 1000);
    assert_ptr_equal((void *)start, dlsym(libc, "malloc"));
}

static void another_file_is_refused(void **state)
{
    (void)state;
    struct link_map map = *_r_debug.r_map;
    char other[] = "/bin/true", none[] = "/nonexistent";
    map.l_name = other;
    assert_true(symtab_read(&map, test_take, &found) < 0);
    map.l_name = none;
    assert_true(symtab_read(&map, test_take, &found) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_program),
        cmocka_unit_test(a_library),
        cmocka_unit_test(another_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
