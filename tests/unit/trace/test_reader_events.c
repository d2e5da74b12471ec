/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The merge: order, completeness, ring segments that are recycled under the reader. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "trace/reader.h"
#include "trace_builder.h"

#define POLL 40

/* Counts the events that come, and checks their order. */
static size_t events_count(struct trace *t)
{
    const union trace_event *e;
    uint64_t last_ns = 0;
    size_t n = 0;
    while (trace_next(t, &e) > 0) {
        assert_true(e->header.time_ns >= last_ns);
        last_ns = e->header.time_ns;
        n++;
    }
    assert_int_equal(trace_next(t, &e), 0);
    return n;
}

static size_t built_events_count(struct trace_builder *b)
{
    struct trace *t = builder_open(b);
    assert_non_null(t);
    assert_int_equal(trace_info(t)->damage, 0);
    size_t n = events_count(t);
    trace_close(t);
    return n;
}

static void test_no_events(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    assert_int_equal(built_events_count(b), 0);
    builder_free(b);
}

/* Waits are written when they end: an outer one after the inner ones, with an earlier time. */
static void test_nested_waits_are_sorted(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    for (uint64_t i = 0; i < 2000; i++) {
        uint64_t begin = BUILDER_START + i * 1000;
        builder_wait(b, 5, begin + 300, 10, POLL, 0, 0, WAIT_NESTED);
        builder_wait(b, 5, begin + 500, 10, POLL, 0, 0, WAIT_NESTED);
        builder_wait(b, 5, begin, 900, POLL, 0, 0, 0);
        if (i % 700 == 699) /* spans several ring segments */
            builder_turn(b, 5, BUILDER_START + (i - 600) * 1000 + 1, 600000, 0);
    }
    assert_int_equal(built_events_count(b), 2000 * 3 + 2 + 1 /* THREAD */);
    builder_free(b);
}

static void test_many_threads_are_merged(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    uint32_t random = 1;
    for (uint64_t i = 0; i < 20000; i++) {
        random = random * 1664525 + 1013904223;
        builder_wait(b, 100 + (random >> 16) % 40, BUILDER_START + i * 100 - (random >> 20), 50, POLL, 0, 0, 0);
    }
    assert_int_equal(built_events_count(b), 20000 + 40);
    builder_free(b);
}

static void test_segments_in_reverse_order(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    for (uint64_t i = 50; i > 0; i--) {
        builder_wait(b, 5, BUILDER_START + i, 1, POLL, 0, 0, 0);
        builder_ring_close(b, 5);
    }
    assert_int_equal(built_events_count(b), 51);
    builder_free(b);
}

static void test_log_comes_first_at_the_same_time(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    builder_wait(b, 5, BUILDER_START, 1, POLL, 0, 0, 0);
    builder_endpoint(b, ENDPOINT_PIPE, ROLE_NONE, NULL);
    struct trace *t = builder_open(b);
    const union trace_event *e;
    static const uint16_t expected[] = {EVENT_THREAD, EVENT_ENDPOINT, EVENT_WAIT};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(trace_next(t, &e), 1);
        assert_int_equal(e->header.type, expected[i]);
    }
    trace_close(t);
    builder_free(b);
}

static void test_strings_of_events_can_be_reached(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    builder_exec(b, "/bin/sh");
    struct trace *t = builder_open(b);
    const union trace_event *e;
    assert_int_equal(trace_next(t, &e), 1);
    assert_int_equal(e->exec.path.length, 7);
    assert_memory_equal((const char *)e + e->exec.path.offset, "/bin/sh", 7);
    union trace_event copy = *e; /* allowed: there is room for a whole union behind each record */
    assert_int_equal(copy.header.type, EVENT_EXEC);
    trace_close(t);
    builder_free(b);
}

static void test_fields_survive(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    struct event_wait *w = builder_wait(b, 5, BUILDER_START + 7, 9, POLL, 3, 11, WAIT_GIL_HELD | WAIT_FAILED);
    w->weight = 2.5f;
    w->fd = 8;
    w->fds = 2;
    w->error = 4;
    w->result = -1;
    struct trace *t = builder_open(b);
    const union trace_event *e;
    trace_next(t, &e);
    assert_int_equal(trace_next(t, &e), 1);
    assert_memory_equal(&e->wait, w, sizeof(*w));
    trace_close(t);
    builder_free(b);
}

