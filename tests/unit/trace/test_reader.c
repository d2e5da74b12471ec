/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an undamaged trace gives: process, threads, counters, definitions, notes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "trace/reader.h"
#include "trace_builder.h"
#include "trace_sample.h"

#define MS SAMPLE_MS

static struct trace *sample_open(void)
{
    struct trace_builder *b = sample_build();
    struct trace *t = builder_open(b);
    builder_free(b);
    assert_non_null(t);
    assert_string_equal(trace_info(t)->damage_text, "");
    assert_int_equal(trace_info(t)->damage, 0);
    return t;
}

static void test_process(void **state)
{
    (void)state;
    struct trace *t = sample_open();
    const struct trace_info *i = trace_info(t);
    assert_int_equal(i->pid, 42);
    assert_int_equal(i->ppid, 1);
    assert_int_equal(i->cpus, 2);
    assert_int_equal(i->state, TRACE_FINISHED);
    assert_int_equal(i->exit_status, 3);
    assert_true(i->start_mono_ns == BUILDER_START && i->start_real_ns == BUILDER_START_REAL);
    assert_true(i->ended);
    assert_true(i->end_mono_ns == SAMPLE_END);
    assert_int_equal(i->sample_mean_ns, 1000000);
    assert_int_equal(i->lost[TRACE_LOST_OVERWRITTEN], 17);
    assert_string_equal(i->exe, "/usr/bin/program");
    assert_string_equal(i->comm, "program");
    assert_string_equal(i->cmdline, "program --serve 127.0.0.1:8000");
    assert_string_equal(i->host, "testhost");
    assert_string_equal(i->boot_id, "00000000-0000-4000-8000-000000000001");
    assert_memory_equal(i->path, "/proc/self/fd/", 14);
    trace_close(t);
}

static const struct trace_counter *counter_find(const struct trace_thread *thread, uint16_t call, uint32_t endpoint)
{
    for (size_t i = 0; i < thread->counter_count; i++)
        if (thread->counters[i].call == call && thread->counters[i].endpoint == endpoint)
            return &thread->counters[i];
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct trace *t = sample_open();
    assert_int_equal(trace_thread_count(t), 3);
    assert_null(trace_thread_at(t, 3));
    const struct trace_thread *loop = trace_thread_at(t, 0);
    assert_int_equal(loop->slot->tid, 43);
    assert_string_equal(loop->slot->name, "loop");
    assert_int_equal(loop->slot->cpu_last_ns, 90 * MS);
    assert_int_equal(loop->slot->sites[0].waits, 3);
    assert_int_equal(loop->slot->sites[0].idle_ns, 150 * MS);
    assert_int_equal(loop->slot->sites[0].turns, 43);
    assert_int_equal(loop->slot->sites[0].turn_hist[20], 40);
    assert_int_equal(loop->slot->sites[1].endpoint, 0);
    assert_int_equal(loop->counter_count, 3);
    const struct trace_counter *poll = counter_find(loop, 40, 3);
    assert_non_null(poll);
    assert_int_equal(poll->count, 3);
    assert_int_equal(poll->total_ns, 360 * MS);
    assert_int_equal(poll->max_ns, 120 * MS);
    assert_true(poll->first_ns == BUILDER_START + 110 * MS && poll->last_ns == BUILDER_START + 630 * MS);
    assert_int_equal(trace_thread_at(t, 2)->slot->threads, 5);
    trace_close(t);
}

/* 54 counters: more than the slot's segment has room for. */
static void test_counters_of_several_segments(void **state)
{
    (void)state;
    struct trace *t = sample_open();
    const struct trace_thread *worker = trace_thread_at(t, 1);
    assert_int_equal(worker->number, 1);
    assert_int_equal(worker->counter_count, 54);
    assert_non_null(counter_find(worker, 1, 100));
    assert_non_null(counter_find(worker, 11, 103));
    assert_int_equal(counter_find(worker, 1, 3)->failed, 1);
    assert_int_equal(trace_thread_at(t, 2)->counter_count, 0);
    trace_close(t);
}

