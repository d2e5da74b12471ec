/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/python_code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/record.h"
#include "isolated.h"
#include "python/fake_python.h"

static struct {
    uint32_t count;
    bool full;
    uint32_t first_line;
    uint16_t version;
    char name[2048], file[2048];
    size_t linetable_size;
    uint8_t linetable[64];
} recorded;

uint32_t record_code(uint32_t first_line, uint16_t version, const char *name, size_t name_length, const char *file,
                     size_t file_length, const uint8_t *linetable, size_t linetable_size)
{
    recorded.count++;
    recorded.first_line = first_line;
    recorded.version = version;
    memset(recorded.name, 0, sizeof(recorded.name));
    memset(recorded.file, 0, sizeof(recorded.file));
    memcpy(recorded.name, name, name_length);
    memcpy(recorded.file, file, file_length);
    recorded.linetable_size = linetable_size;
    memcpy(recorded.linetable, linetable, linetable_size < 64 ? linetable_size : 64);
    return recorded.full ? 0 : recorded.count;
}

static const struct python_layout *layout;

static int each_version(void **state)
{
    layout = python_layout_find(*(uint16_t *)*state);
    fake_clear();
    memset(&recorded, 0, sizeof(recorded));
    return layout ? 0 : -1;
}

static uintptr_t code_of(const char *name, const char *file, int32_t line, const char *linetable)
{
    return fake_code(layout, fake_ascii(layout, name), fake_ascii(layout, file), line,
                     fake_bytes(linetable, strlen(linetable)));
}

static uint32_t find(uintptr_t code)
{
    uint32_t id = UINT32_MAX;

    assert_true(python_code_find(layout, &fake_types, code, &id));
    return id;
}

static void new_code_is_recorded_whole(void **state)
{
    (void)state;
    assert_int_equal(find(code_of("View.get", "/srv/app/views.py", 33, "\x01\x02\x03")), 1);
    assert_string_equal(recorded.name, "View.get");
    assert_string_equal(recorded.file, "/srv/app/views.py");
    assert_int_equal(recorded.first_line, 33);
    assert_int_equal(recorded.version, layout->version);
    assert_int_equal(recorded.linetable_size, 3);
    assert_memory_equal(recorded.linetable, "\x01\x02\x03", 3);
}

static void known_code_is_not_recorded_again(void **state)
{
    uintptr_t a = code_of("a", "f", 1, "x"), b = code_of("b", "f", 1, "x");

    (void)state;
    assert_int_equal(find(a), 1);
    assert_int_equal(find(b), 2);
    assert_int_equal(find(a), 1);
    assert_int_equal(find(b), 2);
    assert_int_equal(recorded.count, 2);
}

static void equal_code_elsewhere_has_the_same_number(void **state)
{
    (void)state;
    assert_int_equal(find(code_of("a", "f", 1, "x")), 1);
    assert_int_equal(find(code_of("a", "f", 1, "x")), 1);
    assert_int_equal(find(code_of("b", "f", 1, "x")), 2);
    assert_int_equal(find(code_of("a", "g", 1, "x")), 3);
    assert_int_equal(find(code_of("a", "f", 2, "x")), 4);
    assert_int_equal(find(code_of("a", "f", 1, "y")), 5);
    assert_int_equal(find(code_of("af", "", 1, "x")), 6);
}

static void other_code_at_the_same_address_is_noticed(void **state)
{
    (void)state;
    uintptr_t first = code_of("a", "f", 1, "x");
    assert_int_equal(find(first), 1);
    fake_clear();
    assert_int_equal(code_of("a", "f", 2, "x"), first);
    assert_int_equal(find(first), 2);
    fake_put_pointer(first, layout->code_name, fake_ascii(layout, "b"));
    assert_int_equal(find(first), 3);
    fake_put_pointer(first, layout->code_file, fake_ascii(layout, "g"));
    assert_int_equal(find(first), 4);
    fake_put_pointer(first, layout->code_linetable, fake_bytes("y", 1));
    assert_int_equal(find(first), 5);
    fake_clear();
    code_of("a", "f", 1, "x");
    assert_int_equal(find(first), 1);
}