static void test_rewind(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    for (uint64_t i = 0; i < 3000; i++)
        builder_wait(b, 5 + i % 3, BUILDER_START + i, 1, POLL, 0, 0, 0);
    struct trace *t = builder_open(b);
    const union trace_event *e;
    for (int i = 0; i < 1000; i++)
        trace_next(t, &e);
    trace_rewind(t);
    assert_int_equal(events_count(t), 3003);
    trace_rewind(t);
    assert_int_equal(events_count(t), 3003);
    trace_close(t);
    builder_free(b);
}

/* A file that the test goes on writing while the reader has it open. */
static struct trace *shared_open(struct trace_builder *b, int *fd)
{
    char path[64], error[256];
    size_t size;
    struct trace *t;
    const uint8_t *image = builder_image(b, &size);
    *fd = memfd_create("shared", MFD_CLOEXEC);
    assert_int_equal(write(*fd, image, size), size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
    assert_int_equal(trace_open(path, &t, error, sizeof(error)), 0);
    return t;
}

static void file_put(struct trace_builder *b, int fd, const void *place, size_t size)
{
    size_t whole;
    off_t offset = (const uint8_t *)place - builder_image(b, &whole);
    assert_int_equal(pwrite(fd, place, size, offset), size);
}

static struct segment *ring_find(struct trace_builder *b, uint64_t generation)
{
    size_t size;
    uint8_t *image = builder_image(b, &size);
    for (size_t at = TRACE_PAGE; at < size; at += TRACE_PAGE) {
        struct segment *s = (struct segment *)(void *)(image + at);
        if (s->magic == SEGMENT_MAGIC && s->kind == SEGMENT_RING && s->generation == generation)
            return s;
    }
    fail();
    return NULL;
}

static void test_recycled_segment_is_counted_once(void **state)
{
    (void)state;
    int fd;
    struct trace_builder *b = builder_new(1);
    for (uint64_t i = 0; i < 20; i++) {
        builder_wait(b, 5, BUILDER_START + i, 1, POLL, 0, 0, 0);
        if (i == 6)
            builder_ring_close(b, 5);
    }
    struct trace *t = shared_open(b, &fd);
    struct segment *first = ring_find(b, 1);
    first->generation = 99;
    file_put(b, fd, first, sizeof(*first));
    assert_int_equal(trace_info(t)->lost[TRACE_LOST_OVERWRITTEN], 0);
    assert_int_equal(events_count(t), 20 - 7 + 1);
    assert_int_equal(trace_info(t)->lost[TRACE_LOST_OVERWRITTEN], 7);
    trace_rewind(t);
    assert_int_equal(events_count(t), 20 - 7 + 1);
    assert_int_equal(trace_info(t)->lost[TRACE_LOST_OVERWRITTEN], 7);
    assert_int_equal(trace_info(t)->damage, 0);
    trace_close(t);
    close(fd);
    builder_free(b);
}

/* Records added after the open belong to the next open: what one open shows stays the same. */
static void test_segment_that_grows(void **state)
{
    (void)state;
    int fd;
    struct trace_builder *b = builder_new(1);
    builder_wait(b, 5, BUILDER_START + 100, 1, POLL, 0, 0, 0);
    struct trace *t = shared_open(b, &fd);
    file_put(b, fd, builder_wait(b, 5, BUILDER_START, 1, POLL, 0, 0, 0), RING_RECORD_SIZE);
    file_put(b, fd, ring_find(b, 1), sizeof(struct segment));
    assert_int_equal(events_count(t), 2);
    trace_close(t);
    close(fd);
    builder_free(b);
}

static void test_file_truncated_after_open(void **state)
{
    (void)state;
    int fd;
    struct trace_builder *b = builder_new(1);
    for (uint64_t i = 0; i < 1500; i++)
        builder_wait(b, 5, BUILDER_START + i, 1, POLL, 0, 0, 0);
    struct trace *t = shared_open(b, &fd);
    assert_int_equal(ftruncate(fd, TRACE_PAGE), 0);
    assert_true(events_count(t) <= 1501);
    trace_close(t);
    close(fd);
    builder_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_events),
        cmocka_unit_test(test_nested_waits_are_sorted),
        cmocka_unit_test(test_many_threads_are_merged),
        cmocka_unit_test(test_segments_in_reverse_order),
        cmocka_unit_test(test_log_comes_first_at_the_same_time),
        cmocka_unit_test(test_strings_of_events_can_be_reached),
        cmocka_unit_test(test_fields_survive),
        cmocka_unit_test(test_rewind),
        cmocka_unit_test(test_recycled_segment_is_counted_once),
        cmocka_unit_test(test_segment_that_grows),
        cmocka_unit_test(test_file_truncated_after_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