static void test_slot_without_thread_is_left_out(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    builder_segment(b, SEGMENT_THREAD, THREAD_SEGMENT_SIZE, 0);
    builder_thread(b, 5, "five", 0);
    struct trace *t = builder_open(b);
    assert_int_equal(trace_thread_count(t), 1);
    assert_int_equal(trace_info(t)->damage, 0);
    trace_close(t);
    builder_free(b);
}

static void test_endpoints(void **state)
{
    (void)state;
    struct trace *t = sample_open();
    assert_int_equal(trace_endpoint_count(t), 4);
    const struct trace_endpoint *loop = trace_endpoint_find(t, 2);
    assert_int_equal(loop->kind, ENDPOINT_WAITSET);
    assert_int_equal(loop->pc, 0x401234);
    assert_int_equal(loop->modules, 1);
    assert_string_equal(loop->text, "");
    const struct trace_endpoint *database = trace_endpoint_find(t, 3);
    assert_int_equal(database->kind, ENDPOINT_INET);
    assert_int_equal(database->role, ROLE_CLIENT);
    assert_string_equal(database->text, "127.0.0.1:3306");
    assert_null(trace_endpoint_find(t, 0));
    assert_null(trace_endpoint_find(t, 6));
    assert_ptr_equal(trace_endpoint_at(t, 1), database);
    assert_null(trace_endpoint_at(t, 4));
    trace_close(t);
}

static void test_endpoint_numbers_out_of_order(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    for (uint32_t id = 9; id >= 5; id--) {
        struct event_endpoint e = {.header = {EVENT_MAGIC, EVENT_ENDPOINT, sizeof(e), BUILDER_START}, .id = id};
        builder_log_raw(b, &e, sizeof(e));
    }
    struct event_endpoint again = {.header = {EVENT_MAGIC, EVENT_ENDPOINT, sizeof(again), BUILDER_START}, .id = 7};
    builder_log_raw(b, &again, sizeof(again));
    struct trace *t = builder_open(b);
    assert_int_equal(trace_endpoint_count(t), 5);
    for (uint32_t id = 5; id <= 9; id++)
        assert_int_equal(trace_endpoint_find(t, id)->id, id);
    trace_close(t);
    builder_free(b);
}

static void test_endpoint_kind_of_a_later_version(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    builder_endpoint(b, (enum endpoint_kind)99, (enum endpoint_role)99, "x");
    struct trace *t = builder_open(b);
    assert_int_equal(trace_endpoint_at(t, 0)->kind, ENDPOINT_OTHER);
    assert_int_equal(trace_endpoint_at(t, 0)->role, ROLE_NONE);
    trace_close(t);
    builder_free(b);
}

static void test_code_and_notes(void **state)
{
    (void)state;
    struct trace *t = sample_open();
    const struct trace_code *view = trace_code_find(t, 1);
    assert_string_equal(view->name, "View.get");
    assert_string_equal(view->file, "/srv/app/views.py");
    assert_int_equal(view->first_line, 30);
    assert_int_equal(view->version, 0x030b);
    assert_int_equal(view->linetable_size, 5);
    assert_memory_equal(view->linetable, "\x80\x00\xd8\x04\x10", 5);
    assert_int_equal(trace_code_find(t, 2)->linetable_size, 0);
    assert_null(trace_code_find(t, 3));
    assert_int_equal(trace_note_count(t), 1);
    assert_string_equal(trace_note_at(t, 0)->text, "Python 3.99 is not known: native frames only");
    assert_int_equal(trace_note_at(t, 0)->severity, 1);
    assert_null(trace_note_at(t, 1));
    trace_close(t);
}

static void expect_text(const char *recorded, const char *shown)
{
    struct trace_builder *b = builder_new(1);
    builder_endpoint(b, ENDPOINT_FILE, ROLE_NONE, recorded);
    struct trace *t = builder_open(b);
    assert_string_equal(trace_endpoint_at(t, 0)->text, shown);
    trace_close(t);
    builder_free(b);
}

