/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the writer writes, read back with the reader: whole, recycled, out of room, and torn off in the middle. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "trace/reader.h"
#include "trace/writer.h"

#define START UINT64_C(1000000000)
#define MIB (UINT64_C(1) << 20)
#define THREADS 8

static char dir[256], path[300], copy_path[300];
static struct writer w;

static int setup(void **state)
{
    (void)state;
    const char *tmp = getenv("TEST_TMP");
    snprintf(dir, sizeof(dir), "%s/cprobe-writer.XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/a.trace", dir);
    snprintf(copy_path, sizeof(copy_path), "%s/copy.trace", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    writer_abandon(&w);
    unlink(path);
    unlink(copy_path);
    rmdir(dir);
    return 0;
}

static void create(uint64_t capacity)
{
    struct trace_header header = {.pid = 42, .ppid = 41, .start_mono_ns = START, .sample_mean_ns = 1000000};
    strcpy(header.host, "host");
    assert_int_equal(writer_create(&w, path, capacity, &header), 0);
}

static struct trace *open_trace(const char *name)
{
    struct trace *t = NULL;
    char error[300] = "";
    if (trace_open(name, &t, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    return t;
}

static struct trace *finish(void)
{
    writer_finish(&w, TRACE_FINISHED, TRACE_REASON_NONE, START + 5);
    struct trace *t = open_trace(path);
    assert_int_equal(trace_info(t)->damage, 0);
    return t;
}

/* ---- records ---- */

static bool put_wait(struct segment **segment, uint32_t owner, uint64_t number)
{
    struct event_wait *e = writer_ring_reserve(&w, segment, owner);
    if (!e)
        return false;
    memset(e, 0, sizeof(*e));
    e->header = (struct event_header){EVENT_MAGIC, EVENT_WAIT, sizeof(*e), START + number};
    e->duration_ns = number;
    e->weight = 1;
    e->tid = owner + 100;
    e->slot = owner;
    e->result = (int32_t)(number * 3);
    writer_ring_commit(*segment);
    return true;
}

static bool put_endpoint(uint32_t id, const char *text)
{
    uint32_t cursor = sizeof(struct event_endpoint);
    struct event_endpoint *e = (void *)writer_log_reserve(&w, cursor, (uint32_t)strlen(text));
    if (!e)
        return false;
    e->header.time_ns = START;
    e->id = id;
    e->kind = ENDPOINT_NAME;
    e->text = writer_log_string(&e->header, &cursor, text, strlen(text));
    writer_log_commit(&e->header, EVENT_ENDPOINT);
    return true;
}

static uint32_t put_stack(uint64_t number, uint16_t depth)
{
    uint64_t native[STACK_MAX_NATIVE], python[2] = {PY_FRAME(1, 1, number & 0xff), PY_FRAME(0, 2, 0)};
    for (uint16_t i = 0; i < depth; i++)
        native[i] = number * 1000 + i;
    return writer_stack(&w, number * UINT64_C(0x9E3779B97F4A7C15) + 1, STACK_COMPLETE, 7, native, depth, python, 2);
}

static void check_stack(struct trace *t, uint32_t id, uint64_t number, uint16_t depth)
{
    struct trace_stack_view view;
    assert_int_equal(trace_stack_find(t, id, &view), 0);
    assert_int_equal(view.native_count, depth);
    assert_int_equal(view.python_count, 2);
    assert_int_equal(view.flags, STACK_COMPLETE);
    assert_int_equal(view.modules, 7);
    for (uint16_t i = 0; i < depth; i++)
        assert_int_equal(view.native[i], number * 1000 + i);
}

static void header(void **state)
{
    (void)state;
    struct stat st;
    create(4 * MIB);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, 4 * MIB);
    struct trace *t = finish();
    const struct trace_info *info = trace_info(t);
    assert_int_equal(info->pid, 42);
    assert_int_equal(info->ppid, 41);
    assert_int_equal(info->state, TRACE_FINISHED);
    assert_true(info->ended);
    assert_int_equal(info->end_mono_ns, START + 5);
    assert_string_equal(info->host, "host");
    trace_close(t);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 100 << 10); /* cut to what is used */
}

static void create_fails_cleanly(void **state)
{
    (void)state;
    struct trace_header h = {.pid = 1};
    struct writer other;
    char missing[400], too_long[WRITER_PATH_MAX + 10];
    create(MIB);
    assert_int_equal(writer_create(&other, path, MIB, &h), -EEXIST);
    assert_null(other.header);
    snprintf(missing, sizeof(missing), "%s/none/a.trace", dir);
    assert_int_equal(writer_create(&other, missing, MIB, &h), -ENOENT);
    memset(too_long, 'x', sizeof(too_long));
    too_long[sizeof(too_long) - 1] = '\0';
    assert_int_equal(writer_create(&other, too_long, MIB, &h), -ENAMETOOLONG);
}

static void log_records(void **state)
{
    (void)state;
    create(4 * MIB);
    assert_true(put_endpoint(2, ""));
    assert_true(put_endpoint(3, "one"));
    char big[LOG_RECORD_MAX];
    memset(big, 'b', sizeof(big));
    big[LOG_RECORD_MAX - sizeof(struct event_endpoint)] = '\0';
    assert_true(put_endpoint(4, big)); /* as large as may be */
    big[LOG_RECORD_MAX - sizeof(struct event_endpoint)] = 'b';
    big[LOG_RECORD_MAX - sizeof(struct event_endpoint) + 1] = '\0';
    assert_false(put_endpoint(5, big));
    struct trace *t = finish();
    assert_int_equal(trace_endpoint_count(t), 3);
    assert_string_equal(trace_endpoint_find(t, 2)->text, "");
    assert_string_equal(trace_endpoint_find(t, 3)->text, "one");
    assert_int_equal(strlen(trace_endpoint_find(t, 4)->text), LOG_RECORD_MAX - sizeof(struct event_endpoint));
    assert_null(trace_endpoint_find(t, 5));
    assert_int_equal(trace_info(t)->lost[TRACE_LOST_TOO_BIG], 1);
    trace_close(t);
}

static void stacks(void **state)
{
    (void)state;
    uint32_t ids[1000];
    create(8 * MIB);
    for (uint64_t i = 0; i < 1000; i++)
        ids[i] = put_stack(i, (uint16_t)(i % STACK_MAX_NATIVE));
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(put_stack(i, (uint16_t)(i % STACK_MAX_NATIVE)), ids[i]); /* each is entered once */
    struct trace *t = finish();
    for (uint64_t i = 0; i < 1000; i++)
        check_stack(t, ids[i], i, (uint16_t)(i % STACK_MAX_NATIVE));
    trace_close(t);
}

/* ---- the ring: bounded, oldest first out ---- */

static uint64_t count_waits(struct trace *t, uint64_t *first, uint64_t *last)
{
    const union trace_event *e;
    uint64_t count = 0;
    *first = UINT64_MAX;
    *last = 0;
    trace_rewind(t);
    while (trace_next(t, &e) == 1) {
        if (e->header.type != EVENT_WAIT)
            continue;
        assert_int_equal(e->wait.result, (int32_t)(e->wait.duration_ns * 3));
        *first = e->wait.duration_ns < *first ? e->wait.duration_ns : *first;
        *last = e->wait.duration_ns > *last ? e->wait.duration_ns : *last;
        count++;
    }
    return count;
}

static void ring_keeps_the_newest(void **state)
{
    (void)state;
    struct segment *segment = NULL;
    uint64_t first, last, total = 100000;
    create(2 * MIB);
    for (uint64_t i = 0; i < total; i++)
        assert_true(put_wait(&segment, 1, i));
    uint64_t room = writer_budget(&w, WRITER_RINGS) / RING_SEGMENT_SIZE * (RING_SEGMENT_SIZE / RING_RECORD_SIZE - 1);
    struct trace *t = finish();
    uint64_t kept = count_waits(t, &first, &last);
    assert_int_equal(last, total - 1);
    assert_int_equal(first, total - kept); /* without a gap */
    assert_in_range(kept, room - RING_SEGMENT_SIZE / RING_RECORD_SIZE, room);
    assert_int_equal(trace_info(t)->lost[TRACE_LOST_OVERWRITTEN], total - kept);
    trace_close(t);
}

static void ended_threads_make_room(void **state)
{
    (void)state;
    uint64_t first, last;
    create(MIB);
    for (uint32_t thread = 0; thread < 300; thread++) {
        struct segment *segment = NULL;
        for (uint64_t i = 0; i < 100; i++)
            assert_true(put_wait(&segment, thread, thread * 100 + i));
        writer_ring_release(&w, segment);
    }
    struct trace *t = finish();
    uint64_t kept = count_waits(t, &first, &last);
    assert_int_equal(last, 29999);
    assert_int_equal(first, 30000 - kept);
    assert_int_equal(trace_info(t)->lost[TRACE_LOST_OVERWRITTEN], 30000 - kept);
    assert_int_equal(trace_info(t)->lost[TRACE_LOST_RING_FULL], 0);
    trace_close(t);
}

static void more_threads_than_segments(void **state)
{
    (void)state;
    struct segment *segments[40] = {NULL};
    uint64_t first, last, put = 0;
    create(MIB);
    for (uint64_t i = 0; i < 2000; i++)
        for (uint32_t thread = 0; thread < 40; thread++)
            put += put_wait(&segments[thread], thread, i);
    struct trace *t = finish();
    const uint64_t *lost = trace_info(t)->lost;
    assert_true(lost[TRACE_LOST_RING_FULL] > 0);
    assert_int_equal(put + lost[TRACE_LOST_RING_FULL], 40 * 2000);
    assert_int_equal(count_waits(t, &first, &last) + lost[TRACE_LOST_OVERWRITTEN], put);
    trace_close(t);
}

/* ---- budgets: no kind of segment takes another's room ---- */

static void frequent_events_leave_room_for_rare_ones(void **state)
{
    (void)state;
    struct segment *segments[64] = {NULL};
    create(2 * MIB);
    for (uint32_t thread = 0; thread < 64; thread++)
        for (uint64_t i = 0; i < 2000; i++)
            put_wait(&segments[thread], thread, i);
    uint64_t stacks_put = 0, endpoints = 0, slots = 0;
    while (put_stack(stacks_put, 100))
        stacks_put++;
    char text[200];
    memset(text, 't', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    while (put_endpoint((uint32_t)endpoints + 2, text))
        endpoints++;
    for (; slots * THREAD_SEGMENT_SIZE + THREAD_SEGMENT_SIZE <= writer_budget(&w, WRITER_SLOTS); slots++)
        assert_non_null(writer_segment(&w, SEGMENT_THREAD, THREAD_SEGMENT_SIZE, 0));
    assert_true(stacks_put >= (writer_budget(&w, WRITER_STACKS) - STACKS_SEGMENT_SIZE) / 900);
    assert_true(endpoints >= (writer_budget(&w, WRITER_LOG) - LOG_SEGMENT_SIZE) / 250);
    writer_finish(&w, TRACE_FINISHED, TRACE_REASON_NONE, START);
    struct trace *t = open_trace(path); /* endpoints of the thread segments are missing: empty slots */
    assert_int_equal(trace_endpoint_count(t), endpoints);
    assert_int_equal(trace_info(t)->lost[TRACE_LOST_RING_FULL] > 0, 1);
    trace_close(t);
}

static void rare_events_are_bounded(void **state)
{
    (void)state;
    struct segment *segment = NULL;
    create(2 * MIB);
    uint32_t put = 0;
    while (put < 1000000 && put_endpoint(put + 2, "endpoint"))
        put++;
    assert_true(put < 1000000);
    uint64_t rings = writer_budget(&w, WRITER_RINGS) / RING_SEGMENT_SIZE;
    for (uint64_t i = 0; i < rings * 511; i++)
        assert_true(put_wait(&segment, 1, i));
    assert_int_equal(w.header->lost[TRACE_LOST_OVERWRITTEN], 0);
    assert_int_equal(w.header->lost[TRACE_LOST_RING_FULL], 1); /* the endpoint that did not fit */
}

/* ---- the end ---- */

static void nothing_after_the_end(void **state)
{
    (void)state;
    struct segment *segment = NULL;
    uint64_t first, last;
    create(2 * MIB);
    for (uint64_t i = 0; i < 10; i++)
        assert_true(put_wait(&segment, 1, i));
    put_endpoint(2, "before");
    writer_finish(&w, TRACE_DISABLED, TRACE_REASON_SECCOMP, START + 9);
    /* threads that go on must find it safe, whatever becomes of what they write */
    for (uint64_t i = 10; i < 2000; i++)
        put_wait(&segment, 1, i);
    struct segment *fresh = NULL;
    assert_false(put_wait(&fresh, 2, 1));
    for (int i = 0; i < 3000; i++)
        put_endpoint(3, "after");
    for (uint64_t i = 0; i < 3000; i++)
        put_stack(i, 50);
    writer_ring_release(&w, segment);
    struct trace *t = open_trace(path);
    assert_int_equal(trace_info(t)->state, TRACE_DISABLED);
    assert_int_equal(trace_info(t)->reason, TRACE_REASON_SECCOMP);
    assert_int_equal(trace_info(t)->damage, 0);
    assert_string_equal(trace_endpoint_find(t, 2)->text, "before");
    assert_true(count_waits(t, &first, &last) > 0);
    trace_close(t);
}

static void loss_after_the_end_is_none(void **state)
{
    (void)state;
    struct segment *segment = NULL;
    create(2 * MIB);
    writer_lose(&w, TRACE_LOST_STACKS, 2);
    writer_finish(&w, TRACE_FINISHED, TRACE_REASON_NONE, START + 9);
    assert_false(put_wait(&segment, 1, 1));
    struct trace *t = open_trace(path);
    assert_int_equal(trace_info(t)->lost[TRACE_LOST_STACKS], 2);
    assert_int_equal(trace_info(t)->lost[TRACE_LOST_RING_FULL], 0);
    trace_close(t);
}

static void without_a_trace(void **state)
{
    (void)state;
    struct segment *segment = NULL;
    memset(&w, 0, sizeof(w));
    writer_lose(&w, TRACE_LOST_STACKS, 1);
    writer_finish(&w, TRACE_FINISHED, TRACE_REASON_NONE, 1);
    assert_false(put_endpoint(2, "x"));
    assert_int_equal(put_stack(1, 1), 0);
    assert_null(writer_segment(&w, SEGMENT_LOG, LOG_SEGMENT_SIZE, 0));
    writer_ring_release(&w, segment);
}

static void full_disk(void **state)
{
    (void)state;
    struct trace_header h = {.pid = 1, .start_mono_ns = START, .sample_mean_ns = 1};
    struct segment *segment = NULL;
    struct writer other;
    uint64_t first, last, put = 0;
    char mount_point[300], file[320], second[320];
    snprintf(mount_point, sizeof(mount_point), "%s/small", dir);
    assert_int_equal(mkdir(mount_point, 0700), 0);
    if (mount("none", mount_point, "tmpfs", 0, "size=512k") != 0) {
        rmdir(mount_point);
        skip();
    }
    snprintf(file, sizeof(file), "%s/a.trace", mount_point);
    snprintf(second, sizeof(second), "%s/b.trace", mount_point);
    assert_int_equal(writer_create(&w, file, 64 * MIB, &h), 0);
    while (put < 100000 && put_wait(&segment, 1, put))
        put++;
    assert_int_equal(put, 100000); /* it goes on in what it has */
    assert_int_equal(w.header->reason, TRACE_REASON_SPACE);
    assert_int_equal(writer_create(&other, second, 64 * MIB, &h), -ENOSPC);
    assert_int_equal(access(second, F_OK), -1); /* nothing is left behind */
    writer_finish(&w, TRACE_FINISHED, TRACE_REASON_NONE, START + 5);
    struct trace *t = open_trace(file);
    assert_true(count_waits(t, &first, &last) > 1000);
    assert_int_equal(last, put - 1);
    assert_int_equal(trace_info(t)->reason, TRACE_REASON_SPACE);
    trace_close(t);
    writer_abandon(&w);
    assert_int_equal(umount(mount_point), 0);
    rmdir(mount_point);
}

/* ---- fork ---- */

static bool all_known(const struct event_header *record)
{
    (void)record;
    return true;
}

static bool even_known(const struct event_header *record)
{
    return record->type != EVENT_CODE || ((const struct event_code *)record)->id % 2 == 0;
}

static void put_code(uint32_t id, const char *name)
{
    uint32_t cursor = sizeof(struct event_code);
    struct event_code *e = (void *)writer_log_reserve(&w, cursor, (uint32_t)strlen(name) * 2 + 3);
    e->header.time_ns = START;
    e->id = id;
    e->first_line = id * 10;
    e->version = 0x030b;
    e->name = writer_log_string(&e->header, &cursor, name, strlen(name));
    e->file = writer_log_string(&e->header, &cursor, name, strlen(name));
    e->linetable = writer_log_string(&e->header, &cursor, "abc", 3);
    writer_log_commit(&e->header, EVENT_CODE);
}

static void put_module(uint64_t start, const char *name)
{
    uint32_t cursor = sizeof(struct event_module);
    struct event_module *e = (void *)writer_log_reserve(&w, cursor, (uint32_t)strlen(name));
    e->header.time_ns = START;
    e->start = start;
    e->end = start + 4096;
    e->path = writer_log_string(&e->header, &cursor, name, strlen(name));
    writer_log_commit(&e->header, EVENT_MODULE);
}

static void put_note(void)
{
    uint32_t cursor = sizeof(struct event_note);
    struct event_note *e = (void *)writer_log_reserve(&w, cursor, 4);
    e->header.time_ns = START;
    e->text = writer_log_string(&e->header, &cursor, "note", 4);
    writer_log_commit(&e->header, EVENT_NOTE);
}

/* The parent's trace with definitions of all kinds over several segments; records that other threads are writing. */
static struct writer parent_trace(void)
{
    char name[200];
    struct segment *segment = NULL;
    create(8 * MIB);
    put_module(0x10000, "/lib/one.so");
    for (uint32_t i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "%0100u", i);
        put_endpoint(i + 2, name);
        put_code(i + 1, name);
        if (i == 500)
            writer_log_reserve(&w, 64, 10); /* never committed */
        if (i == 501) {                     /* not even its size is stored yet */
            struct event_header *e = writer_log_reserve(&w, 64, 10);
            memset(e, 0, sizeof(*e));
        }
    }
    put_note();
    put_wait(&segment, 1, 1);
    put_stack(1, 5);
    return w;
}

static struct trace *child_trace(struct writer *parent, bool (*known)(const struct event_header *))
{
    struct trace_header h = {.pid = 43, .start_mono_ns = START, .sample_mean_ns = 1000000};
    assert_int_equal(writer_create(&w, copy_path, 8 * MIB, &h), 0);
    writer_inherit(&w, parent, known);
    writer_abandon(parent);
    writer_finish(&w, TRACE_FINISHED, TRACE_REASON_NONE, START + 5);
    struct trace *t = open_trace(copy_path);
    assert_int_equal(trace_info(t)->damage, 0);
    return t;
}

static void definitions_are_inherited(void **state)
{
    (void)state;
    uint64_t first, last;
    struct writer parent = parent_trace();
    struct trace *t = child_trace(&parent, all_known);
    char name[200];
    assert_int_equal(trace_endpoint_count(t), 2000);
    assert_int_equal(trace_module_count(t), 1);
    assert_string_equal(trace_module_at(t, 0)->path, "/lib/one.so");
    assert_int_equal(trace_module_at(t, 0)->start, 0x10000);
    for (uint32_t i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "%0100u", i);
        assert_string_equal(trace_endpoint_find(t, i + 2)->text, name);
        const struct trace_code *code = trace_code_find(t, i + 1);
        assert_non_null(code);
        assert_string_equal(code->name, name);
        assert_int_equal(code->first_line, (i + 1) * 10);
        assert_memory_equal(code->linetable, "abc", 3);
    }
    assert_int_equal(trace_note_count(t), 0); /* was said in the parent's trace */
    assert_int_equal(count_waits(t, &first, &last), 0);
    trace_close(t);
}

