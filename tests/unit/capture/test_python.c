/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An interpreter made by hand, of every version: symbol table, thread state, frames. */
#include "capture/python.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/python_classes.h"
#include "capture/record.h"
#include "isolated.h"
#include "python/fake_python.h"
#include "trace/format.h"

static uint32_t code_count, note_count;
static bool trace_full;
static char note[1024];

uint32_t record_code(uint32_t first_line, uint16_t version, const char *name, size_t name_length, const char *file,
                     size_t file_length, const uint8_t *linetable, size_t linetable_size)
{
    (void)version, (void)name, (void)name_length, (void)file, (void)file_length, (void)linetable, (void)linetable_size;
    code_count++;
    return trace_full ? 0 : first_line; /* tests give every code object a line of its own */
}

void record_note(enum record_severity severity, const char *text, size_t length)
{
    assert_int_equal(severity, RECORD_WARNING);
    assert_true(length < sizeof(note));
    memcpy(note, text, length);
    note[length] = '\0';
    note_count++;
}

/* What follows the interpreter's classes has a test of its own (tests/e2e/watch). */
void python_classes_begin(const struct link_map *map, uint16_t version,
                          void *(*resolve)(const struct link_map *, const char *))
{
    (void)map, (void)version, (void)resolve;
}

/* ---- the interpreter ----------------------------------------------------------------------------------- */

static uintptr_t this_thread, current;
static int initialized;
static unsigned long hex_version;
static char version_text[64];
static uint64_t runtime_words[8];

static void *get_this_thread(void)
{
    return (void *)this_thread;
}
static void *get_current(void)
{
    return (void *)current;
}
static int get_initialized(void)
{
    return initialized;
}
static const char *get_version(void)
{
    return version_text;
}

#define SYMBOLS_MAX 12
static char strings[512] = "";
static ElfW(Sym) symbols[SYMBOLS_MAX + 1];
static uint32_t hash[3 + SYMBOLS_MAX + 1];
static ElfW(Dyn) dynamic[4];
static struct link_map object, program;

/* Symbols are in one hash bucket, each chained to the one before. Addresses are absolute, as the bias is 0. */
static void symbol_add(const char *name, uintptr_t address)
{
    uint32_t n = hash[1] ? hash[1] : 1;
    size_t at = 1;

    while (strings[at])
        at += strlen(strings + at) + 1;
    memcpy(strings + at, name, strlen(name) + 1);
    symbols[n] = (ElfW(Sym)){.st_name = (uint32_t)at, .st_info = STT_OBJECT, .st_shndx = 1, .st_value = address};
    hash[0] = 1;
    hash[1] = n + 1;
    hash[3 + n] = hash[2];
    hash[2] = n;
}

static void object_make(void)
{
    memset(strings, 0, sizeof(strings));
    memset(hash, 0, sizeof(hash));
    dynamic[0] = (ElfW(Dyn)){.d_tag = DT_HASH, .d_un.d_ptr = (uintptr_t)hash};
    dynamic[1] = (ElfW(Dyn)){.d_tag = DT_SYMTAB, .d_un.d_ptr = (uintptr_t)symbols};
    dynamic[2] = (ElfW(Dyn)){.d_tag = DT_STRTAB, .d_un.d_ptr = (uintptr_t)strings};
    program = (struct link_map){.l_name = (char *)""};
    object = (struct link_map){.l_ld = dynamic, .l_name = (char *)"/lib/libpython.so", .l_prev = &program};
}

static void interpreter_make(unsigned minor)
{
    object_make();
    snprintf(version_text, sizeof(version_text), "3.%u.7 (main, Jan 1 2024)", minor);
    hex_version = 0x030007f0 | minor << 16;
    symbol_add("Py_GetVersion", (uintptr_t)get_version);
    symbol_add("PyGILState_GetThisThreadState", (uintptr_t)get_this_thread);
    symbol_add(minor >= 13 ? "PyThreadState_GetUnchecked" : "_PyThreadState_UncheckedGet", (uintptr_t)get_current);
    symbol_add("Py_IsInitialized", (uintptr_t)get_initialized);
    symbol_add("PyCode_Type", fake_types.code);
    symbol_add("PyUnicode_Type", fake_types.unicode);
    symbol_add("PyBytes_Type", fake_types.bytes);
    symbol_add("PyFrame_Type", fake_types.frame);
    if (minor >= 11)
        symbol_add("Py_Version", (uintptr_t)&hex_version);
    memcpy(runtime_words, "xdebugpy", 8);
    runtime_words[2] = 0;
    if (minor >= 13)
        symbol_add("_PyRuntime", (uintptr_t)runtime_words);
}

