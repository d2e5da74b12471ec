/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/scene.h"

#include "analysis/model.h"

#define PID 100

/* The model of one recording, after its whole stream. */
struct run {
    struct session *session;
    struct symbols *symbols;
    struct arena *arena;
    struct model *model;
    struct analysis_options options;
};

static struct run run_new(struct trace_builder *b)
{
    struct run run;
    char path[] = "/tmp/cprobe-waits-XXXXXX", error[256];
    const char *paths[] = {path};
    const union trace_event *event;
    struct source *source;
    close(mkstemp(path));
    assert_int_equal(builder_write(b, path), 0);
    builder_free(b);
    assert_int_equal(session_open(paths, 1, 0, &run.session, error, sizeof(error)), 0);
    unlink(path);
    analysis_options_init(&run.options);
    run.symbols = symbols_new();
    run.arena = arena_new();
    run.model = model_new(run.session, run.symbols, &run.options, run.arena);
    session_rewind(run.session);
    while ((source = session_next(run.session, &event)))
        model_event(run.model, source, event);
    model_finish(run.model);
    return run;
}

static void run_free(struct run *run)
{
    model_free(run->model);
    arena_free(run->arena);
    symbols_free(run->symbols);
    session_close(run->session);
}

static const struct wait_row *row_of_stack(const struct run *run, uint32_t stack)
{
    const struct wait_row *found = NULL;
    for (size_t i = 0; i < run->model->waits.count; i++) {
        if (run->model->waits.rows[i].stack == stack) {
            assert_null(found);
            found = &run->model->waits.rows[i];
        }
    }
    assert_non_null(found);
    return found;
}

static void samples_are_calibrated_to_the_counter(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t peer = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "10.0.0.1:80");
    uint32_t parse = scene_stack(b, PC_PARSE), render = scene_stack(b, PC_RENDER);
    builder_wait(b, PID, T0, 2 * MS, C_RECV, peer, parse, 0)->weight = 3;
    builder_wait(b, PID, T0 + 10 * MS, 6 * MS, C_RECV, peer, render, 0)->weight = 1;
    builder_count(b, PID, T0 + 20 * MS, MS, 40, C_RECV, peer, 0); /* in all: 42 waits, 48 ms */
    struct run run = run_new(b);
    assert_int_equal(run.model->waits.count, 2);
    const struct wait_row *row = row_of_stack(&run, parse);
    assert_near(row->total_ns, 24 * MS, 1e-9); /* 6 ms of 12 ms sampled */
    assert_near(row->count, 42 * 3 / 4.0, 1e-9);
    assert_int_equal(row->max_ns, 2 * MS);
    assert_int_equal(row->samples, 1);
    row = row_of_stack(&run, render);
    assert_near(row->total_ns, 24 * MS, 1e-9);
    run_free(&run);
}

static void counters_without_samples_have_a_row(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t peer = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "10.0.0.1:80");
    builder_count(b, PID, T0 + 20 * MS, MS, 40, C_RECV, peer, 0);
    struct run run = run_new(b);
    const struct wait_row *row = row_of_stack(&run, 0);
    assert_near(row->total_ns, 40 * MS, 1e-9);
    assert_near(row->count, 40, 1e-9);
    assert_int_equal(row->max_ns, MS);
    assert_int_equal(row->first_ns, T0 + 20 * MS);
    run_free(&run);
}

static void lost_stacks_do_not_hide_known_ones(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t peer = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "10.0.0.1:80");
    uint32_t parse = scene_stack(b, PC_PARSE);
    builder_wait(b, PID, T0, 4 * MS, C_RECV, peer, parse, 0);
    builder_wait(b, PID, T0 + 10 * MS, 8 * MS, C_RECV, peer, 0, WAIT_NO_STACK);
    struct run run = run_new(b);
    assert_near(row_of_stack(&run, parse)->total_ns, 12 * MS, 1e-9);
    assert_int_equal(row_of_stack(&run, parse)->max_ns, 8 * MS); /* the counter knows of it */
    assert_true(row_of_stack(&run, 0)->total_ns == 0);
    run_free(&run);
}