static void only_known_numbers_are_inherited(void **state)
{
    (void)state;
    struct writer parent = parent_trace();
    struct trace *t = child_trace(&parent, even_known);
    assert_int_equal(trace_endpoint_count(t), 2000);
    assert_null(trace_code_find(t, 1));
    assert_non_null(trace_code_find(t, 2));
    assert_null(trace_code_find(t, 1999));
    assert_non_null(trace_code_find(t, 2000));
    trace_close(t);
}

/* ---- many threads ---- */

enum { WAITS_EACH = 20000, NAMES_EACH = 200, NAMES_MANY = 1000, STACKS = 500 };
static uint32_t stack_ids[THREADS][STACKS];

static void *write_much(void *argument)
{
    uint32_t self = (uint32_t)(uintptr_t)argument;
    struct segment *segment = NULL;
    char name[100];
    for (uint64_t i = 0; i < WAITS_EACH; i++) {
        put_wait(&segment, self, i);
        if (i % (WAITS_EACH / NAMES_EACH) == 0) {
            uint32_t n = (uint32_t)(i / (WAITS_EACH / NAMES_EACH));
            snprintf(name, sizeof(name), "thread %u name %u", self, n);
            put_endpoint(2 + self * NAMES_EACH + n, name);
        }
        stack_ids[self][i % STACKS] = put_stack(i % STACKS, (uint16_t)(i % 40));
    }
    writer_ring_release(&w, segment);
    return NULL;
}