/* ---- frames --------------------------------------------------------------------------------------------- */

static const struct python_layout *layout;
static uintptr_t top, thread_state;

static bool has_interpreter_frames(void)
{
    return layout->lasti_scale == 0;
}

static void top_set(uintptr_t frame)
{
    top = frame;
    uintptr_t holder = python_load_pointer(thread_state, layout->thread_frame);
    if (layout->cframe_frame == PYTHON_ABSENT)
        fake_put_pointer(thread_state, layout->thread_frame, frame);
    else
        fake_put_pointer(holder, layout->cframe_frame, frame);
}

/* Pushes a frame of a new code object of that line, `at` bytes into its instructions, the first 4 of them untraceable.
 */
static uintptr_t frame_push(int32_t line, int at, uint8_t owner)
{
    uintptr_t frame = fake_object(160, fake_types.frame);
    uintptr_t name = fake_ascii(layout, "f"), table = fake_bytes("t", 1),
              code = fake_code(layout, name, name, line, table);

    fake_put_pointer(frame, layout->frame_code, code);
    fake_put_pointer(frame, layout->frame_previous, top);
    if (has_interpreter_frames()) {
        fake_put_int(code, layout->code_first_traceable, 2);
        fake_put_pointer(frame, layout->frame_lasti, code + layout->code_instructions + (uintptr_t)(intptr_t)at);
        fake_put_byte(frame, layout->frame_owner, owner);
    } else {
        fake_put_int(frame, layout->frame_lasti, at / layout->lasti_scale);
    }
    top_set(frame);
    return frame;
}

/* The interpreter's C function is entered: frames pushed later are behind this. 3.11 marks the first of them. */
static void entry_push(void)
{
    if (layout->version < 0x030c)
        return;
    uintptr_t marker = fake_object(160, 0);
    fake_put_pointer(marker, layout->frame_code, fake_types.code); /* None, or a trampoline: never looked at */
    fake_put_pointer(marker, layout->frame_previous, top);
    fake_put_byte(marker, layout->frame_owner, PYTHON_OWNER_C_STACK);
    top_set(marker);
}

static uintptr_t entry_frame_push(int32_t line, int at, uint8_t owner)
{
    entry_push();
    uintptr_t frame = frame_push(line, at, owner);
    if (layout->frame_entry != PYTHON_ABSENT)
        fake_put_byte(frame, layout->frame_entry, 1);
    return frame;
}

static void interpreter_forget(void)
{
    uintptr_t code = (uintptr_t)get_this_thread;

    python_module_unloaded(code, code + 1);
    assert_false(python_active());
}

static int setup(void **state)
{
    layout = python_layout_find(*(uint16_t *)*state);
    fake_clear();
    interpreter_forget();
    code_count = note_count = 0;
    trace_full = false;
    interpreter_make(layout->version & 0xff);
    thread_state = fake_object(256, 0);
    if (layout->cframe_frame != PYTHON_ABSENT)
        fake_put_pointer(thread_state, layout->thread_frame, fake_object(64, 0));
    top = 0;
    this_thread = current = thread_state;
    initialized = 1;
    return 0;
}

static void interpreter_load(void)
{
    python_module_loaded(&object, "/lib/libpython.so");
}

struct taken {
    uint64_t frames[STACK_MAX_PYTHON];
    size_t count;
    uint16_t flags;
};

static struct taken take(size_t max)
{
    struct taken t = {.flags = 0};

    t.count = python_frames(t.frames, max, &t.flags);
    return t;
}

static void assert_frame(uint64_t frame, bool entry, uint32_t line, uint32_t lasti)
{
    assert_int_equal(PY_FRAME_CODE(frame), line);
    assert_int_equal(PY_FRAME_LASTI(frame), lasti);
    /* Up to 3.10 each frame has an interpreter's C function to itself. */
    assert_int_equal(PY_FRAME_ENTRY(frame), entry || !has_interpreter_frames());
}

/* ---- tests ---------------------------------------------------------------------------------------------- */

