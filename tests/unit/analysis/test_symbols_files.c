/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analysis/symbols_files.h"
#include "analysis/symbols_table.h"
#include "elf_builder.h"

static const uint8_t BUILD_ID[8] = {0xab, 0xcd, 1, 2, 3, 4, 5, 6};
static const uint8_t OTHER_ID[8] = {0xab, 0xcd, 1, 2, 3, 4, 5, 7};
static const struct elf_builder_symbol EXPORTED[] = {
    {"exported", 0x1000, 0x10, STT_FUNC, STB_GLOBAL, ELF_BUILDER_TEXT}};
static const struct elf_builder_symbol ALL[] = {{"exported", 0x1000, 0x10, STT_FUNC, STB_GLOBAL, ELF_BUILDER_TEXT},
                                                {"hidden", 0x1010, 0x10, STT_FUNC, STB_LOCAL, ELF_BUILDER_TEXT}};

static char root[] = "/tmp/cprobe-files-XXXXXX";

static int root_make(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int root_remove(void **state)
{
    (void)state;
    return rmdir(root);
}

static const char *path_of(const char *name)
{
    static char paths[4][64];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
    return path;
}

/* The name of the function at 0x1018, which only the debug file has. */
static bool hidden_is_found(const char *path, const uint8_t *id, size_t id_size)
{
    struct symbols_file file;
    struct symbols_table *table;
    assert_int_equal(symbols_file_open(path, id, id_size, &file), 0);
    assert_int_equal(symbols_table_new(file.module, &table), 0);
    const char *name = symbols_table_find(table, 0x1018);
    bool found = name && !strcmp(name, "hidden");
    symbols_table_free(table);
    symbols_file_close(&file);
    return found;
}

static void build_id_is_compared(void **state)
{
    (void)state;
    struct symbols_file file;
    const char *path = path_of("lib.so");
    elf_builder_write(&(struct elf_builder){.build_id = BUILD_ID, .build_id_size = 8}, path);
    assert_int_equal(symbols_file_open(path, BUILD_ID, 8, &file), 0);
    symbols_file_close(&file);
    assert_int_equal(symbols_file_open(path, NULL, 0, &file), 0);
    symbols_file_close(&file);
    assert_int_equal(symbols_file_open(path, OTHER_ID, 8, &file), -ESTALE);
    assert_int_equal(symbols_file_open(path, BUILD_ID, 4, &file), -ESTALE);
    elf_builder_write(&(struct elf_builder){.full = true}, path);
    assert_int_equal(symbols_file_open(path, BUILD_ID, 8, &file), -ESTALE);
    unlink(path);
}

static void what_is_no_elf_file_is_refused(void **state)
{
    (void)state;
    struct symbols_file file;
    const char *path = path_of("thing");
    assert_int_equal(symbols_file_open(path, NULL, 0, &file), -ENOENT);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(symbols_file_open(path, NULL, 0, &file), -ENOEXEC);
    unlink(path);
    assert_int_equal(symbols_file_open("/dev/null", NULL, 0, &file), -ENOEXEC);
    assert_int_equal(symbols_file_open(root, NULL, 0, &file), -ENOEXEC);
    FILE *text = fopen(path, "w");
    assert_non_null(text);
    fputs("not an ELF file", text);
    fclose(text);
    assert_int_equal(symbols_file_open(path, NULL, 0, &file), -ENOEXEC);
    unlink(path);
}

/* What objcopy --add-gnu-debuglink would store. */
static uint32_t crc_of(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    uint32_t crc = UINT32_MAX;
    for (int c; (c = fgetc(file)) != EOF;) {
        crc ^= (uint32_t)c;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? (crc >> 1) ^ UINT32_C(0xedb88320) : crc >> 1;
    }
    fclose(file);
    return ~crc;
}

static void debug_link_is_followed_by_checksum(void **state)
{
    (void)state;
    const char *debug = path_of(".debug"), *file = path_of("lib.so"), *link = path_of(".debug/lib.debug");
    assert_int_equal(mkdir(debug, 0700), 0);
    elf_builder_write(&(struct elf_builder){.symbols = ALL, .symbol_count = 2, .full = true}, link);
    struct elf_builder stripped = {
        .symbols = EXPORTED, .symbol_count = 1, .debuglink = "lib.debug", .debuglink_crc = crc_of(link)};
    elf_builder_write(&stripped, file);
    assert_true(hidden_is_found(file, NULL, 0));
    stripped.debuglink_crc++;
    elf_builder_write(&stripped, file);
    assert_false(hidden_is_found(file, NULL, 0));
    unlink(file);
    unlink(link);
    rmdir(debug);
}

static void debug_link_is_followed_by_build_id(void **state)
{
    (void)state;
    const char *file = path_of("lib.so"), *link = path_of("lib.debug");
    struct elf_builder debug = {
        .symbols = ALL, .symbol_count = 2, .full = true, .build_id = BUILD_ID, .build_id_size = 8};
    elf_builder_write(&debug, link);
    elf_builder_write(
        &(struct elf_builder){
            .symbols = EXPORTED, .symbol_count = 1, .build_id = BUILD_ID, .build_id_size = 8, .debuglink = "lib.debug"},
        file);
    assert_true(hidden_is_found(file, BUILD_ID, 8));
    debug.build_id = OTHER_ID;
    elf_builder_write(&debug, link);
    assert_false(hidden_is_found(file, BUILD_ID, 8));
    unlink(file);
    unlink(link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(build_id_is_compared),
        cmocka_unit_test(what_is_no_elf_file_is_refused),
        cmocka_unit_test(debug_link_is_followed_by_checksum),
        cmocka_unit_test(debug_link_is_followed_by_build_id),
    };
    return cmocka_run_group_tests(tests, root_make, root_remove);
}