static void test_text_is_printable_utf8(void **state)
{
    (void)state;
    expect_text("plain ~", "plain ~");
    expect_text("a\nb\x1b[31m\x7f", "a?b?[31m?");
    expect_text("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8d", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8d");
    expect_text(
        "\xc2\x9b"
        "31m",
        "??31m");                                             /* CSI as a C1 control */
    expect_text("cut \xe2\x82", "cut ??");                    /* ends inside a character */
    expect_text("\xc0\xaf \xe0\x80\xaf", "?? ???");           /* overlong */
    expect_text("\xed\xa0\x80 \xf4\x90\x80\x80", "??? ????"); /* surrogate, beyond U+10FFFF */
    expect_text("\xff\x80", "??");
}

static void test_thread_name_without_end(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    memcpy(builder_thread(b, 5, "", 0)->name, "0123456789abcd\x01xyz", 16);
    struct trace *t = builder_open(b);
    assert_string_equal(trace_thread_at(t, 0)->slot->name, "0123456789abcd?");
    trace_close(t);
    builder_free(b);
}

/* Where the process was killed, the end is the latest time found: in each of the places that may hold it. */
static void expect_end(struct trace_builder *b, uint64_t end_ns)
{
    struct trace *t = builder_open(b);
    assert_false(trace_info(t)->ended);
    assert_int_equal(trace_info(t)->state, TRACE_RECORDING);
    assert_int_equal(trace_info(t)->end_mono_ns, end_ns);
    trace_close(t);
}

static void test_killed(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    expect_end(b, BUILDER_START);
    builder_wait(b, 5, BUILDER_START + 10, 5, 40, 0, 0, 0);
    expect_end(b, BUILDER_START + 15);
    builder_turn(b, 5, BUILDER_START + 10, 20, 0);
    expect_end(b, BUILDER_START + 30);
    builder_time(b, BUILDER_START + 40);
    builder_fork(b, 3);
    expect_end(b, BUILDER_START + 40);
    builder_count(b, 5, BUILDER_START + 41, 4, 2, 40, 0, 0);
    expect_end(b, BUILDER_START + 49);
    builder_site(b, 5, 7)->last_ns = BUILDER_START + 60;
    builder_site(b, 5, 7)->first_ns = BUILDER_START;
    expect_end(b, BUILDER_START + 60);
    builder_thread(b, 6, "six", 0)->end_ns = BUILDER_START + 70;
    expect_end(b, BUILDER_START + 70);
    builder_thread(b, 7, "seven", 0)->cpu_last_at_ns = BUILDER_START + 80;
    expect_end(b, BUILDER_START + 80);
    builder_free(b);
}

static void test_command_line_of_full_length(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    struct trace_header *h = builder_header(b);
    memset(h->cmdline, 'x', sizeof(h->cmdline));
    memset(h->exe, 'y', sizeof(h->exe));
    struct trace *t = builder_open(b);
    assert_int_equal(strlen(trace_info(t)->cmdline), sizeof(h->cmdline));
    assert_int_equal(strlen(trace_info(t)->exe), sizeof(h->exe));
    trace_close(t);
    builder_free(b);
}

static void test_calls(void **state)
{
    (void)state;
    assert_string_equal(trace_call_name(40), "poll");
    assert_int_equal(trace_call_category(40), CALL_READY);
    assert_int_equal(trace_call_category(1), CALL_SOCKET);
    assert_null(trace_call_name(0));
    assert_null(trace_call_name(65535));
    assert_int_equal(trace_call_category(65535), CALL_UNKNOWN);
    assert_int_equal(trace_call_category(14), CALL_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_process),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_counters_of_several_segments),
        cmocka_unit_test(test_slot_without_thread_is_left_out),
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_endpoint_numbers_out_of_order),
        cmocka_unit_test(test_endpoint_kind_of_a_later_version),
        cmocka_unit_test(test_code_and_notes),
        cmocka_unit_test(test_text_is_printable_utf8),
        cmocka_unit_test(test_thread_name_without_end),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_command_line_of_full_length),
        cmocka_unit_test(test_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
