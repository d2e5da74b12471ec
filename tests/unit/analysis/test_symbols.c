/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The test program itself and its C library are the recorded modules; the traces are made by hand. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/symbols.h"
#include "trace/trace_builder.h"

#define CALL_POLL 40
#define COMPLETE STACK_COMPLETE

/* ---- code with known names and lines ---- */

static uint32_t inner_line, outer_line;

__attribute__((noinline, noclone)) static uint64_t return_address(void)
{
    return (uint64_t)(uintptr_t)__builtin_return_address(0);
}

static inline __attribute__((always_inline)) uint64_t inlined_inner(void)
{
    inner_line = __LINE__ + 1;
    uint64_t address = return_address();
    __asm__ volatile("" ::: "memory");
    return address;
}

__attribute__((noinline, noclone)) static uint64_t known_static(void)
{
    outer_line = __LINE__ + 1;
    uint64_t address = inlined_inner();
    __asm__ volatile("" ::: "memory");
    return address;
}

/* ---- a trace of this process ---- */

struct fixture {
    struct trace_builder *builder;
    struct symbols *symbols;
    struct trace *trace;
};

struct module {
    char path[PATH_MAX];
    uint64_t start, end, bias;
    uint8_t build_id[20];
    size_t build_id_size;
};

struct module_search {
    uint64_t address;
    struct module *found;
};

static void build_id_read(const struct dl_phdr_info *info, const ElfW(Phdr) * header, struct module *m)
{
    const char *at = (const char *)(uintptr_t)(info->dlpi_addr + header->p_vaddr), *end = at + header->p_memsz;
    while (at + sizeof(ElfW(Nhdr)) < end) {
        ElfW(Nhdr) note;
        memcpy(&note, at, sizeof(note));
        const char *data = at + sizeof(note) + ((note.n_namesz + 3) & ~3u);
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && note.n_descsz <= sizeof(m->build_id)) {
            m->build_id_size = note.n_descsz;
            memcpy(m->build_id, data, note.n_descsz);
            return;
        }
        at = data + ((note.n_descsz + 3) & ~3u);
    }
}

static int module_match(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    struct module_search *search = data;
    bool inside = false;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uint64_t start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type != PT_LOAD || search->address < start || search->address >= start + header->p_memsz)
            continue;
        inside = true;
        search->found->start = start;
        search->found->end = start + header->p_memsz;
    }
    if (!inside)
        return 0;
    search->found->bias = info->dlpi_addr;
    ssize_t n = *info->dlpi_name ? -1 : readlink("/proc/self/exe", search->found->path, PATH_MAX - 1);
    if (n >= 0)
        search->found->path[n] = 0;
    else
        assert_non_null(realpath(info->dlpi_name, search->found->path));
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_NOTE && !search->found->build_id_size)
            build_id_read(info, &info->dlpi_phdr[i], search->found);
    }
    return 1;
}

/* The module of this process around `address`. */
static struct module module_around(uint64_t address)
{
    struct module module = {.build_id_size = 0};
    struct module_search search = {address, &module};
    assert_int_equal(dl_iterate_phdr(module_match, &search), 1);
    return module;
}

static void module_add(struct trace_builder *b, const struct module *m)
{
    builder_module(b, m->start, m->end, m->bias, 0, m->path, m->build_id, m->build_id_size);
}

static struct fixture fixture_new(void)
{
    struct fixture f = {.builder = builder_new(42), .symbols = symbols_new()};
    assert_non_null(f.symbols);
    return f;
}

static void fixture_open(struct fixture *f)
{
    f->trace = builder_open(f->builder);
    assert_non_null(f->trace);
}

static void fixture_free(struct fixture *f)
{
    if (f->trace)
        trace_close(f->trace);
    symbols_free(f->symbols);
    builder_free(f->builder);
}

/* ---- tests ---- */