static void frames_innermost_first(void **state)
{
    (void)state;
    interpreter_load();
    assert_true(python_active());
    entry_frame_push(10, 20, PYTHON_OWNER_THREAD);
    frame_push(11, 30, PYTHON_OWNER_THREAD);
    entry_frame_push(12, 40, PYTHON_OWNER_GENERATOR);
    frame_push(13, 50, PYTHON_OWNER_FRAME_OBJECT);
    struct taken t = take(STACK_MAX_PYTHON);
    assert_int_equal(t.count, 4);
    assert_int_equal(t.flags, 0);
    assert_frame(t.frames[0], false, 13, 50);
    assert_frame(t.frames[1], true, 12, 40);
    assert_frame(t.frames[2], false, 11, 30);
    assert_frame(t.frames[3], true, 10, 20);
    assert_int_equal(note_count, 0);
}

static void no_frames_without_thread_state_or_python_code(void **state)
{
    (void)state;
    interpreter_load();
    assert_int_equal(take(16).count, 0);
    assert_int_equal(take(16).flags, 0);
    this_thread = current = 0;
    assert_int_equal(take(16).count, 0);
    assert_int_equal(take(16).flags, 0);
}

static void frames_while_another_thread_has_the_gil(void **state)
{
    (void)state;
    interpreter_load();
    entry_frame_push(10, 20, PYTHON_OWNER_THREAD);
    /* From 3.12 on `current` is the thread's own. */
    current = layout->version < 0x030c ? fake_object(256, 0) : 0;
    assert_int_equal(take(16).count, 1);
    current = 0;
    assert_int_equal(take(16).count, 1);
}

static void gil_is_held_by_the_current_thread_only(void **state)
{
    (void)state;
    assert_false(python_gil_held());
    interpreter_load();
    assert_true(python_gil_held());
    current = 0;
    assert_false(python_gil_held());
    this_thread = 0;
    assert_false(python_gil_held());
    current = fake_object(256, 0);
    assert_int_equal(python_gil_held(), layout->version >= 0x030c);
}

static void finalising_leaves_only_the_holder_readable(void **state)
{
    (void)state;
    interpreter_load();
    entry_frame_push(10, 20, PYTHON_OWNER_THREAD);
    initialized = 0;
    assert_int_equal(take(16).count, 1);
    current = 0;
    struct taken t = take(16);
    assert_int_equal(t.count, 0);
    assert_int_equal(t.flags, STACK_PYTHON_LOST);
}

static void more_frames_than_asked_for(void **state)
{
    (void)state;
    interpreter_load();
    for (int i = 1; i <= 300; i++)
        entry_frame_push(i, 20, PYTHON_OWNER_THREAD);
    struct taken t = take(STACK_MAX_PYTHON);
    assert_int_equal(t.count, STACK_MAX_PYTHON);
    assert_int_equal(t.flags, STACK_TRUNCATED);
    assert_frame(t.frames[STACK_MAX_PYTHON - 1], true, 300 - STACK_MAX_PYTHON + 1, 20);
    t = take(0);
    assert_int_equal(t.count, 0);
    assert_int_equal(t.flags, STACK_TRUNCATED);
}

static void chain_in_a_circle_ends(void **state)
{
    (void)state;
    interpreter_load();
    uintptr_t frame = entry_frame_push(10, 20, PYTHON_OWNER_THREAD);
    fake_put_pointer(frame, layout->frame_previous, frame);
    struct taken t = take(STACK_MAX_PYTHON);
    assert_int_equal(t.count, STACK_MAX_PYTHON);
    assert_int_equal(t.flags, STACK_TRUNCATED);
    if (layout->version >= 0x030c) {
        fake_put_byte(frame, layout->frame_owner, PYTHON_OWNER_C_STACK);
        t = take(STACK_MAX_PYTHON);
        assert_int_equal(t.count, 0);
        assert_int_equal(t.flags, STACK_TRUNCATED);
    }
}

static void frame_that_is_being_set_up_is_left_out(void **state)
{
    (void)state;
    if (!has_interpreter_frames())
        skip();
    interpreter_load();
    entry_frame_push(10, 20, PYTHON_OWNER_THREAD);
    frame_push(11, 2, PYTHON_OWNER_THREAD);
    frame_push(12, 20, PYTHON_OWNER_THREAD);
    struct taken t = take(16);
    assert_int_equal(t.count, 2);
    assert_frame(t.frames[0], false, 12, 20);
    assert_frame(t.frames[1], true, 10, 20);
    assert_int_equal(t.flags, 0);
}