static void overwritten_maximum_is_kept(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t parse = scene_stack(b, PC_PARSE);
    builder_wait(b, PID, T0 + SEC, 4 * MS, C_SLEEP, 0, parse, 0);
    builder_count(b, PID, T0, 300 * MS, 1, C_SLEEP, 0, 0);
    struct run run = run_new(b);
    assert_int_equal(row_of_stack(&run, parse)->max_ns, 300 * MS);
    assert_int_equal(row_of_stack(&run, parse)->max_at_ns, 0);
    assert_int_equal(row_of_stack(&run, parse)->first_ns, T0);
    run_free(&run);
}

static void loop_waits_are_not_rows(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    scene_loop(b, PID, PC_EPOLL_LOOP, C_EPOLL, scene_stack(b, PC_EPOLL_LOOP), 0, SEC, 50, 10 * MS);
    struct run run = run_new(b);
    assert_int_equal(run.model->waits.count, 0);
    assert_string_equal(run.model->processes[0].threads[0].loop_kind, "epoll");
    run_free(&run);
}

static void phases_split_a_counter(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t parse = scene_stack(b, PC_PARSE), before = 0, during = 0;
    scene_loop(b, PID, PC_EPOLL_LOOP, C_EPOLL, scene_stack(b, PC_EPOLL_LOOP), SEC, 2 * SEC, 50, MS);
    scene_waits(b, PID, C_SLEEP, 0, parse, 0, 10, 5 * MS, 0, 900 * MS);
    scene_waits(b, PID, C_SLEEP, 0, parse, 0, 30, 5 * MS, SEC + MS, 2 * SEC - 10 * MS);
    struct run run = run_new(b);
    for (size_t i = 0; i < run.model->waits.count; i++) {
        const struct wait_row *row = &run.model->waits.rows[i];
        if (row->phase == PHASE_BEFORE)
            before += (uint32_t)(row->count + 0.5);
        else if (row->phase == PHASE_LOOP)
            during += (uint32_t)(row->count + 0.5);
    }
    assert_int_equal(before, 10);
    assert_int_equal(during, 30);
    run_free(&run);
}

/* An event whose slot has passed on to another thread belongs to the ended threads. */
static void waits_of_ended_threads(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    builder_thread(b, 0, "", T0);
    builder_wait(b, PID, T0, 4 * MS, C_SLEEP, 0, scene_stack(b, PC_PARSE), 0)->tid = 99;
    struct run run = run_new(b);
    const struct model_process *process = &run.model->processes[0];
    assert_int_equal(process->thread_count, 2);
    const struct wait_row *row = row_of_stack(&run, run.model->waits.rows[0].stack);
    assert_int_equal(row->thread->tid, 0);
    assert_string_equal(row->thread->name, "ended threads");
    run_free(&run);
}

static void full_counters_are_shared(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t parse = scene_stack(b, PC_PARSE), render = scene_stack(b, PC_RENDER);
    uint32_t first = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "10.0.0.1:80");
    uint32_t second = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "10.0.0.2:80");
    /* What the recorder writes when there was no room: the counter of the first became everybody's. */
    builder_wait(b, PID, T0, 4 * MS, C_RECV, first, parse, 0);
    builder_count(b, PID, T0, 4 * MS, 2, C_RECV, first, 0)->endpoint = ENDPOINT_OVERFLOW;
    struct event_wait *wait = builder_wait(b, PID, T0 + 10 * MS, 8 * MS, C_SLEEP, 0, render, 0);
    wait->endpoint = second;
    wait->call = C_RECV;
    struct run run = run_new(b);
    assert_near(row_of_stack(&run, parse)->total_ns, 4 * MS, 1e-9); /* 12 ms in the ratio 4 to 8 */
    assert_near(row_of_stack(&run, render)->total_ns, 8 * MS, 1e-9);
    run_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_calibrated_to_the_counter),
        cmocka_unit_test(counters_without_samples_have_a_row),
        cmocka_unit_test(lost_stacks_do_not_hide_known_ones),
        cmocka_unit_test(overwritten_maximum_is_kept),
        cmocka_unit_test(loop_waits_are_not_rows),
        cmocka_unit_test(phases_split_a_counter),
        cmocka_unit_test(waits_of_ended_threads),
        cmocka_unit_test(full_counters_are_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
