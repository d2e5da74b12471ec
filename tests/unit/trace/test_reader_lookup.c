/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From an address to its module, from a stack's id to its frames. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "trace/reader.h"
#include "trace_builder.h"
#include "trace_objects.h"

/* ---- modules ---- */

static void expect_module(const struct trace *t, uint64_t pc, uint32_t generation, const char *path)
{
    const struct trace_module *m = trace_module_find(t, pc, generation);
    if (path) {
        assert_non_null(m);
        assert_string_equal(m->path, path);
    } else {
        assert_null(m);
    }
}

static void test_module_bounds(void **state)
{
    (void)state;
    static const uint8_t build_id[3] = {1, 2, 3};
    uint8_t long_id[21] = {0};
    struct trace_builder *b = builder_new(1);
    builder_module(b, 0x9000, 0xa000, 0x8000, 0, "/late", long_id, sizeof(long_id));
    builder_module(b, 0x1000, 0x2000, 0x500, 0, "/early", build_id, sizeof(build_id));
    builder_module(b, 0x2000, 0x3000, 0, 4, "/next", NULL, 0);
    struct trace *t = builder_open(b);
    assert_int_equal(trace_module_count(t), 3);
    assert_null(trace_module_at(t, 3));
    expect_module(t, 0xfff, 9, NULL);
    expect_module(t, 0x1000, 0, "/early");
    expect_module(t, 0x1fff, 9, "/early");
    expect_module(t, 0x2000, 3, NULL); /* not yet loaded */
    expect_module(t, 0x2000, 4, "/next");
    expect_module(t, 0x3000, 4, NULL);
    expect_module(t, 0x9fff, 4, "/late");
    expect_module(t, 0, 4, NULL);
    expect_module(t, UINT64_MAX, UINT32_MAX, NULL);
    const struct trace_module *early = trace_module_find(t, 0x1000, 0);
    assert_int_equal(early->bias, 0x500);
    assert_int_equal(early->build_id_size, 3);
    assert_memory_equal(early->build_id, build_id, 3);
    assert_int_equal(trace_module_find(t, 0x9000, 0)->build_id_size, 0); /* too long to be compared */
    trace_close(t);
    builder_free(b);
}

/* A plug-in that is loaded and unloaded over and over, always at one address. */
static void test_module_generations(void **state)
{
    (void)state;
    char path[32];
    struct trace_builder *b = builder_new(1);
    for (uint32_t i = 0; i < 5000; i++) {
        snprintf(path, sizeof(path), "/plugin%u", i);
        builder_module(b, 0x1000, 0x2000, 0, 3 * i + 1, path, NULL, 0);
        if (i % 2 == 0) /* otherwise its unloading was lost */
            builder_unload(b, 0x1000, 3 * i + 3);
    }
    struct trace *t = builder_open(b);
    expect_module(t, 0x1800, 0, NULL);
    for (uint32_t i = 0; i < 4998; i += 2) {
        snprintf(path, sizeof(path), "/plugin%u", i);
        expect_module(t, 0x1800, 3 * i + 1, path);
        expect_module(t, 0x1800, 3 * i + 2, path);
        expect_module(t, 0x1800, 3 * i + 3, NULL);
        snprintf(path, sizeof(path), "/plugin%u", i + 1);
        expect_module(t, 0x1800, 3 * i + 6, path);
    }
    trace_close(t);
    builder_free(b);
}

/* Libraries of different size that take turns: each begins elsewhere. */
static void test_modules_that_overlap(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    builder_module(b, 0x1000, 0x9000, 0, 1, "/large", NULL, 0);
    builder_unload(b, 0x1000, 2);
    builder_module(b, 0x2000, 0x3000, 0, 3, "/small", NULL, 0);
    builder_module(b, 0x4000, 0x5000, 0, 3, "/other", NULL, 0);
    struct trace *t = builder_open(b);
    expect_module(t, 0x2800, 1, "/large");
    expect_module(t, 0x8000, 1, "/large");
    expect_module(t, 0x8000, 2, NULL);
    expect_module(t, 0x2800, 2, NULL);
    expect_module(t, 0x2800, 3, "/small");
    expect_module(t, 0x4800, 3, "/other");
    trace_close(t);
    builder_free(b);
}

static void test_unload_of_nothing(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    builder_unload(b, 0x5000, 1);
    builder_module(b, 0x1000, 0x2000, 0, 2, "/a", NULL, 0);
    builder_unload(b, 0x1000, 1); /* of an earlier one */
    struct trace *t = builder_open(b);
    expect_module(t, 0x1000, 2, "/a");
    assert_int_equal(trace_module_at(t, 0)->unloaded, UINT32_MAX);
    trace_close(t);
    builder_free(b);
}

/* ---- stacks ---- */

static const char *symbol_name(const struct trace *t, uint64_t pc, uint32_t generation)
{
    const struct trace_symbol *s = trace_symbol_find(t, pc, generation);
    return s ? s->name : "";
}

/* Generated code is replaced by other code, in the same place or in some of it. */
static void test_symbols(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    builder_symbol(b, 0x1000, 0x1100, 0, "first");
    builder_symbol(b, 0x1000, 0x1080, 2, "second");
    builder_symbol(b, 0x1040, 0x1060, 3, "third");
    builder_symbol(b, 0x2000, 0x2001, 0, "far");
    struct trace *t = builder_open(b);
    assert_string_equal(symbol_name(t, 0xfff, 9), "");
    assert_string_equal(symbol_name(t, 0x1000, 1), "first");
    assert_string_equal(symbol_name(t, 0x1050, 1), "first");
    assert_string_equal(symbol_name(t, 0x1050, 2), "second");
    assert_string_equal(symbol_name(t, 0x1050, 3), "third");
    assert_string_equal(symbol_name(t, 0x1060, 3), "second");
    assert_string_equal(symbol_name(t, 0x1090, 3), "first");
    assert_string_equal(symbol_name(t, 0x1100, 3), "");
    assert_string_equal(symbol_name(t, 0x2000, 0), "far");
    assert_string_equal(symbol_name(t, 0x2001, 0), "");
    trace_close(t);
    builder_free(b);
}