static void own_code_has_function_line_and_inlined_frames(void **state)
{
    (void)state;
    uint64_t address = known_static();
    struct module self = module_around(address);
    struct fixture f = fixture_new();
    module_add(f.builder, &self);
    uint32_t id = builder_stack(f.builder, COMPLETE, 0, &address, 1, NULL, 0);
    fixture_open(&f);
    const struct stack *stack = symbols_stack(f.symbols, f.trace, id, CALL_POLL);
    assert_int_equal(stack->count, 3);
    assert_true(stack->complete);
    const struct frame *frame = stack->frames;
    assert_string_equal(frame[0].function, "poll");
    assert_string_equal(frame[0].module, "libc.so.6");
    assert_true(frame[0].system && !frame[0].inlined);
    assert_string_equal(frame[1].function, "inlined_inner");
    assert_true(frame[1].inlined);
    assert_int_equal(frame[1].line, inner_line);
    assert_string_equal(frame[2].function, "known_static");
    assert_string_equal(frame[2].module, strrchr(self.path, '/') + 1);
    assert_non_null(frame[2].file);
    assert_non_null(strstr(frame[2].file, "test_symbols.c"));
    assert_int_equal(frame[2].line, outer_line);
    assert_false(frame[2].inlined || frame[2].system);
    assert_ptr_equal(symbols_stack(f.symbols, f.trace, id, CALL_POLL), stack);
    assert_string_equal(symbols_address(f.symbols, f.trace, address, 0)->function, "inlined_inner");
    assert_int_equal(symbols_warning_count(f.symbols), 0);
    fixture_free(&f);
}

/* The first address of a function is its own when it is exact, the previous function's when it is a return address. */
static uint32_t known_variable[4];

static void variable_has_its_name_and_offset(void **state)
{
    (void)state;
    uint64_t address = (uint64_t)(uintptr_t)known_variable;
    struct module self = module_around(known_static());
    struct module data = module_around(address);
    struct fixture f = fixture_new();
    struct variable variable;
    module_add(f.builder, &self);
    module_add(f.builder, &data);
    fixture_open(&f);
    assert_true(symbols_variable(f.symbols, f.trace, address, 0, &variable));
    assert_string_equal(variable.name, "known_variable");
    assert_string_equal(variable.module, strrchr(self.path, '/') + 1);
    assert_true(symbols_variable(f.symbols, f.trace, address + 4, 0, &variable));
    assert_string_equal(variable.name, "known_variable+4");
    assert_false(symbols_variable(f.symbols, f.trace, (uint64_t)(uintptr_t)&variable, 0, &variable)); /* the stack */
    fixture_free(&f);
}

static void exact_pc_is_not_moved_back(void **state)
{
    (void)state;
    uint64_t address = (uint64_t)(uintptr_t)known_static;
    struct module self = module_around(address);
    struct fixture f = fixture_new();
    module_add(f.builder, &self);
    uint32_t exact = builder_stack(f.builder, COMPLETE | STACK_EXACT_PC, 0, &address, 1, NULL, 0);
    uint32_t moved = builder_stack(f.builder, COMPLETE, 0, &address, 1, NULL, 0);
    fixture_open(&f);
    const struct stack *stack = symbols_stack(f.symbols, f.trace, exact, 0);
    assert_string_equal(stack->frames[stack->count - 1].function, "known_static");
    stack = symbols_stack(f.symbols, f.trace, moved, 0);
    assert_string_not_equal(stack->frames[stack->count - 1].function, "known_static");
    fixture_free(&f);
}

static void libc_function_has_its_known_name(void **state)
{
    (void)state;
    uint64_t address = (uint64_t)(uintptr_t)dlsym(RTLD_DEFAULT, "nanosleep") + 8;
    struct module libc = module_around((uint64_t)(uintptr_t)dlsym(RTLD_DEFAULT, "gnu_get_libc_version"));
    struct fixture f = fixture_new();
    module_add(f.builder, &libc);
    fixture_open(&f);
    const struct frame *frame = symbols_address(f.symbols, f.trace, address, 0);
    if (address >= libc.start && address < libc.end) /* a sanitizer stands in front of some functions */
        assert_string_equal(frame->function, "nanosleep");
    uint64_t version = (uint64_t)(uintptr_t)dlsym(RTLD_DEFAULT, "gnu_get_libc_version") + 1;
    frame = symbols_address(f.symbols, f.trace, version, 0);
    assert_string_equal(frame->function, "gnu_get_libc_version");
    assert_string_equal(frame->module, "libc.so.6");
    assert_true(frame->system);
    fixture_free(&f);
}

