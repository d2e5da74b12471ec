/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Look-ups in objects that are really loaded, compared with dlsym, and in tables made by hand for what those lack. */
#define _GNU_SOURCE
#include "capture/elf.h"

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>

#include <cmocka.h>

static const struct link_map *map_of(const char *path)
{
    void *handle = dlopen(path, RTLD_LAZY);
    struct link_map *map = NULL;

    assert_non_null(handle);
    assert_int_equal(dlinfo(handle, RTLD_DI_LINKMAP, &map), 0);
    return map;
}

static void symbol_is_what_dlsym_says(void **state)
{
    static const char *const names[] = {"getenv", "environ", "strerror",         "qsort",
                                        "stdout", "_exit",   "pthread_cond_wait"};
    void *libc = dlopen("libc.so.6", RTLD_LAZY);

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_ptr_equal(elf_symbol(map_of("libc.so.6"), names[i]), dlsym(libc, names[i]));
}

static void symbol_not_defined_is_null(void **state)
{
    (void)state;
    assert_null(elf_symbol(map_of("libc.so.6"), "no_such_symbol_anywhere"));
    assert_null(elf_symbol(map_of("libc.so.6"), ""));
    /* cmocka imports malloc. */
    assert_null(elf_symbol(map_of("libcmocka.so.0"), "malloc"));
    assert_non_null(elf_symbol(map_of("libcmocka.so.0"), "_test_malloc"));
}

/* strlen's address is chosen by a resolver function, which is not it; errno's storage is one a thread. */
static void symbol_of_other_kind_is_null(void **state)
{
    (void)state;
    assert_null(elf_symbol(map_of("libc.so.6"), "strlen"));
    assert_null(elf_symbol(map_of("libc.so.6"), "errno"));
}

static void symbol_in_the_vdso(void **state)
{
    uintptr_t base = getauxval(AT_SYSINFO_EHDR);
    const ElfW(Ehdr) *head = (const ElfW(Ehdr) *)base;
    struct link_map map = {.l_addr = base};

    (void)state;
    if (!base)
        skip();
    const ElfW(Phdr) *headers = (const ElfW(Phdr) *)(base + head->e_phoff);
    for (size_t i = 0; i < head->e_phnum; i++)
        if (headers[i].p_type == PT_DYNAMIC)
            map.l_ld = (ElfW(Dyn) *)(base + headers[i].p_vaddr);
    int (*gettime)(clockid_t, struct timespec *) =
        (int (*)(clockid_t, struct timespec *))elf_symbol(&map, "__vdso_clock_gettime");
    struct timespec now;
    assert_non_null(gettime);
    assert_int_equal(gettime(CLOCK_MONOTONIC, &now), 0);
    struct elf_headers found;
    assert_int_equal(elf_headers_find(&map, &found), 0);
    assert_ptr_equal(found.first, headers);
}

/* An object with the older hash table: symbols 1 "aa" (hidden version), 2 "aa" (default), 3 "ba" (imported), in one
   bucket. */
static char made_strings[] = "\0aa\0ba";
static ElfW(Sym) made_symbols[] = {
    {0},
    {.st_name = 1, .st_info = STT_FUNC, .st_shndx = 1, .st_value = 0x10},
    {.st_name = 1, .st_info = STT_FUNC, .st_shndx = 1, .st_value = 0x20},
    {.st_name = 4, .st_info = STT_FUNC, .st_shndx = SHN_UNDEF, .st_value = 0x30},
};
static uint32_t made_hash[] = {1, 4, /* bucket */ 3, /* chain */ 0, 2, 0, 1};
static ElfW(Half) made_versions[] = {0, 0x8002, 2, 2};

static struct link_map *made_map(ElfW(Dyn) * dynamic)
{
    static struct link_map map;
    ElfW(Dyn) entries[] = {
        {.d_tag = DT_HASH, .d_un.d_ptr = (uintptr_t)made_hash},
        {.d_tag = DT_SYMTAB, .d_un.d_ptr = (uintptr_t)made_symbols},
        {.d_tag = DT_STRTAB, .d_un.d_ptr = (uintptr_t)made_strings},
        {.d_tag = DT_VERSYM, .d_un.d_ptr = (uintptr_t)made_versions},
        {.d_tag = DT_NULL},
    };

    memcpy(dynamic, entries, sizeof(entries));
    map = (struct link_map){.l_addr = 0x1000, .l_ld = dynamic};
    return &map;
}

static void symbol_by_the_older_hash_table(void **state)
{
    ElfW(Dyn) dynamic[5];
    const struct link_map *map = made_map(dynamic);

    (void)state;
    made_hash[2] = 3; /* 3 → 1 → 2 */
    assert_ptr_equal(elf_symbol(map, "aa"), (void *)0x1020);
    assert_null(elf_symbol(map, "ba"));
    assert_null(elf_symbol(map, "ca"));
    made_hash[4] = 0; /* 3 → 1: only the hidden version is left */
    assert_ptr_equal(elf_symbol(map, "aa"), (void *)0x1010);
    made_hash[4] = 2;
}

static void symbol_without_tables_is_null(void **state)
{
    ElfW(Dyn) dynamic[5];
    struct link_map *map = made_map(dynamic);

    (void)state;
    dynamic[0].d_tag = DT_DEBUG;
    assert_null(elf_symbol(map, "aa"));
    map->l_ld = NULL;
    assert_null(elf_symbol(map, "aa"));
}