static void run_threads(void *(*function)(void *))
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, function, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void eight_threads(void **state)
{
    (void)state;
    char name[100];
    create(64 * MIB);
    run_threads(write_much);
    struct trace *t = finish();
    static uint8_t seen[THREADS][WAITS_EACH];
    memset(seen, 0, sizeof(seen));
    const union trace_event *e;
    while (trace_next(t, &e) == 1)
        if (e->header.type == EVENT_WAIT)
            seen[e->wait.slot][e->wait.duration_ns]++;
    for (uint32_t thread = 0; thread < THREADS; thread++) {
        for (int i = 0; i < WAITS_EACH; i++)
            assert_int_equal(seen[thread][i], 1);
        for (uint32_t n = 0; n < NAMES_EACH; n++) {
            snprintf(name, sizeof(name), "thread %u name %u", thread, n);
            assert_string_equal(trace_endpoint_find(t, 2 + thread * NAMES_EACH + n)->text, name);
        }
        for (uint64_t s = 0; s < STACKS; s++)
            check_stack(t, stack_ids[thread][s], s, (uint16_t)(s % 40));
    }
    for (int cause = 0; cause < TRACE_LOST_CAUSES; cause++)
        assert_int_equal(trace_info(t)->lost[cause], 0);
    trace_close(t);
}