static void other_build_gives_addresses_and_one_warning(void **state)
{
    (void)state;
    uint64_t address = known_static();
    struct module self = module_around(address);
    assert_int_equal(self.build_id_size, 20);
    self.build_id[3] ^= 1;
    struct fixture f = fixture_new();
    module_add(f.builder, &self);
    fixture_open(&f);
    char expected[32];
    snprintf(expected, sizeof(expected), "0x%llx", (unsigned long long)(address - 1 - self.bias));
    const struct frame *frame = symbols_address(f.symbols, f.trace, address, 0);
    assert_string_equal(frame->function, expected);
    assert_string_equal(frame->module, strrchr(self.path, '/') + 1);
    symbols_address(f.symbols, f.trace, address + 1, 0);
    assert_int_equal(symbols_warning_count(f.symbols), 1);
    assert_non_null(strstr(symbols_warning_at(f.symbols, 0), self.path));
    assert_non_null(strstr(symbols_warning_at(f.symbols, 0), "build-id"));
    fixture_free(&f);
}

static void missing_deleted_and_virtual_modules(void **state)
{
    (void)state;
    struct fixture f = fixture_new();
    builder_module(f.builder, 0x10000, 0x20000, 0x10000, 0, "/nowhere/libgone.so.1", NULL, 0);
    builder_module(f.builder, 0x20000, 0x30000, 0x20000, 0, "/nowhere/libold.so.1 (deleted)", NULL, 0);
    builder_module(f.builder, 0x30000, 0x40000, 0x30000, 0, "[vdso]", NULL, 0);
    fixture_open(&f);
    const struct frame *frame = symbols_address(f.symbols, f.trace, 0x10124, 0);
    assert_string_equal(frame->function, "0x123");
    assert_string_equal(frame->module, "libgone.so.1");
    assert_false(frame->system);
    frame = symbols_address(f.symbols, f.trace, 0x20124, 0);
    assert_string_equal(frame->module, "libold.so.1");
    frame = symbols_address(f.symbols, f.trace, 0x30124, 0);
    assert_string_equal(frame->module, "[vdso]");
    assert_true(frame->system);
    frame = symbols_address(f.symbols, f.trace, 0x77777, 0);
    assert_string_equal(frame->function, "0x77776");
    assert_string_equal(frame->module, "[anonymous]");
    assert_true(frame->system);
    assert_string_equal(symbols_address(f.symbols, f.trace, 0, 0)->function, "0x0");
    assert_int_equal(symbols_warning_count(f.symbols), 2);
    assert_non_null(strstr(symbols_warning_at(f.symbols, 0), "libgone.so.1: No such file"));
    assert_non_null(strstr(symbols_warning_at(f.symbols, 1), "libold.so.1 was deleted"));
    fixture_free(&f);
}

/* dlopen("./driver.so"): whatever has that name in the reader's directory is another file, unless the build-id agrees.
 */
static void relative_path_needs_the_build_id(void **state)
{
    (void)state;
    uint64_t address = known_static();
    struct module self = module_around(address);
    struct fixture f = fixture_new();
    char *slash = strrchr(self.path, '/');
    *slash = 0;
    assert_int_equal(chdir(self.path), 0);
    builder_module(f.builder, self.start, self.end, self.bias, 0, slash + 1, self.build_id, self.build_id_size);
    builder_module(f.builder, 0x10000, 0x20000, 0x10000, 0, slash + 1, NULL, 0);
    fixture_open(&f);
    assert_string_equal(symbols_address(f.symbols, f.trace, address, 0)->function, "inlined_inner");
    assert_int_equal(symbols_warning_count(f.symbols), 0);
    assert_string_equal(symbols_address(f.symbols, f.trace, 0x11001, 0)->function, "0x1000");
    assert_int_equal(symbols_warning_count(f.symbols), 1);
    fixture_free(&f);
}

static void module_generations_are_told_apart(void **state)
{
    (void)state;
    struct fixture f = fixture_new();
    builder_module(f.builder, 0x10000, 0x20000, 0x10000, 1, "/nowhere/libone.so", NULL, 0);
    builder_unload(f.builder, 0x10000, 2);
    builder_module(f.builder, 0x10000, 0x20000, 0xf000, 3, "/nowhere/libtwo.so", NULL, 0);
    fixture_open(&f);
    assert_string_equal(symbols_address(f.symbols, f.trace, 0x10101, 1)->module, "libone.so");
    assert_string_equal(symbols_address(f.symbols, f.trace, 0x10101, 2)->module, "[anonymous]");
    const struct frame *frame = symbols_address(f.symbols, f.trace, 0x10101, 3);
    assert_string_equal(frame->module, "libtwo.so");
    assert_string_equal(frame->function, "0x1100");
    fixture_free(&f);
}

