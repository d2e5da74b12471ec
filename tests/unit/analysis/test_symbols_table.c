/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/symbols_files.h"
#include "analysis/symbols_table.h"
#include "elf_builder.h"

#define GLOBAL_FUNCTION STT_FUNC, STB_GLOBAL, ELF_BUILDER_TEXT
#define WEAK_FUNCTION STT_FUNC, STB_WEAK, ELF_BUILDER_TEXT
#define LOCAL_FUNCTION STT_FUNC, STB_LOCAL, ELF_BUILDER_TEXT

static const struct elf_builder_symbol SYMBOLS[] = {
    {"first", 0x1000, 0x100, GLOBAL_FUNCTION},
    {"__poll", 0x1200, 0x40, GLOBAL_FUNCTION},
    {"poll", 0x1200, 0x40, WEAK_FUNCTION},
    {"___poll_local", 0x1200, 0x40, LOCAL_FUNCTION},
    {"a", 0x1300, 0x40, LOCAL_FUNCTION},
    {"exported_alias", 0x1300, 0x40, GLOBAL_FUNCTION},
    {"outer", 0x1400, 0x200, GLOBAL_FUNCTION},
    {"nested", 0x1480, 0x10, LOCAL_FUNCTION},
    {"label", 0x14c0, 0, STT_NOTYPE, STB_LOCAL, ELF_BUILDER_TEXT},
    {"resolver", 0x1700, 0x20, STT_GNU_IFUNC, STB_GLOBAL, ELF_BUILDER_TEXT},
    {"data", 0x1800, 0x80, STT_OBJECT, STB_GLOBAL, ELF_BUILDER_TEXT},
    {"unsized", 0x1f00, 0, GLOBAL_FUNCTION},
    {"elsewhere", 0x3100, 0x10, STT_FUNC, STB_GLOBAL, SHN_UNDEF},
    {"last", 0x2800, UINT64_MAX, STT_FUNC, STB_GLOBAL, ELF_BUILDER_MORE},
};

struct fixture {
    char path[64];
    struct symbols_file file;
    struct symbols_table *table;
};

static struct fixture fixture_open(bool full)
{
    struct fixture f = {.path = "/tmp/cprobe-table-XXXXXX"};
    int fd = mkstemp(f.path);
    assert_true(fd >= 0);
    close(fd);
    elf_builder_write(
        &(struct elf_builder){.symbols = SYMBOLS, .symbol_count = sizeof(SYMBOLS) / sizeof(*SYMBOLS), .full = full},
        f.path);
    assert_int_equal(symbols_file_open(f.path, NULL, 0, &f.file), 0);
    assert_int_equal(symbols_table_new(f.file.module, &f.table), 0);
    return f;
}

static void fixture_close(struct fixture *f)
{
    symbols_table_free(f->table);
    symbols_file_close(&f->file);
    unlink(f->path);
}

static void expect(const struct fixture *f, uint64_t address, const char *name)
{
    const char *found = symbols_table_find(f->table, address);
    if (!name)
        assert_null(found);
    else
        assert_string_equal(found ? found : "(none)", name);
}

static void function_covers_its_size_only(void **state)
{
    (void)state;
    struct fixture f = fixture_open(false);
    expect(&f, 0xfff, NULL);
    expect(&f, 0x1000, "first");
    expect(&f, 0x10ff, "first");
    expect(&f, 0x1100, NULL);
    expect(&f, 0x11ff, NULL);
    expect(&f, 0x1710, "resolver");
    expect(&f, 0x1810, NULL);
    expect(&f, 0x2fff, "last");
    expect(&f, 0x3108, NULL);
    fixture_close(&f);
}

static void best_known_alias_is_chosen(void **state)
{
    (void)state;
    struct fixture f = fixture_open(true);
    expect(&f, 0x1210, "poll");
    expect(&f, 0x1310, "exported_alias");
    fixture_close(&f);
}

static void function_around_a_nested_one_is_found(void **state)
{
    (void)state;
    struct fixture f = fixture_open(true);
    expect(&f, 0x1485, "nested");
    expect(&f, 0x1490, "outer");
    expect(&f, 0x14c8, "outer");
    expect(&f, 0x15ff, "outer");
    expect(&f, 0x1600, NULL);
    fixture_close(&f);
}

static void unsized_function_ends_with_its_section(void **state)
{
    (void)state;
    struct fixture f = fixture_open(true);
    expect(&f, 0x1f80, "unsized");
    expect(&f, 0x1fff, "unsized");
    expect(&f, 0x2000, NULL);
    fixture_close(&f);
    f = fixture_open(false);
    expect(&f, 0x1f80, NULL);
    fixture_close(&f);
}

static void expect_name(const char *name, const char *shown)
{
    assert_int_equal(symbols_name_length(name), strlen(shown));
    assert_memory_equal(name, shown, strlen(shown));
}

static void versions_and_clone_suffixes_are_cut(void **state)
{
    (void)state;
    expect_name("poll", "poll");
    expect_name("pthread_cond_wait@@GLIBC_2.3.2", "pthread_cond_wait");
    expect_name("work.part.0", "work");
    expect_name("work.constprop.0.isra.12.cold", "work");
    expect_name("work.llvm.1234567", "work");
    expect_name("_PyEval_EvalFrameDefault.cold", "_PyEval_EvalFrameDefault");
    expect_name("main.handler.func1", "main.handler.func1");
    expect_name("static.5", "static.5");
    expect_name(".cold", ".cold");
    expect_name(".part.0", ".part.0");
    expect_name("", "");
}

static void empty_table_finds_nothing(void **state)
{
    (void)state;
    struct fixture f = {.path = "/tmp/cprobe-table-XXXXXX"};
    close(mkstemp(f.path));
    elf_builder_write(&(struct elf_builder){.full = false}, f.path);
    assert_int_equal(symbols_file_open(f.path, NULL, 0, &f.file), 0);
    assert_int_equal(symbols_table_new(f.file.module, &f.table), 0);
    expect(&f, 0x1000, NULL);
    expect(&f, UINT64_MAX, NULL);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(function_covers_its_size_only),
        cmocka_unit_test(best_known_alias_is_chosen),
        cmocka_unit_test(function_around_a_nested_one_is_found),
        cmocka_unit_test(unsized_function_ends_with_its_section),
        cmocka_unit_test(versions_and_clone_suffixes_are_cut),
        cmocka_unit_test(empty_table_finds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