/* … but not where the native frames of its entry would then count as another's. */
static void entry_frame_that_is_being_set_up_is_kept(void **state)
{
    (void)state;
    interpreter_load();
    entry_frame_push(10, 20, PYTHON_OWNER_THREAD);
    entry_frame_push(11, -2, PYTHON_OWNER_THREAD);
    entry_frame_push(12, 20, PYTHON_OWNER_THREAD);
    struct taken t = take(16);
    assert_int_equal(t.count, 3);
    assert_frame(t.frames[1], true, 11, 0);
}

static void suspended_generator_at_its_start_is_whole(void **state)
{
    (void)state;
    interpreter_load();
    entry_frame_push(10, 20, PYTHON_OWNER_THREAD);
    frame_push(11, 2, PYTHON_OWNER_GENERATOR);
    struct taken t = take(16);
    assert_int_equal(t.count, 2);
    assert_frame(t.frames[0], false, 11, 2);
}

static void broken_chain_gives_what_can_be_read(void **state)
{
    static const uintptr_t bad[] = {8, 4095, 0x7fffffffffff, UINTPTR_MAX & ~7ul};

    (void)state;
    interpreter_load();
    uintptr_t first = entry_frame_push(10, 20, PYTHON_OWNER_THREAD);
    frame_push(11, 20, PYTHON_OWNER_THREAD);
    assert_int_equal(take(16).count, 2);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fake_put_pointer(first, layout->frame_previous, bad[i]);
        struct taken t = take(16);
        assert_int_equal(t.count, 2);
        assert_int_equal(t.flags, STACK_PYTHON_LOST);
        fake_put_pointer(first, layout->frame_previous, 0);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fake_put_pointer(first, layout->frame_code, bad[i]);
        struct taken t = take(16);
        assert_int_equal(t.count, 1);
        assert_int_equal(t.flags, STACK_PYTHON_LOST);
    }
    fake_put_pointer(first, layout->frame_code, fake_object(256, fake_types.unicode));
    assert_int_equal(take(16).count, 1);
    assert_true(python_active());
    assert_int_equal(note_count, 0);
}

static void code_without_room_keeps_its_place(void **state)
{
    (void)state;
    interpreter_load();
    trace_full = true;
    entry_frame_push(10, 20, PYTHON_OWNER_THREAD);
    frame_push(11, 30, PYTHON_OWNER_THREAD);
    struct taken t = take(16);
    assert_int_equal(t.count, 2);
    assert_frame(t.frames[0], false, 0, 30);
    assert_frame(t.frames[1], true, 0, 20);
}

static void wrong_layout_is_given_up_and_noted_once(void **state)
{
    (void)state;
    interpreter_load();
    uintptr_t frame = entry_frame_push(10, 20, PYTHON_OWNER_THREAD);
    fake_put_pointer(frame, layout->frame_code, fake_ascii(layout, "x"));
    for (int i = 0; i < 10; i++) {
        struct taken t = take(16);
        assert_int_equal(t.count, 0);
        assert_int_equal(t.flags, STACK_PYTHON_LOST);
    }
    assert_int_equal(note_count, 1);
    assert_non_null(strstr(note, "/lib/libpython.so"));
    assert_false(python_gil_held());
    /* It is not tried again. */
    entry_frame_push(11, 20, PYTHON_OWNER_THREAD);
    assert_int_equal(take(16).count, 0);
}

static void unloaded_interpreter_is_not_called(void **state)
{
    uintptr_t code = (uintptr_t)get_this_thread;

    (void)state;
    interpreter_load();
    entry_frame_push(10, 20, PYTHON_OWNER_THREAD);
    python_module_unloaded(code + 1, code + 100);
    assert_int_equal(take(16).count, 1);
    python_module_unloaded(code - 100, code + 100);
    assert_false(python_active());
    assert_false(python_gil_held());
    assert_int_equal(take(16).count, 0);
    interpreter_load();
    assert_int_equal(take(16).count, 1);
}

/* ---- tests of one interpreter --------------------------------------------------------------------------- */

static void assert_unreadable(const char *words)
{
    interpreter_load();
    assert_true(python_active());
    assert_int_equal(note_count, 1);
    assert_non_null(strstr(note, words));
    assert_int_equal(take(16).count, 0);
    assert_int_equal(take(16).flags, STACK_PYTHON_LOST);
    assert_false(python_gil_held());
    this_thread = 0;
    assert_int_equal(take(16).flags, 0);
}

