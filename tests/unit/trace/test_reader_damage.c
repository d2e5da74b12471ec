/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are no trace, or a broken one: a sentence and what could be salvaged, never a crash. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "trace/reader.h"
#include "trace_builder.h"
#include "trace_sample.h"

#define POLL 40

static int bytes_open(const void *bytes, size_t size, struct trace **t, char *error, size_t error_size)
{
    char path[64];
    int fd = memfd_create("damage", MFD_CLOEXEC);
    assert_int_equal(write(fd, bytes, size), size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int err = trace_open(path, t, error, error_size);
    close(fd);
    return err;
}

static void expect_refused(const void *bytes, size_t size, int expected, const char *word)
{
    char error[256];
    struct trace *t = (struct trace *)&error;
    assert_int_equal(bytes_open(bytes, size, &t, error, sizeof(error)), expected);
    assert_null(t);
    if (!strstr(error, word))
        fail_msg("\"%s\" does not say \"%s\"", error, word);
}

static size_t events_count(struct trace *t, uint16_t type)
{
    const union trace_event *e;
    size_t n = 0;
    while (trace_next(t, &e) > 0)
        n += e->header.type == type;
    return n;
}

/* Opens what was built, expects that many places of damage, the first one described with `word`; NULL: any damage. */
static struct trace *damaged_open(struct trace_builder *b, uint64_t damage, const char *word)
{
    struct trace *t = builder_open(b);
    assert_non_null(t);
    assert_int_equal(trace_info(t)->damage, damage);
    if (!strstr(trace_info(t)->damage_text, word))
        fail_msg("\"%s\" does not say \"%s\"", trace_info(t)->damage_text, word);
    return t;
}

/* ---- refused ---- */

static void test_no_trace(void **state)
{
    (void)state;
    char error[256], zeros[TRACE_PAGE] = "";
    struct trace *t;
    expect_refused("", 0, -ENODATA, "no recording");
    expect_refused(zeros, sizeof(zeros), -ENODATA, "before recording had begun");
    expect_refused("#!/bin/sh\n", 10, -EINVAL, "not a cprobe trace");
    expect_refused("CPROBE\n", 7, -EINVAL, "damaged in transfer");
    expect_refused("CPRO", 4, -ENODATA, "too short");
    assert_int_equal(trace_open("/nonexistent/x.trace", &t, error, sizeof(error)), -ENOENT);
    assert_string_equal(error, "/nonexistent/x.trace: cannot be read: No such file or directory");
    assert_int_equal(trace_open("/", &t, error, sizeof(error)), -EINVAL);
    assert_int_equal(trace_open("/dev/null", &t, error, sizeof(error)), -EINVAL);
    assert_null(t);
}

static void test_error_text_is_cut_to_its_buffer(void **state)
{
    (void)state;
    char error[8];
    struct trace *t;
    memset(error, 'x', sizeof(error));
    assert_int_equal(trace_open("/nonexistent/x.trace", &t, error, 5), -ENOENT);
    assert_string_equal(error, "/non");
    assert_int_equal(error[5], 'x');
}

static void test_fifo_does_not_block(void **state)
{
    (void)state;
    char path[] = "/tmp/cprobe-fifo-XXXXXX", error[256];
    struct trace *t;
    assert_non_null(mkdtemp(path));
    char fifo[64];
    snprintf(fifo, sizeof(fifo), "%s/x.trace", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(trace_open(fifo, &t, error, sizeof(error)), -EINVAL);
    unlink(fifo);
    rmdir(path);
}

static void test_other_versions(void **state)
{
    (void)state;
    size_t size;
    struct trace_builder *b = builder_new(1);
    uint8_t *image = builder_image(b, &size);
    builder_header(b)->version = TRACE_VERSION + 1;
    expect_refused(image, size, -ENOTSUP, "format version 2");
    expect_refused(image, 16, -ENOTSUP, "format version 2"); /* whatever its header looks like */
    builder_header(b)->endian = 0x0201;
    expect_refused(image, size, -ENOTSUP, "byte order");
    builder_free(b);
}

static void test_truncated_header(void **state)
{
    (void)state;
    size_t whole;
    struct trace_builder *b = sample_build();
    uint8_t *image = builder_image(b, &whole);
    for (size_t size = 1; size < sizeof(struct trace_header); size++)
        expect_refused(image, size, -ENODATA, "too short");
    builder_free(b);
}

/* ---- salvaged ---- */

static void test_truncated_anywhere(void **state)
{
    (void)state;
    size_t whole, most = 0;
    struct trace_builder *b = sample_build();
    uint8_t *image = builder_image(b, &whole);
    for (size_t size = sizeof(struct trace_header); size < whole; size += 56) {
        char error[256];
        struct trace *t;
        assert_int_equal(bytes_open(image, size, &t, error, sizeof(error)), 0);
        assert_true(trace_info(t)->damage > 0);
        assert_non_null(strstr(trace_info(t)->damage_text, "bytes are missing"));
        size_t waits = events_count(t, EVENT_WAIT);
        assert_true(waits >= most); /* the longer the file, the more is salvaged */
        most = waits;
        trace_close(t);
    }
    assert_int_equal(most, 10);
    builder_free(b);
}

static void test_segments_around_a_broken_one(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    builder_wait(b, 5, BUILDER_START, 1, POLL, 0, 0, 0);
    struct segment *broken = builder_segment(b, SEGMENT_STACKS, STACKS_SEGMENT_SIZE, 0);
    builder_wait(b, 6, BUILDER_START, 1, POLL, 0, 0, 0);
    const struct segment good = *broken;
    const struct segment bad[] = {
        {.magic = 0x12345678, .kind = SEGMENT_STACKS, .size = good.size},
        {.magic = SEGMENT_MAGIC, .kind = SEGMENT_STACKS, .size = 0},
        {.magic = SEGMENT_MAGIC, .kind = SEGMENT_STACKS, .size = good.size + 8},
        {.magic = SEGMENT_MAGIC, .kind = SEGMENT_STACKS, .size = UINT32_MAX / TRACE_PAGE * TRACE_PAGE},
        {.magic = SEGMENT_MAGIC, .kind = 77, .size = good.size},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        *broken = bad[i];
        struct trace *t = damaged_open(b, 1, "segment");
        assert_int_equal(events_count(t, EVENT_WAIT), 2);
        assert_int_equal(trace_thread_count(t), 2);
        trace_close(t);
    }
    builder_free(b);
}

/* Killed between the reservation of a segment and its publication: nothing is damaged. */
static void test_unpublished_segment(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    memset(builder_segment(b, SEGMENT_LOG, LOG_SEGMENT_SIZE, 0), 0, sizeof(struct segment));
    builder_wait(b, 6, BUILDER_START, 1, POLL, 0, 0, 0);
    memset(builder_segment(b, SEGMENT_LOG, LOG_SEGMENT_SIZE, 0), 0, sizeof(struct segment));
    struct trace *t = damaged_open(b, 0, "");
    assert_int_equal(events_count(t, EVENT_WAIT), 1);
    trace_close(t);
    builder_free(b);
}

static void test_impossible_fill_level(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    size_t size;
    builder_image(b, &size);
    builder_wait(b, 6, BUILDER_START, 1, POLL, 0, 0, 0);
    uint8_t *image = builder_image(b, &size);
    builder_header(b)->used = 5;
    char error[256];
    struct trace *t;
    assert_int_equal(bytes_open(image, size, &t, error, sizeof(error)), 0);
    assert_int_equal(trace_info(t)->damage, 1);
    assert_int_equal(events_count(t, EVENT_WAIT), 1);
    trace_close(t);
    builder_free(b);
}

static void test_impossible_header_fields(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    builder_wait(b, 6, BUILDER_START + 5, 1, POLL, 0, 0, 0);
    struct trace_header *h = builder_header(b);
    h->state = 99;
    h->reason = 99;
    h->header_size = 12;
    h->end_mono_ns = 5;
    struct trace *t = damaged_open(b, 3, "state");
    assert_int_equal(trace_info(t)->state, TRACE_RECORDING);
    assert_int_equal(trace_info(t)->reason, TRACE_REASON_INTERNAL);
    assert_false(trace_info(t)->ended);
    assert_int_equal(trace_info(t)->end_mono_ns, BUILDER_START + 6);
    trace_close(t);
    builder_free(b);
}

static struct event_wait good_wait(void)
{
    return (struct event_wait){.header = {EVENT_MAGIC, EVENT_WAIT, RING_RECORD_SIZE, BUILDER_START},
                               .duration_ns = 5,
                               .weight = 1.0f,
                               .tid = 5,
                               .call = POLL};
}

static void expect_bad_wait(struct event_wait bad, const char *word)
{
    struct trace_builder *b = builder_new(1);
    struct event_wait good = good_wait();
    builder_ring_raw(b, 5, &good, sizeof(good));
    builder_ring_raw(b, 5, &bad, sizeof(bad));
    builder_ring_raw(b, 5, &good, sizeof(good));
    struct trace *t = damaged_open(b, 1, word);
    assert_int_equal(events_count(t, EVENT_WAIT), 2);
    trace_close(t);
    builder_free(b);
}

static void test_bad_ring_records(void **state)
{
    (void)state;
    struct event_wait w = good_wait();
    w.header.magic = 0;
    expect_bad_wait(w, "not an event");
    w = good_wait();
    w.header.type = 9999;
    expect_bad_wait(w, "unknown type");
    w = good_wait();
    w.header.type = EVENT_FORK;
    expect_bad_wait(w, "wrong kind of segment");
    w = good_wait();
    w.header.size = 56;
    expect_bad_wait(w, "impossible size");
    w = good_wait();
    w.header.time_ns = UINT64_MAX;
    expect_bad_wait(w, "impossible time");
    w = good_wait();
    w.duration_ns = UINT64_MAX - 5;
    expect_bad_wait(w, "impossible time");
    const float weights[] = {0.0f, -1.0f, NAN, INFINITY, 1e30f};
    for (size_t i = 0; i < sizeof(weights) / sizeof(weights[0]); i++) {
        w = good_wait();
        w.weight = weights[i];
        expect_bad_wait(w, "impossible content");
    }
}

static void test_ring_fill_level(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    builder_thread(b, 5, "five", 0);
    struct segment *s = builder_segment(b, SEGMENT_RING, RING_SEGMENT_SIZE, 0);
    struct event_wait good = good_wait();
    for (size_t at = SEGMENT_HEADER_SIZE; at + sizeof(good) <= RING_SEGMENT_SIZE; at += sizeof(good))
        memcpy((uint8_t *)s + at, &good, sizeof(good));
    s->used = UINT32_MAX;
    struct trace *t = damaged_open(b, 1, "fill level");
    assert_int_equal(events_count(t, EVENT_WAIT), 511);
    trace_close(t);
    s->used = 64 + 63;
    t = damaged_open(b, 1, "fill level");
    assert_int_equal(events_count(t, EVENT_WAIT), 1);
    trace_close(t);
    builder_free(b);
}

/* What a writer leaves that is killed: nothing; the size; all but the type. The rest of the segment is read. */
static void test_unfinished_log_records(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    uint8_t nothing[48] = {0};
    struct event_header sized = {0, 0, 64, 0};
    struct event_note *whole;
    builder_note(b, 0, "first");
    builder_log_raw(b, nothing, sizeof(nothing));
    builder_note(b, 0, "second");
    memcpy(builder_log_raw(b, (uint8_t[64]){0}, 64), &sized, sizeof(sized));
    builder_note(b, 0, "third");
    struct event_note untyped = {.header = {EVENT_MAGIC, 0, sizeof(untyped), BUILDER_START}};
    whole = builder_log_raw(b, &untyped, sizeof(untyped));
    builder_note(b, 0, "fourth");
    struct trace *t = damaged_open(b, 0, "");
    assert_int_equal(trace_note_count(t), 4);
    assert_string_equal(trace_note_at(t, 3)->text, "fourth");
    assert_int_equal(events_count(t, EVENT_NOTE), 4);
    trace_close(t);
    whole->header.size = 0; /* the type but for the size would be useless: found by the next magic */
    t = damaged_open(b, 0, "");
    assert_int_equal(trace_note_count(t), 4);
    trace_close(t);
    builder_free(b);
}

static void expect_bad_log(const void *bad, size_t size, const char *word)
{
    struct trace_builder *b = builder_new(1);
    builder_note(b, 0, "before");
    builder_log_raw(b, bad, size);
    builder_note(b, 0, "after");
    struct trace *t = damaged_open(b, 1, word);
    assert_int_equal(trace_note_count(t), 2);
    assert_int_equal(events_count(t, EVENT_NOTE), 2);
    trace_close(t);
    builder_free(b);
}

static void test_bad_log_records(void **state)
{
    (void)state;
    const struct event_note good = {.header = {EVENT_MAGIC, EVENT_NOTE, sizeof(good), BUILDER_START}};
    struct event_note n = good;
    n.text = (event_str_t){24, 1};
    expect_bad_log(&n, sizeof(n), "impossible content");
    n.text = (event_str_t){0, 8}; /* points into the fixed part */
    expect_bad_log(&n, sizeof(n), "impossible content");
    n.text = (event_str_t){UINT16_MAX, UINT16_MAX};
    expect_bad_log(&n, sizeof(n), "impossible content");
    n = good;
    n.header.type = 4000;
    expect_bad_log(&n, sizeof(n), "unknown type");
    n = good;
    n.header.type = EVENT_WAIT;
    expect_bad_log(&n, sizeof(n), "wrong kind of segment");
    n = good;
    n.header.type = EVENT_CODE; /* needs 40 bytes */
    expect_bad_log(&n, sizeof(n), "impossible content");
    n = good;
    n.header.magic = 0x4242;
    expect_bad_log(&n, sizeof(n), "not an event");
    n = good;
    n.header.time_ns = UINT64_MAX;
    expect_bad_log(&n, sizeof(n), "impossible time");
    const uint32_t sizes[] = {0, 8, 20, LOG_RECORD_MAX + 8, 60000, UINT32_MAX, UINT32_MAX - 7};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        n = good;
        n.header.size = sizes[i];
        expect_bad_log(&n, sizeof(n), "impossible size");
    }
}

/* Writers add to `used` before they see that the segment is full. */
static void test_full_log_segment(void **state)
{
    (void)state;
    size_t size;
    struct trace_builder *b = builder_new(1);
    builder_note(b, 0, "one");
    struct segment *s = (struct segment *)(void *)(builder_image(b, &size) + TRACE_PAGE);
    assert_int_equal(s->kind, SEGMENT_LOG);
    s->used = UINT32_MAX;
    struct trace *t = damaged_open(b, 0, "");
    assert_int_equal(trace_note_count(t), 1);
    trace_close(t);
    builder_free(b);
}

static void test_impossible_thread(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    struct trace_thread_slot *slot = builder_thread(b, 5, "five", 0);
    builder_wait(b, 5, BUILDER_START, 7, POLL, 3, 0, WAIT_WAITSET);
    struct trace_counter *counter = builder_count(b, 5, BUILDER_START, 7, 1, 1, 3, 0);
    slot->end_ns = UINT64_MAX;
    slot->cpu_last_ns = UINT64_MAX;
    slot->sites[0].turn_max_ns = UINT64_MAX;
    counter->last_ns = UINT64_MAX;
    struct trace *t = damaged_open(b, 4, "impossible life time");
    const struct trace_thread *thread = trace_thread_at(t, 0);
    assert_int_equal(thread->slot->end_ns, 0);
    assert_int_equal(thread->slot->cpu_last_ns, 0);
    assert_int_equal(thread->slot->sites[0].endpoint, 0);
    assert_int_equal(thread->counter_count, 1);
    assert_int_equal(trace_info(t)->end_mono_ns, BUILDER_START + 7);
    trace_close(t);
    builder_free(b);
}

static void test_slot_numbers(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    builder_thread(b, 5, "five", 0);
    builder_thread(b, 6, "six", 0);
    size_t size;
    uint8_t *image = builder_image(b, &size);
    struct segment *first = (struct segment *)(void *)(image + TRACE_PAGE);
    while (first->kind != SEGMENT_THREAD)
        first = (struct segment *)(void *)((uint8_t *)first + first->size);
    first->owner = 1; /* as the second has */
    struct trace *t = damaged_open(b, 1, "two threads");
    assert_int_equal(trace_thread_count(t), 1);
    trace_close(t);

    first->owner = 0;
    struct segment *counters = builder_segment(b, SEGMENT_COUNTERS, COUNTERS_SEGMENT_SIZE, 9);
    struct trace_counter *c = (struct trace_counter *)(void *)((uint8_t *)counters + SEGMENT_HEADER_SIZE);
    c->call = c->count = 1;
    t = damaged_open(b, 1, "slot 9");
    assert_int_equal(trace_thread_count(t), 2);
    trace_close(t);
    builder_free(b);
}

/* A sparse file may claim any size: the walk must not visit every page of the hole. */
static void test_sparse_file(void **state)
{
    (void)state;
    char path[64], error[256];
    size_t size;
    struct trace *t;
    struct trace_builder *b = builder_new(1);
    builder_wait(b, 5, BUILDER_START, 7, POLL, 3, 0, 0);
    uint8_t *image = builder_image(b, &size);
    builder_header(b)->used = UINT64_C(1) << 40;
    int fd = memfd_create("sparse", MFD_CLOEXEC);
    assert_int_equal(write(fd, image, size), size);
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    assert_int_equal(trace_open(path, &t, error, sizeof(error)), 0);
    assert_int_equal(events_count(t, EVENT_WAIT), 1);
    trace_close(t);
    close(fd);
    builder_free(b);
}

/* Flips bits all over the sample. The fuzzer does this better; this runs everywhere. */
static void test_bit_flips(void **state)
{
    (void)state;
    size_t size;
    struct trace_builder *b = sample_build();
    const uint8_t *image = builder_image(b, &size);
    uint8_t *copy = malloc(size);
    uint32_t random = 7;
    for (int round = 0; round < 3000; round++) {
        memcpy(copy, image, size);
        for (int i = 0; i < 20; i++) {
            random = random * 1664525 + 1013904223;
            copy[16 + (random >> 8) % (size - 16)] ^= (uint8_t)(1u << (random & 7));
        }
        char error[256];
        struct trace *t;
        struct trace_stack_view v;
        if (bytes_open(copy, size, &t, error, sizeof(error)) < 0)
            continue;
        events_count(t, EVENT_WAIT);
        for (uint32_t id = 0; id < size / 8; id += 3)
            trace_stack_find(t, id, &v);
        trace_close(t);
    }
    free(copy);
    builder_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_trace),
        cmocka_unit_test(test_error_text_is_cut_to_its_buffer),
        cmocka_unit_test(test_fifo_does_not_block),
        cmocka_unit_test(test_other_versions),
        cmocka_unit_test(test_truncated_header),
        cmocka_unit_test(test_truncated_anywhere),
        cmocka_unit_test(test_segments_around_a_broken_one),
        cmocka_unit_test(test_unpublished_segment),
        cmocka_unit_test(test_impossible_fill_level),
        cmocka_unit_test(test_impossible_header_fields),
        cmocka_unit_test(test_bad_ring_records),
        cmocka_unit_test(test_ring_fill_level),
        cmocka_unit_test(test_unfinished_log_records),
        cmocka_unit_test(test_bad_log_records),
        cmocka_unit_test(test_full_log_segment),
        cmocka_unit_test(test_impossible_thread),
        cmocka_unit_test(test_slot_numbers),
        cmocka_unit_test(test_sparse_file),
        cmocka_unit_test(test_bit_flips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