static void more_code_than_the_tables_hold(void **state)
{
    char name[32];
    uintptr_t file = fake_ascii(layout, "f"), linetable = fake_bytes("x", 1);

    (void)state;
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        uint32_t id = find(fake_code(layout, fake_ascii(layout, name), file, i, linetable));
        assert_int_equal(id, i + 1);
    }
    /* The first ones' addresses may be forgotten, what they were is not. */
    assert_int_equal(find(fake_code(layout, fake_ascii(layout, "f0"), file, 0, linetable)), 1);
    assert_int_equal(recorded.count, 5000);
}

/* More distinct code than there are slots: no endless search, no wrong number. */
static void full_tables_give_no_number(void **state)
{
    uintptr_t name = fake_ascii(layout, "f"), linetable = fake_bytes("x", 1);
    uint32_t without = 0;

    (void)state;
    uintptr_t code = fake_code(layout, name, name, 0, linetable);
    for (int i = 0; i < 40000; i++) {
        fake_put_int(code, layout->code_first_line, i);
        uint32_t before = recorded.count, id = find(code);
        assert_true(id == 0 || (id == recorded.count && recorded.count == before + 1));
        without += !id;
    }
    assert_true(without > 0 && recorded.count > 10000);
}

static void full_trace_is_asked_once(void **state)
{
    uintptr_t code = code_of("a", "f", 1, "x");

    (void)state;
    recorded.full = true;
    assert_int_equal(find(code), 0);
    assert_int_equal(find(code), 0);
    assert_int_equal(recorded.count, 1);
}

static void long_parts_are_cut(void **state)
{
    static char text[30000];

    (void)state;
    memset(text, 'n', sizeof(text));
    uintptr_t string = fake_text(layout, text, sizeof(text), 0);
    find(fake_code(layout, string, string, 1, fake_bytes(text, sizeof(text))));
    assert_int_equal(strlen(recorded.name), 256);
    assert_int_equal(strlen(recorded.file), 1024);
    assert_int_equal(recorded.linetable_size, 24 << 10);
}

static void what_is_not_code_is_refused(void **state)
{
    uint32_t id;
    uintptr_t name = fake_ascii(layout, "a"), linetable = fake_bytes("x", 1);
    uintptr_t bad[] = {0,
                       8,
                       4095,
                       (uintptr_t)1 << 47,
                       UINTPTR_MAX - 7,
                       name,
                       name + 4,
                       fake_code(layout, linetable, name, 1, linetable),
                       fake_code(layout, name, linetable, 1, linetable),
                       fake_code(layout, name, name, 1, name),
                       fake_code(layout, 0, name, 1, linetable),
                       fake_code(layout, name, 3, 1, linetable),
                       fake_code(layout, name, name, 1, 0)};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(python_code_find(layout, &fake_types, bad[i], &id));
    fake_put_pointer(linetable, PYTHON_VAR_SIZE, (uintptr_t)-1);
    assert_false(python_code_find(layout, &fake_types, fake_code(layout, name, name, 1, linetable), &id));
    assert_int_equal(recorded.count, 0);
}

static void assert_text(uintptr_t object, size_t size, const char *expected)
{
    char buffer[64];

    assert_true(size <= sizeof(buffer));
    size_t n = python_text_read(layout, &fake_types, object, buffer, size);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(buffer, expected, n);
}