static void python_frames_have_module_file_and_line(void **state)
{
    (void)state;
    /* 3.9: four bytes of code in the first line, then two lines further down */
    static const uint8_t LNOTAB[] = {4, 2};
    struct fixture f = fixture_new();
    builder_module(f.builder, 0x10000, 0x20000, 0x10000, 0, "/nowhere/libmariadb.so.3", NULL, 0);
    uint32_t view = builder_code(f.builder, "View.get", "/nowhere/app.py", 31, 0x0309, LNOTAB, sizeof(LNOTAB));
    uint32_t hub = builder_code(f.builder, "run", "/usr/lib/python3/dist-packages/gevent/hub.py", 7, 0x0309, NULL, 0);
    uint64_t native[] = {0x10100};
    uint64_t python[] = {PY_FRAME(1, view, 4), PY_FRAME(1, hub, 0), PY_FRAME(1, 99, 0)};
    uint32_t id = builder_stack(f.builder, COMPLETE, 0, native, 1, python, 3);
    fixture_open(&f);
    const struct stack *stack = symbols_stack(f.symbols, f.trace, id, 0);
    trace_close(f.trace);
    f.trace = NULL;
    assert_int_equal(stack->count, 4);
    assert_string_equal(stack->frames[0].module, "libmariadb.so.3");
    const struct frame *frame = &stack->frames[1];
    assert_int_equal(frame->kind, FRAME_PYTHON);
    assert_string_equal(frame->function, "View.get");
    assert_string_equal(frame->module, "app");
    assert_string_equal(frame->file, "/nowhere/app.py");
    assert_int_equal(frame->line, 33);
    assert_false(frame->system);
    assert_string_equal(stack->frames[2].module, "gevent.hub");
    assert_int_equal(stack->frames[2].line, 7);
    assert_true(stack->frames[2].system);
    assert_string_equal(stack->frames[3].function, "?");
    fixture_free(&f);
}

static void unknown_stack_is_empty(void **state)
{
    (void)state;
    struct fixture f = fixture_new();
    fixture_open(&f);
    const struct stack *stack = symbols_stack(f.symbols, f.trace, 12345, CALL_POLL);
    assert_non_null(stack);
    assert_int_equal(stack->count, 0);
    assert_int_equal(symbols_stack(f.symbols, f.trace, 0, 0)->count, 0);
    fixture_free(&f);
}

static void traces_do_not_share_stack_ids(void **state)
{
    (void)state;
    struct trace *traces[2];
    struct trace_builder *builders[2];
    struct symbols *symbols = symbols_new();
    uint32_t ids[2];
    for (unsigned i = 0; i < 2; i++) {
        builders[i] = builder_new(100 + i);
        builder_module(builders[i], 0x10000, 0x20000, 0x10000, 0, i ? "/nowhere/b.so" : "/nowhere/a.so", NULL, 0);
        ids[i] = builder_stack(builders[i], COMPLETE, 0, (uint64_t[]){0x10010}, 1, NULL, 0);
        traces[i] = builder_open(builders[i]);
        assert_non_null(traces[i]);
    }
    assert_int_equal(ids[0], ids[1]);
    assert_string_equal(symbols_stack(symbols, traces[0], ids[0], 0)->frames[0].module, "a.so");
    assert_string_equal(symbols_stack(symbols, traces[1], ids[1], 0)->frames[0].module, "b.so");
    for (unsigned i = 0; i < 2; i++) {
        trace_close(traces[i]);
        builder_free(builders[i]);
    }
    symbols_free(symbols);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_code_has_function_line_and_inlined_frames),
        cmocka_unit_test(variable_has_its_name_and_offset),
        cmocka_unit_test(exact_pc_is_not_moved_back),
        cmocka_unit_test(libc_function_has_its_known_name),
        cmocka_unit_test(other_build_gives_addresses_and_one_warning),
        cmocka_unit_test(missing_deleted_and_virtual_modules),
        cmocka_unit_test(relative_path_needs_the_build_id),
        cmocka_unit_test(module_generations_are_told_apart),
        cmocka_unit_test(python_frames_have_module_file_and_line),
        cmocka_unit_test(unknown_stack_is_empty),
        cmocka_unit_test(traces_do_not_share_stack_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