static void unknown_version_is_noted(void **state)
{
    (void)state;
    interpreter_make(7);
    assert_unreadable("Python 3.7 (/lib/libpython.so): frames of this version cannot be read");
    setup(state);
    interpreter_make(14);
    assert_unreadable("Python 3.14 ");
    setup(state);
    interpreter_make(8);
    memcpy(version_text, "2.7.18", 7);
    assert_unreadable("Python 2.7 ");
}

static void free_threaded_build_is_noted(void **state)
{
    (void)state;
    runtime_words[2] = 1;
    assert_unreadable("free-threaded");
}

static void missing_symbol_is_noted(void **state)
{
    (void)state;
    object_make();
    symbol_add("Py_GetVersion", (uintptr_t)get_version);
    symbol_add("PyGILState_GetThisThreadState", (uintptr_t)get_this_thread);
    assert_unreadable("does not export");
}

static void other_objects_are_not_interpreters(void **state)
{
    (void)state;
    object_make();
    interpreter_load();
    symbol_add("PyGILState_GetThisThreadState", (uintptr_t)get_this_thread);
    interpreter_load();
    assert_false(python_active());
    assert_int_equal(note_count, 0);
}

/* A program that links to the interpreter's library may have its own copy of a variable; that is the one in use. */
static void programs_copy_of_a_variable_wins(void **state)
{
    static ElfW(Sym) own[2];
    static const uint32_t own_hash[] = {1, 2, 1, 0, 0};
    static ElfW(Dyn) own_dynamic[4];

    (void)state;
    own[1] = (ElfW(Sym)){.st_name = 1, .st_info = STT_OBJECT, .st_shndx = 1, .st_value = (uintptr_t)fake_text_subclass};
    own_dynamic[0] = (ElfW(Dyn)){.d_tag = DT_HASH, .d_un.d_ptr = (uintptr_t)own_hash};
    own_dynamic[1] = (ElfW(Dyn)){.d_tag = DT_SYMTAB, .d_un.d_ptr = (uintptr_t)own};
    own_dynamic[2] = (ElfW(Dyn)){.d_tag = DT_STRTAB, .d_un.d_ptr = (uintptr_t) "\0PyCode_Type"};
    program.l_ld = own_dynamic;
    interpreter_load();
    uintptr_t frame = entry_frame_push(10, 20, PYTHON_OWNER_THREAD);
    assert_int_equal(take(16).count, 0);
    fake_put_pointer(python_load_pointer(frame, layout->frame_code), PYTHON_OBJECT_TYPE, (uintptr_t)fake_text_subclass);
    assert_int_equal(take(16).count, 1);
}

static uint16_t versions[] = {0x0308, 0x0309, 0x030a, 0x030b, 0x030c, 0x030d};

#define TEST(f, version)            \
    {                               \
#f, f, setup, NULL, version \
    }

static int version_run(uint16_t *version)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_innermost_first, version),
        TEST(no_frames_without_thread_state_or_python_code, version),
        TEST(frames_while_another_thread_has_the_gil, version),
        TEST(gil_is_held_by_the_current_thread_only, version),
        TEST(finalising_leaves_only_the_holder_readable, version),
        TEST(more_frames_than_asked_for, version),
        TEST(chain_in_a_circle_ends, version),
        TEST(frame_that_is_being_set_up_is_left_out, version),
        TEST(entry_frame_that_is_being_set_up_is_kept, version),
        TEST(suspended_generator_at_its_start_is_whole, version),
        TEST(broken_chain_gives_what_can_be_read, version),
        TEST(code_without_room_keeps_its_place, version),
        TEST(wrong_layout_is_given_up_and_noted_once, version),
        TEST(unloaded_interpreter_is_not_called, version),
    };

    return isolated_run(tests, sizeof(tests) / sizeof(tests[0]));
}

int main(void)
{
    uint16_t *v = versions;
    const struct CMUnitTest tests[] = {
        TEST(unknown_version_is_noted, &v[2]),         TEST(free_threaded_build_is_noted, &v[5]),
        TEST(missing_symbol_is_noted, &v[3]),          TEST(other_objects_are_not_interpreters, &v[3]),
        TEST(programs_copy_of_a_variable_wins, &v[3]),
    };
    int failed = isolated_run(tests, sizeof(tests) / sizeof(tests[0]));

    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
        failed += version_run(&versions[i]);
    return failed;
}