static int phdr_compare(struct dl_phdr_info *info, size_t size, void *argument)
{
    const struct link_map *map = argument;
    struct elf_headers headers;
    uintptr_t start, end;

    (void)size;
    if (info->dlpi_addr != map->l_addr || strcmp(info->dlpi_name, map->l_name) != 0)
        return 0;
    assert_int_equal(elf_headers_find(map, &headers), 0);
    assert_int_equal(headers.count, info->dlpi_phnum);
    assert_memory_equal(headers.first, info->dlpi_phdr, info->dlpi_phnum * sizeof(*info->dlpi_phdr));
    assert_int_equal(headers.bias, info->dlpi_addr);
    assert_true(elf_load_range(&headers, &start, &end));
    assert_true((uintptr_t)map->l_ld > start && (uintptr_t)map->l_ld < end);
    return 1;
}

static void headers_are_what_the_loader_says(void **state)
{
    (void)state;
    assert_int_equal(dl_iterate_phdr(phdr_compare, (void *)map_of("libc.so.6")), 1);
    assert_int_equal(dl_iterate_phdr(phdr_compare, (void *)map_of("libcmocka.so.0")), 1);
    assert_int_equal(dl_iterate_phdr(phdr_compare, (void *)map_of(NULL)), 1);
}

static void headers_of_an_unknown_object(void **state)
{
    static const char page[4096] __attribute__((aligned(4096))) = "not an object";
    ElfW(Dyn) dynamic[5];
    struct link_map *map = made_map(dynamic);
    struct elf_headers headers;

    (void)state;
    map->l_addr = (uintptr_t)page;
    assert_int_equal(elf_headers_find(map, &headers), -ENOEXEC);
    map->l_addr = 0;
    assert_int_equal(elf_headers_find(map, &headers), -ENOEXEC);
}

struct note {
    uint32_t name_size, content_size, type;
    char name[4];
    uint8_t content[24];
};

static size_t build_id_of(const void *notes, size_t size, uint8_t out[ELF_BUILD_ID_MAX])
{
    ElfW(Phdr) program[] = {
        {.p_type = PT_LOAD, .p_vaddr = 0, .p_memsz = size},
        {.p_type = PT_NOTE, .p_vaddr = 0, .p_memsz = size, .p_align = 4},
    };
    struct elf_headers headers = {program, 2, (uintptr_t)notes};

    memset(out, 0, ELF_BUILD_ID_MAX);
    return elf_build_id(&headers, out);
}

static void build_id_is_found_behind_other_notes(void **state)
{
    struct note notes[] = {
        {4, 24, 1, "GNU", {9}},
        {4, 24, NT_GNU_BUILD_ID, "Go", {8}},
        {4, 3, NT_GNU_BUILD_ID, "GNU", {1, 2, 3}},
    };
    uint8_t id[ELF_BUILD_ID_MAX];

    (void)state;
    assert_int_equal(build_id_of(notes, sizeof(notes), id), 3);
    assert_memory_equal(id, ((uint8_t[]){1, 2, 3}), 3);
}

static void build_id_is_cut_or_refused(void **state)
{
    struct note note = {4, 24, NT_GNU_BUILD_ID, "GNU", {1, 2, 3}};
    uint8_t id[ELF_BUILD_ID_MAX];

    (void)state;
    assert_int_equal(build_id_of(&note, sizeof(note), id), ELF_BUILD_ID_MAX);
    assert_int_equal(build_id_of(&note, sizeof(note) - 1, id), 0);
    assert_int_equal(build_id_of(&note, 8, id), 0);
    note.content_size = UINT32_MAX;
    assert_int_equal(build_id_of(&note, sizeof(note), id), 0);
    note = (struct note){UINT32_MAX, 4, NT_GNU_BUILD_ID, "GNU", {0}};
    assert_int_equal(build_id_of(&note, sizeof(note), id), 0);
}

static void build_id_that_is_not_loaded_is_not_read(void **state)
{
    ElfW(Phdr) program[] = {
        {.p_type = PT_LOAD, .p_vaddr = 0, .p_memsz = 0x100},
        {.p_type = PT_NOTE, .p_vaddr = 0xf0, .p_memsz = 0x20, .p_align = 4},
    };
    struct elf_headers headers = {program, 2, 0x1000};
    uint8_t id[ELF_BUILD_ID_MAX];

    (void)state;
    assert_int_equal(elf_build_id(&headers, id), 0);
}

static void range_covers_all_segments(void **state)
{
    ElfW(Phdr) program[] = {
        {.p_type = PT_LOAD, .p_vaddr = 0x5123, .p_memsz = 0x1000},
        {.p_type = PT_LOAD, .p_vaddr = 0x1800, .p_memsz = 1},
        {.p_type = PT_LOAD, .p_vaddr = 0x90000, .p_memsz = 0},
        {.p_type = PT_NOTE, .p_vaddr = 0, .p_memsz = 0x100000},
    };
    struct elf_headers headers = {program, 4, 0x100000};
    uintptr_t start, end;

    (void)state;
    assert_true(elf_load_range(&headers, &start, &end));
    assert_int_equal(start, 0x101000);
    assert_int_equal(end, 0x107000);
    headers.count = 0;
    assert_false(elf_load_range(&headers, &start, &end));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(symbol_is_what_dlsym_says),
        cmocka_unit_test(symbol_not_defined_is_null),
        cmocka_unit_test(symbol_of_other_kind_is_null),
        cmocka_unit_test(symbol_in_the_vdso),
        cmocka_unit_test(symbol_by_the_older_hash_table),
        cmocka_unit_test(symbol_without_tables_is_null),
        cmocka_unit_test(headers_are_what_the_loader_says),
        cmocka_unit_test(headers_of_an_unknown_object),
        cmocka_unit_test(build_id_is_found_behind_other_notes),
        cmocka_unit_test(build_id_is_cut_or_refused),
        cmocka_unit_test(build_id_that_is_not_loaded_is_not_read),
        cmocka_unit_test(range_covers_all_segments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