/* In a trace that is too small, no wait may be unaccounted for and no segment lost to recycling. */
static void eight_threads_in_a_small_ring(void **state)
{
    (void)state;
    uint64_t first, last;
    create(2 * MIB);
    run_threads(write_much);
    uint64_t segments = w.ring_bytes / RING_SEGMENT_SIZE, listed = w.full_count;
    for (int i = 0; i < WRITER_STRAYS; i++)
        listed += w.strays[i] != 0;
    assert_int_equal(listed, segments);
    struct trace *t = finish();
    uint64_t kept = count_waits(t, &first, &last);
    assert_int_equal(kept + trace_info(t)->lost[TRACE_LOST_OVERWRITTEN] + trace_info(t)->lost[TRACE_LOST_RING_FULL],
                     THREADS * WAITS_EACH);
    trace_close(t);
}

static void *write_names(void *argument)
{
    uint32_t self = (uint32_t)(uintptr_t)argument;
    char name[200];
    for (uint32_t i = 0; i < NAMES_MANY; i++) {
        snprintf(name, sizeof(name), "%0150u", i);
        assert_true(put_endpoint(2 + self * NAMES_MANY + i, name));
    }
    return NULL;
}

/* Whichever thread makes the next segment, none is made in vain, and a budget that is enough is enough. */
static void threads_share_their_segments(void **state)
{
    (void)state;
    create(16 * MIB);
    run_threads(write_names);
    uint64_t record = (sizeof(struct event_endpoint) + 150 + EVENT_ALIGN - 1) / EVENT_ALIGN * EVENT_ALIGN;
    uint64_t each = (LOG_SEGMENT_SIZE - SEGMENT_HEADER_SIZE) / record;
    assert_int_equal(w.log.bytes / LOG_SEGMENT_SIZE, (THREADS * NAMES_MANY + each - 1) / each);
    struct trace *t = finish();
    assert_int_equal(trace_endpoint_count(t), THREADS * NAMES_MANY);
    trace_close(t);
}