static void test_stack(void **state)
{
    (void)state;
    static const uint64_t native[] = {0x10, 0x20, 0x30};
    static const uint64_t python[] = {PY_FRAME(1, 7, 8), PY_FRAME(0, 9, 10)};
    uint32_t ids[3000];
    struct trace_stack_view v;
    struct trace_builder *b = builder_new(1);
    for (size_t i = 0; i < 3000; i++) { /* several segments */
        ids[i] = builder_stack(b, STACK_COMPLETE, (uint32_t)i, native, i % 4, python, i % 3);
        if (i % 500 == 0)
            builder_wait(b, 5, BUILDER_START, 1, 40, 0, ids[i], 0);
    }
    struct trace *t = builder_open(b);
    for (size_t i = 0; i < 3000; i++) {
        assert_int_equal(trace_stack_find(t, ids[i], &v), 0);
        assert_int_equal(v.flags, STACK_COMPLETE);
        assert_int_equal(v.modules, i);
        assert_int_equal(v.native_count, i % 4);
        assert_int_equal(v.python_count, i % 3);
        assert_memory_equal(v.native, native, v.native_count * sizeof(native[0]));
        assert_memory_equal(v.python, python, v.python_count * sizeof(python[0]));
    }
    assert_int_equal(PY_FRAME_CODE(v.python[0]), 7);
    trace_close(t);
    builder_free(b);
}

static void test_stack_of_most_frames(void **state)
{
    (void)state;
    uint64_t frames[STACK_MAX_PYTHON] = {0};
    struct trace_stack_view v;
    struct trace_builder *b = builder_new(1);
    uint32_t most = builder_stack(b, 0, 0, frames, STACK_MAX_NATIVE, frames, STACK_MAX_PYTHON);
    uint32_t native = builder_stack(b, 0, 0, frames, STACK_MAX_NATIVE + 1, frames, 0);
    uint32_t python = builder_stack(b, 0, 0, frames, 0, frames, STACK_MAX_PYTHON);
    struct trace *t = builder_open(b);
    assert_int_equal(trace_stack_find(t, most, &v), 0);
    assert_int_equal(v.python_count, STACK_MAX_PYTHON);
    assert_int_equal(trace_stack_find(t, native, &v), -ENOENT);
    assert_int_equal(trace_stack_find(t, python, &v), 0);
    trace_close(t);
    builder_free(b);
}

static void test_stack_ids_that_name_nothing(void **state)
{
    (void)state;
    static const uint64_t frames[] = {1, 2, 3, 4};
    struct trace_stack_view v;
    size_t size;
    struct trace_builder *b = builder_new(1);
    uint32_t first = builder_stack(b, 0, 0, frames, 4, NULL, 0);
    uint32_t last = builder_stack(b, 0, 0, frames, 4, NULL, 0);
    builder_note(b, 0, "a segment behind it");
    struct trace *t = builder_open(b);
    const uint32_t nothing[] = {0, 1, first - 1, first + 1, last + 1, last + 7, last + 8, UINT32_MAX};
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
        assert_int_equal(trace_stack_find(t, nothing[i], &v), -ENOENT);
    trace_close(t);

    /* The last one says more frames than the segment holds. */
    struct trace_stack *s = (struct trace_stack *)(void *)(builder_image(b, &size) + (uint64_t)last * 8);
    s->native = 5;
    t = builder_open(b);
    assert_int_equal(trace_stack_find(t, last, &v), -ENOENT);
    assert_int_equal(trace_stack_find(t, first, &v), 0);
    trace_close(t);
    builder_free(b);
}

static void test_objects_and_methods(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    objects_method(b, 3, "Cache.__setitem__", METHOD_MUTATES);
    objects_object(b, 5, 0, OBJECT_BORN, "cachetools", "LRUCache");
    objects_object(b, 2, 77, 0, "shop.local", "PageCache");
    objects_object(b, 5, 0, OBJECT_BORN, "cachetools", "LRUCache");
    struct trace *t = builder_open(b);
    assert_int_equal(trace_object_count(t), 2);
    const struct trace_object *o = trace_object_at(t, 0);
    assert_int_equal(o->id, 2);
    assert_int_equal(o->stack, 77);
    assert_string_equal(o->module, "shop.local");
    assert_string_equal(o->class, "PageCache");
    assert_ptr_equal(trace_object_find(t, 2), o);
    assert_int_equal(trace_object_find(t, 5)->flags, OBJECT_BORN);
    assert_null(trace_object_find(t, 3));
    assert_null(trace_object_at(t, 2));
    assert_string_equal(trace_method_find(t, 3)->name, "Cache.__setitem__");
    assert_int_equal(trace_method_find(t, 3)->flags, METHOD_MUTATES);
    assert_null(trace_method_find(t, 2));
    trace_close(t);
    builder_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_module_bounds),
        cmocka_unit_test(test_module_generations),
        cmocka_unit_test(test_modules_that_overlap),
        cmocka_unit_test(test_unload_of_nothing),
        cmocka_unit_test(test_symbols),
        cmocka_unit_test(test_stack),
        cmocka_unit_test(test_stack_of_most_frames),
        cmocka_unit_test(test_stack_ids_that_name_nothing),
        cmocka_unit_test(test_objects_and_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