static void text_of_every_width_becomes_utf8(void **state)
{
    static const uint8_t one[] = {'a', 0xe9, 0xff};
    static const uint16_t two[] = {'a', 0xe9, 0x4e2d, 0xdc80, 0xffff};
    static const uint32_t four[] = {'a', 0x1f40d, 0x10ffff, 0x110000, 0xd800};

    (void)state;
    assert_text(fake_ascii(layout, ""), 64, "");
    assert_text(fake_ascii(layout, "plain"), 64, "plain");
    assert_text(fake_text(layout, one, 3, 1), 64, "a\xc3\xa9\xc3\xbf");
    assert_text(fake_text(layout, two, 5, 2), 64, "a\xc3\xa9\xe4\xb8\xad\xef\xbf\xbd\xef\xbf\xbf");
    assert_text(fake_text(layout, four, 5, 4), 64, "a\xf0\x9f\x90\x8d\xf4\x8f\xbf\xbf\xef\xbf\xbd\xef\xbf\xbd");
}

static void text_is_cut_between_characters(void **state)
{
    static const uint16_t two[] = {'a', 0x4e2d, 0x4e2d};

    (void)state;
    assert_text(fake_text(layout, two, 3, 2), 7, "a\xe4\xb8\xad\xe4\xb8\xad");
    assert_text(fake_text(layout, two, 3, 2), 6, "a\xe4\xb8\xad");
    assert_text(fake_text(layout, two, 3, 2), 3, "a");
    assert_text(fake_text(layout, two, 3, 2), 0, "");
}

static void text_of_a_subclass_lies_elsewhere(void **state)
{
    static const char data[8] __attribute__((aligned(8))) = "abc";
    uintptr_t text = fake_object(128, (uintptr_t)fake_text_subclass);

    (void)state;
    fake_put_pointer(text, PYTHON_UNICODE_LENGTH, 3);
    fake_put_int(text, PYTHON_UNICODE_STATE, 1 << 2 | 1 << 6);
    fake_put_pointer(text, layout->unicode_compact, (uintptr_t)data);
    assert_text(text, 64, "abc");
    fake_put_pointer(text, layout->unicode_compact, 0);
    assert_int_equal(python_text_read(layout, &fake_types, text, (char[8]){0}, 8), SIZE_MAX);
}

static void text_that_makes_no_sense_is_refused(void **state)
{
    uintptr_t text = fake_ascii(layout, "abc");
    char buffer[8];

    (void)state;
    assert_int_equal(python_text_read(layout, &fake_types, 0, buffer, 8), SIZE_MAX);
    assert_int_equal(python_text_read(layout, &fake_types, fake_bytes("x", 1), buffer, 8), SIZE_MAX);
    fake_put_pointer(text, PYTHON_UNICODE_LENGTH, (uintptr_t)-1);
    assert_int_equal(python_text_read(layout, &fake_types, text, buffer, 8), SIZE_MAX);
    fake_put_pointer(text, PYTHON_UNICODE_LENGTH, 3);
    fake_put_int(text, PYTHON_UNICODE_STATE, 3 << 2 | 1 << 5);
    assert_int_equal(python_text_read(layout, &fake_types, text, buffer, 8), SIZE_MAX);
}

static uint16_t versions[] = {0x0308, 0x0309, 0x030a, 0x030b, 0x030c, 0x030d};

static int version_run(uint16_t *version)
{
#define TEST(f)                            \
    {                                      \
#f, f, each_version, NULL, version \
    }
    const struct CMUnitTest tests[] = {
        TEST(new_code_is_recorded_whole),
        TEST(known_code_is_not_recorded_again),
        TEST(equal_code_elsewhere_has_the_same_number),
        TEST(other_code_at_the_same_address_is_noticed),
        TEST(more_code_than_the_tables_hold),
        TEST(full_tables_give_no_number),
        TEST(full_trace_is_asked_once),
        TEST(long_parts_are_cut),
        TEST(what_is_not_code_is_refused),
        TEST(text_of_every_width_becomes_utf8),
        TEST(text_is_cut_between_characters),
        TEST(text_of_a_subclass_lies_elsewhere),
        TEST(text_that_makes_no_sense_is_refused),
    };

    return isolated_run(tests, sizeof(tests) / sizeof(tests[0]));
}

int main(void)
{
    int failed = 0;

    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
        failed += version_run(&versions[i]);
    return failed;
}