/* ---- read while it is written, and killed at any instant ---- */

static uint32_t stop_writing;

static void *write_on(void *argument)
{
    uint32_t self = (uint32_t)(uintptr_t)argument, n = 0;
    struct segment *segment = NULL;
    char name[300];
    for (uint64_t i = 0; i < 1000 || !__atomic_load_n(&stop_writing, __ATOMIC_RELAXED); i++) {
        put_wait(&segment, self, i);
        put_stack(i * THREADS + self, (uint16_t)(i % 60));
        if (i % 16 == 0 && n < 1000) {
            snprintf(name, sizeof(name), "thread %u name %0*u", self, (int)(i % 200), n);
            put_endpoint(2 + self * 1000 + n++, name);
        }
    }
    return NULL;
}

/* Everything that the reader gives is whole. Returns the number of waits. */
static uint64_t check_unfinished(void)
{
    uint64_t first, last;
    struct trace *t = open_trace(path);
    assert_int_equal(trace_info(t)->state, TRACE_RECORDING);
    assert_false(trace_info(t)->ended);
    uint64_t waits = count_waits(t, &first, &last);
    for (size_t i = 0; i < trace_endpoint_count(t); i++)
        assert_memory_equal(trace_endpoint_at(t, i)->text, "thread ", 7);
    if (trace_info(t)->damage)
        fail_msg("%lu places damaged: %s", (unsigned long)trace_info(t)->damage, trace_info(t)->damage_text);
    trace_close(t);
    return waits;
}

