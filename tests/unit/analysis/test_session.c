/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "analysis/session.h"
#include "trace/trace_builder.h"

#define MS UINT64_C(1000000)
#define SEC UINT64_C(1000000000)
#define T0 BUILDER_START

static char directory[64], error[256];

static int directory_make(void **state)
{
    (void)state;
    snprintf(directory, sizeof(directory), "/tmp/cprobe-session-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int directory_remove(void **state)
{
    static const char *const names[] = {"a.trace", "b.trace", "c.trace", "notes.txt"};
    char path[128];
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        unlink(path);
    }
    return rmdir(directory);
}

static void save(struct trace_builder *b, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    assert_int_equal(builder_write(b, path), 0);
    builder_free(b);
}

static void write_text(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static struct session *open_all(uint64_t since)
{
    struct session *session = NULL;
    const char *paths[] = {directory};
    assert_int_equal(session_open(paths, 1, since, &session, error, sizeof(error)), 0);
    return session;
}

/* Process ids of the waits in the stream, in order. */
static size_t stream_pids(struct session *session, uint32_t *pids, size_t max)
{
    const union trace_event *event;
    struct source *source;
    size_t count = 0;
    while ((source = session_next(session, &event))) {
        if (event->header.type == EVENT_WAIT && count < max)
            pids[count++] = source->info->pid;
    }
    return count;
}

static struct trace_builder *process_with_waits(uint32_t pid, uint64_t first, uint64_t step, int count)
{
    struct trace_builder *b = builder_new(pid);
    builder_thread(b, pid, "main", 0);
    for (int i = 0; i < count; i++)
        builder_wait(b, pid, T0 + first + (uint64_t)i * step, MS, 53, 0, 0, 0);
    return b;
}

static void same_boot_merges_on_the_monotonic_clock(void **state)
{
    (void)state;
    struct trace_builder *b = process_with_waits(2, 15 * MS, 20 * MS, 3);
    builder_header(b)->start_real_ns += 3600 * SEC; /* the wall clock was set between the two starts */
    save(process_with_waits(1, 10 * MS, 20 * MS, 3), "a.trace");
    save(b, "b.trace");
    struct session *session = open_all(0);
    uint32_t pids[8];
    for (int round = 0; round < 2; round++) {
        assert_int_equal(stream_pids(session, pids, 8), 6);
        for (int i = 0; i < 6; i++)
            assert_int_equal(pids[i], i % 2 + 1);
        session_rewind(session);
    }
    session_close(session);
}

static void other_hosts_merge_on_the_wall_clock(void **state)
{
    (void)state;
    struct trace_builder *b = process_with_waits(2, 15 * MS, 20 * MS, 3);
    struct trace_header *header = builder_header(b);
    snprintf(header->boot_id, sizeof(header->boot_id), "another");
    header->start_real_ns += 12 * MS; /* its waits are 12 ms later than their monotonic times say: at 27, 47, 67 ms */
    save(process_with_waits(1, 10 * MS, 20 * MS, 3), "a.trace"); /* at 10, 30, 50 ms */
    save(b, "b.trace");
    struct session *session = open_all(0);
    static const uint32_t expected[] = {1, 2, 1, 2, 1, 2};
    uint32_t pids[8];
    assert_int_equal(stream_pids(session, pids, 8), 6);
    assert_memory_equal(pids, expected, sizeof(expected));
    const struct source *source = &session->sources[1];
    assert_int_equal(source_real_ns(source, T0), BUILDER_START_REAL + 12 * MS);
    assert_int_equal(source_real_ns(source, 0), 0);
    session_close(session);
}

static void unreadable_files_are_warnings(void **state)
{
    (void)state;
    save(process_with_waits(1, 0, MS, 1), "a.trace");
    write_text("b.trace", "this is no trace");
    write_text("notes.txt", "nor is this");
    struct session *session = open_all(0);
    assert_int_equal(session->source_count, 1);
    assert_int_equal(session->warning_count, 1);
    assert_non_null(strstr(session->warnings[0], "b.trace"));
    session_close(session);
}

static void errors_are_told_apart(void **state)
{
    (void)state;
    struct session *session = NULL;
    const char *paths[] = {directory}, *missing[] = {"/nonexistent/cprobe.data"};
    assert_int_equal(session_open(missing, 1, 0, &session, error, sizeof(error)), -ENOENT);
    assert_non_null(strstr(error, "/nonexistent/cprobe.data"));
    assert_int_equal(session_open(paths, 1, 0, &session, error, sizeof(error)), -ENOENT);
    assert_non_null(strstr(error, directory));
    write_text("a.trace", "this is no trace");
    assert_int_equal(session_open(paths, 1, 0, &session, error, sizeof(error)), -ENODATA);
    assert_non_null(strstr(error, "a.trace"));
    save(process_with_waits(1, 0, MS, 1), "a.trace");
    assert_int_equal(session_open(paths, 1, BUILDER_START_REAL + 1, &session, error, sizeof(error)), -ENODATA);
    assert_non_null(strstr(error, "earlier runs"));
}

static void since_leaves_out_earlier_recordings(void **state)
{
    (void)state;
    struct trace_builder *b = process_with_waits(2, 0, MS, 1);
    builder_header(b)->start_real_ns += SEC;
    save(process_with_waits(1, 0, MS, 1), "a.trace");
    save(b, "b.trace");
    struct session *session = open_all(BUILDER_START_REAL + SEC);
    assert_int_equal(session->source_count, 1);
    assert_int_equal(session->sources[0].info->pid, 2);
    session_close(session);
}

static void a_file_named_twice_counts_once(void **state)
{
    (void)state;
    char path[128];
    struct session *session = NULL;
    save(process_with_waits(1, 0, MS, 1), "a.trace");
    snprintf(path, sizeof(path), "%s/a.trace", directory);
    const char *paths[] = {directory, path, directory};
    assert_int_equal(session_open(paths, 3, 0, &session, error, sizeof(error)), 0);
    assert_int_equal(session->source_count, 1);
    session_close(session);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, directory_make, directory_remove)
    const struct CMUnitTest tests[] = {
        TEST(same_boot_merges_on_the_monotonic_clock), TEST(other_hosts_merge_on_the_wall_clock),
        TEST(unreadable_files_are_warnings),           TEST(errors_are_told_apart),
        TEST(since_leaves_out_earlier_recordings),     TEST(a_file_named_twice_counts_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
