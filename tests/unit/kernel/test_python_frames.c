/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames and code objects of "another" process that is this one, in the layout of every version. */
#include "kernel/python_frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "python/fake_python.h"
#include "trace/reader.h"

static struct interpreter interpreter;
static const struct python_layout *layout;
static struct codes *codes;
static struct writer writer;
static struct offcpu_python record;
static char path[] = "/tmp/cprobe-codes-XXXXXX";

static int begin(void **state)
{
    static const struct trace_header header = {.pid = 1};
    fake_clear();
    layout = python_layout_find(*(uint16_t *)*state);
    interpreter = (struct interpreter){.version = layout->version, .layout = layout, .types = fake_types};
    memset(&record, 0, sizeof(record));
    strcpy(path, "/tmp/cprobe-codes-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0 || close(fd) != 0 || unlink(path) != 0 || writer_create(&writer, path, WRITER_SIZE_MIN, &header) != 0)
        return -1;
    codes = codes_new(getpid(), &interpreter, &writer);
    return codes ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    codes_free(codes);
    writer_abandon(&writer);
    return unlink(path);
}

static uintptr_t code_of(const char *name, int32_t line)
{
    return fake_code(layout, fake_ascii(layout, name), fake_ascii(layout, "/srv/app.py"), line, fake_bytes("abc", 3));
}

/* What the kernel programs copy for a frame that runs `code` at `lasti`. */
static struct offcpu_python_frame *frame_add(uintptr_t code, int64_t lasti)
{
    struct offcpu_python_frame *f = &record.frames[record.count++];
    f->code = code;
    f->lasti = layout->lasti_scale ? (uint64_t)(lasti / layout->lasti_scale) & UINT32_MAX
                                   : code + layout->code_instructions + (uint64_t)lasti;
    memcpy(&f->name, (char *)code + layout->code_name, sizeof(f->name));
    memcpy(&f->linetable, (char *)code + layout->code_linetable, sizeof(f->linetable));
    memcpy(&f->first_line, (char *)code + layout->code_first_line, sizeof(f->first_line));
    return f;
}

/* The interpreter's C function was entered for the frame that was added last. */
static void entry_mark(void)
{
    if (layout->frame_entry != PYTHON_ABSENT)
        record.frames[record.count - 1].entry = 1;
    else if (!layout->lasti_scale)
        record.frames[record.count++].owner = PYTHON_OWNER_C_STACK;
}

static size_t taken(uint64_t *out, size_t max, uint16_t *flags)
{
    size_t count;
    *flags = 0;
    assert_true(python_frames_take(codes, layout, &record, out, max, &count, flags));
    return count;
}

static struct trace *trace_read(void)
{
    char error[256];
    struct trace *t;
    writer_finish(&writer, TRACE_FINISHED, TRACE_REASON_NONE, 1);
    if (trace_open(path, &t, error, sizeof(error)) < 0)
        fail_msg("%s", error);
    return t;
}

static void frames_and_their_code(void **state)
{
    (void)state;
    uint64_t out[8];
    uint16_t flags;
    uintptr_t inner = code_of("inner", 7), outer = code_of("outer", 30);
    frame_add(inner, 24);
    frame_add(outer, 40);
    entry_mark();
    assert_int_equal(taken(out, 8, &flags), 2);
    assert_int_equal(flags, 0);
    bool each_is_entry = layout->lasti_scale;
    assert_int_equal(out[0], PY_FRAME(each_is_entry, 1, 24));
    assert_int_equal(out[1], PY_FRAME(1, 2, 40));
    struct trace *t = trace_read();
    const struct trace_code *c = trace_code_find(t, 1);
    assert_non_null(c);
    assert_string_equal(c->name, "inner");
    assert_string_equal(c->file, "/srv/app.py");
    assert_int_equal(c->first_line, 7);
    assert_int_equal(c->version, layout->version);
    assert_int_equal(c->linetable_size, 3);
    assert_memory_equal(c->linetable, "abc", 3);
    assert_string_equal(trace_code_find(t, 2)->name, "outer");
    trace_close(t);
}

static void two_runs_of_the_interpreter(void **state)
{
    (void)state;
    uint64_t out[8];
    uint16_t flags;
    uintptr_t code = code_of("f", 1);
    frame_add(code, 24);
    entry_mark();
    frame_add(code, 26);
    entry_mark();
    assert_int_equal(taken(out, 8, &flags), 2);
    assert_true(PY_FRAME_ENTRY(out[0]) && PY_FRAME_ENTRY(out[1]));
}

static void code_compiled_again_is_entered_once(void **state)
{
    (void)state;
    uint64_t out[8];
    uint16_t flags;
    frame_add(code_of("f", 1), 24);
    frame_add(code_of("f", 1), 24);
    assert_int_equal(taken(out, 8, &flags), 2);
    assert_int_equal(PY_FRAME_CODE(out[0]), PY_FRAME_CODE(out[1]));
}

static void address_used_for_other_code(void **state)
{
    (void)state;
    uint64_t out[8];
    uint16_t flags;
    uintptr_t code = code_of("before", 1);
    frame_add(code, 24);
    fake_put_pointer(code, layout->code_name, fake_ascii(layout, "after"));
    assert_int_equal(taken(out, 8, &flags), 1);
    assert_int_equal(PY_FRAME_CODE(out[0]), 0);
    assert_int_equal(flags, 0);
    record.count = 0;
    frame_add(code, 24);
    assert_int_equal(taken(out, 8, &flags), 1);
    struct trace *t = trace_read();
    assert_string_equal(trace_code_find(t, PY_FRAME_CODE(out[0]))->name, "after");
    trace_close(t);
}

static void what_is_no_code_is_lost(void **state)
{
    (void)state;
    uint64_t out[8];
    size_t count;
    uint16_t flags = 0;
    uintptr_t code = code_of("f", 1);
    struct offcpu_python_frame *f = frame_add(code, 24);
    fake_put_pointer(code, PYTHON_OBJECT_TYPE, fake_types.bytes);
    assert_false(python_frames_take(codes, layout, &record, out, 8, &count, &flags));
    f->code = 4096; /* not mapped */
    assert_false(python_frames_take(codes, layout, &record, out, 8, &count, &flags));
    record.flags = OFFCPU_PYTHON_LOST;
    record.count = 0;
    assert_false(python_frames_take(codes, layout, &record, out, 8, &count, &flags));
}

static void more_than_there_is_room_for(void **state)
{
    (void)state;
    uint64_t out[2];
    uint16_t flags;
    uintptr_t code = code_of("f", 1);
    for (int i = 0; i < 3; i++)
        frame_add(code, 24);
    assert_int_equal(taken(out, 2, &flags), 2);
    assert_int_equal(flags, STACK_TRUNCATED);
}

static void frame_being_set_up_is_left_out(void **state)
{
    (void)state;
    uint64_t out[8];
    uint16_t flags;
    uintptr_t code = code_of("new", 1);
    if (layout->code_first_traceable == PYTHON_ABSENT)
        return;
    fake_put_int(code, layout->code_first_traceable, 5);
    frame_add(code, 4);
    frame_add(code_of("caller", 2), 24);
    entry_mark();
    assert_int_equal(taken(out, 8, &flags), 1);
    struct trace *t = trace_read();
    assert_string_equal(trace_code_find(t, PY_FRAME_CODE(out[0]))->name, "caller");
    trace_close(t);
}

int main(void)
{
    static uint16_t versions[] = {0x0308, 0x0309, 0x030a, 0x030b, 0x030c, 0x030d};
    int failed = 0;
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
#define TEST(f) cmocka_unit_test_prestate_setup_teardown(f, begin, end, &versions[i])
        const struct CMUnitTest tests[] = {
            TEST(frames_and_their_code),
            TEST(two_runs_of_the_interpreter),
            TEST(code_compiled_again_is_entered_once),
            TEST(address_used_for_other_code),
            TEST(what_is_no_code_is_lost),
            TEST(more_than_there_is_room_for),
            TEST(frame_being_set_up_is_left_out),
        };
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