static void readable_while_written(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    stop_writing = 0;
    create(2 * MIB);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_on, (void *)i), 0);
    for (int round = 0; round < 50; round++)
        check_unfinished();
    __atomic_store_n(&stop_writing, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_true(check_unfinished() > 0);
}

static void readable_after_kill(void **state)
{
    (void)state;
    for (int round = 0; round < 40; round++) {
        unlink(path);
        pid_t child = fork();
        if (child == 0) {
            pthread_t thread;
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            create(2 * MIB);
            stop_writing = 0;
            for (uintptr_t i = 0; i < THREADS; i++)
                pthread_create(&thread, NULL, write_on, (void *)i);
            for (;;)
                pause();
        }
        struct stat st;
        while (stat(path, &st) != 0 || st.st_blocks * 512 < (blkcnt_t)(128 + round * 20) * 1024) {
            assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
            sched_yield(); /* a moment later in each round */
        }
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        check_unfinished();
    }
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        test(header),
        test(create_fails_cleanly),
        test(log_records),
        test(stacks),
        test(ring_keeps_the_newest),
        test(ended_threads_make_room),
        test(more_threads_than_segments),
        test(frequent_events_leave_room_for_rare_ones),
        test(rare_events_are_bounded),
        test(nothing_after_the_end),
        test(loss_after_the_end_is_none),
        test(without_a_trace),
        test(full_disk),
        test(definitions_are_inherited),
        test(only_known_numbers_are_inherited),
        test(eight_threads),
        test(eight_threads_in_a_small_ring),
        test(threads_share_their_segments),
        test(readable_while_written),
        test(readable_after_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
