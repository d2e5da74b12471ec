/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/scene.h"

#define PID 100

static struct scene run_ended(struct trace_builder *b)
{
    builder_end(b, T0 + 10 * SEC, 0);
    return scene_run(NULL, b, NULL);
}

/* The kind that one loop site in the main thread is taken for; "" no loop. */
static void assert_kind(struct trace_builder *b, const char *kind)
{
    struct scene scene = run_ended(b);
    assert_int_equal(scene.report->loop_count, kind[0] ? 1 : 0);
    if (kind[0])
        assert_string_equal(scene.report->loops[0].kind, kind);
    scene_end(&scene);
}

static struct trace_builder *one_loop(uint64_t pc, uint16_t call, uint64_t waits, uint32_t max_fds)
{
    struct trace_builder *b = scene_process(PID);
    uint32_t waitset = scene_loop(b, PID, pc, call, scene_stack(b, pc), 100 * MS, 10 * SEC, waits, 10 * MS);
    builder_site(b, PID, waitset)->max_fds = max_fds;
    return b;
}

static void kinds_are_told_apart(void **state)
{
    (void)state;
    struct trace_builder *gevent = scene_process(PID);
    scene_gevent(gevent, PID, 100 * MS, 10 * SEC, 10 * MS);
    assert_kind(gevent, "gevent");
    assert_kind(one_loop(PC_LIBEV, C_EPOLL, 10, 5), "libev");
    assert_kind(one_loop(PC_NODE, C_EPOLL, 10, 5), "node");
    assert_kind(one_loop(PC_EPOLL_LOOP, C_EPOLL, 10, 5), "epoll");
    assert_kind(one_loop(PC_EPOLL_LOOP, C_POLL, 10, 5), "poll");
    assert_kind(one_loop(PC_EPOLL_LOOP, C_SELECT, 10, 5), "select");
    assert_kind(one_loop(PC_UNKNOWN_LIB, C_EPOLL, 10, 5), "epoll");
}

static void what_is_no_loop(void **state)
{
    (void)state;
    assert_kind(one_loop(PC_EPOLL_LOOP, C_POLL, 10, 1), ""); /* one descriptor */
    assert_kind(one_loop(PC_EPOLL_LOOP, C_EPOLL, 3, 5), ""); /* two turns */
    assert_kind(one_loop(PC_EPOLL_LOOP, C_EPOLL, 4, 2), "epoll");
    assert_kind(one_loop(PC_POSTGRES, C_EPOLL, 100, 3), "");   /* serves one connection */
    assert_kind(one_loop(PC_MEMCACHED_C, C_POLL, 100, 3), ""); /* a driver */
    assert_kind(one_loop(PC_UNKNOWN_LIB, C_POLL, 100, 3), ""); /* most likely a driver */
    assert_kind(one_loop(PC_LIBEV, C_EPOLL, 100, 1), "libev"); /* known, whatever it watches */
}

static void polls_at_start_up_are_no_loop(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    scene_loop(b, PID, PC_EPOLL_LOOP, C_POLL, scene_stack(b, PC_EPOLL_LOOP), 0, 9 * MS, 10, 100 * US);
    assert_kind(b, "");
}

/* Neither idle nor on CPU nor blocked: stopped, or without a CPU. */
static void loop_without_cpu_is_not_saturated(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    struct trace_thread_slot *slot = builder_thread(b, 101, "loop", T0);
    scene_loop(b, 101, PC_EPOLL_LOOP, C_EPOLL, scene_stack(b, PC_EPOLL_LOOP), SEC, 9 * SEC, 101, MS);
    slot->cpu_first_at_ns = T0;
    slot->cpu_last_at_ns = T0 + 10 * SEC;
    slot->cpu_last_ns = 100 * MS;
    struct scene scene = run_ended(b);
    assert_int_equal(scene.report->loops[0].verdict, LOOP_IDLE);
    scene_end(&scene);
}

static struct trace_builder *python_loop(uint64_t frame)
{
    struct trace_builder *b = scene_process(PID);
    builder_process(b, "/usr/bin/python3.11", "python3", "python3 app.py");
    scene_loop(b, PID, PC_PYTHON_SELECT, C_EPOLL, scene_stack(b, PC_PYTHON_SELECT, PC_SELECTORS, frame, PC_VIEW_GET),
               100 * MS, 10 * SEC, 50, 20 * MS);
    return b;
}

static void python_frames_tell(void **state)
{
    (void)state;
    assert_kind(python_loop(PC_ASYNCIO), "asyncio");
    assert_kind(python_loop(PC_COMMUNICATE), "");
    assert_kind(python_loop(PC_VIEW_GET), "epoll"); /* a loop of the user's own */
}

/* A loop whose callbacks block all the time never waits long enough for events itself to be recorded with a stack. */
static struct trace_builder *blocked_python_loop(uint64_t frame)
{
    struct trace_builder *b = scene_process(PID);
    builder_process(b, "/usr/bin/python3.11", "python3", "python3 app.py");
    uint32_t waitset = builder_waitset(b, PC_PYTHON_SELECT, 0);
    uint32_t stack = scene_stack(b, PC_PYTHON_POLL, PC_SELECTORS, PC_COMMUNICATE, PC_VIEW_GET, frame, PC_MAIN);
    uint32_t pipe_end = builder_endpoint(b, ENDPOINT_PIPE, ROLE_NONE, NULL);
    scene_waits(b, PID, C_READ, pipe_end, stack, 0, 50, 100 * MS, 100 * MS, 9 * SEC);
    builder_turns(b, PID, 100 * MS, 50, waitset);
    struct trace_site *site = builder_site(b, PID, waitset);
    site->waits = 51;
    site->max_fds = 5;
    site->first_ns = T0 + 100 * MS;
    site->last_ns = T0 + 9 * SEC;
    return b;
}

static void callbacks_tell_when_the_loop_never_waits(void **state)
{
    (void)state;
    assert_kind(blocked_python_loop(PC_ASYNCIO), "asyncio");
    assert_kind(blocked_python_loop(PC_VIEW_GET), "epoll");
}

/* asyncio's thread also waits for child processes, even longer than for events. */
static void own_site_is_not_the_longest_wait(void **state)
{
    (void)state;
    struct trace_builder *b = python_loop(PC_ASYNCIO);
    uint32_t stack = scene_stack(b, PC_PYTHON_POLL, PC_SELECTORS, PC_COMMUNICATE, PC_VIEW_GET, PC_ASYNCIO);
    scene_loop(b, PID, PC_PYTHON_POLL, C_POLL, stack, SEC, 9 * SEC, 20, 200 * MS);
    struct scene scene = run_ended(b);
    assert_int_equal(scene.report->loop_count, 1);
    assert_string_equal(scene.report->loops[0].kind, "asyncio");
    assert_int_equal(scene.report->loops[0].idle_ns, SEC);
    assert_int_equal(scene.report->loops[0].blocked_ns, 4 * SEC);
    assert_int_equal(scene_count(&scene, "non-yielding-io"), 1);
    scene_end(&scene);
}

static void same_function_is_the_same_loop(void **state)
{
    (void)state;
    struct trace_builder *b = one_loop(PC_EPOLL_LOOP, C_EPOLL, 50, 5);
    uint32_t stack = scene_stack(b, PC_LOOP_AGAIN, PC_MAIN);
    scene_loop(b, PID, PC_LOOP_AGAIN, C_EPOLL, stack, SEC, 9 * SEC, 20, 100 * MS);
    struct scene scene = run_ended(b);
    assert_int_equal(scene.report->loops[0].idle_ns, 500 * MS + 2 * SEC);
    assert_int_equal(scene.report->loops[0].blocked_ns, 0);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);
}

/* A loop in an epoll set of its own: `waits` times 10 ms from `first` to `last`. */
static void epoll_loop(struct trace_builder *b, const char *set, uint64_t first, uint64_t last, uint64_t waits)
{
    uint32_t id = builder_epoll_set(b, PC_LIBEV, 0, set), stack = scene_stack(b, PC_LIBEV, PC_MAIN);
    uint64_t step = (last - first - 10 * MS) / (waits - 1);
    for (uint64_t i = 0; i < waits; i++)
        builder_wait(b, PID, T0 + first + i * step, 10 * MS, C_EPOLL, id, stack, WAIT_WAITSET);
    builder_turns(b, PID, step - 10 * MS, waits - 1, id);
}

static void epoll_sets_in_turn_are_one_loop(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID); /* the library made its set anew, as after fork */
    epoll_loop(b, "epoll 5", 100 * MS, 4 * SEC, 50);
    epoll_loop(b, "epoll 6", 5 * SEC, 10 * SEC, 100);
    struct scene scene = run_ended(b);
    assert_int_equal(scene.report->loops[0].idle_ns, 1500 * MS);
    assert_int_equal(scene.report->loops[0].blocked_ns, 0);
    scene_end(&scene);
}

static void epoll_set_inside_another_blocks_it(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID); /* the inner one waits more often, and longer in all */
    epoll_loop(b, "epoll 5", 100 * MS, 10 * SEC, 50);
    epoll_loop(b, "epoll 6", 200 * MS, 9 * SEC, 200);
    struct scene scene = run_ended(b);
    assert_int_equal(scene.report->loops[0].idle_ns, 500 * MS);
    assert_int_equal(scene.report->loops[0].blocked_ns, 2 * SEC);
    assert_int_equal(scene_count(&scene, "non-yielding-io"), 1);
    scene_end(&scene);
}

static void times_of_a_loop(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t database = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:3306");
    uint32_t cache = builder_endpoint(b, ENDPOINT_INET6, ROLE_CLIENT, "[::1]:11211");
    uint32_t query = scene_stack(b, PC_MARIADB, PC_MYSQL_C, PC_VIEW_GET);
    uint32_t get = scene_stack(b, PC_MEMCACHED_C, PC_VIEW_GET);
    scene_gevent(b, PID, 2 * SEC, 10 * SEC, 40 * MS);
    scene_waits(b, PID, C_POLL, database, query, 0, 10, 100 * MS, SEC, 2 * SEC - 100 * MS); /* before the loop */
    scene_waits(b, PID, C_POLL, database, query, 0, 20, 80 * MS, 3 * SEC, 9 * SEC);
    scene_waits(b, PID, C_RECV, cache, get, 0, 100, 4 * MS, 3 * SEC, 9 * SEC);
    struct scene scene = run_ended(b);
    assert_int_equal(scene.report->loop_count, 1);
    const struct loop *loop = &scene.report->loops[0];
    assert_int_equal(loop->wall_ns, 8 * SEC);
    assert_int_equal(loop->idle_ns, 4040 * MS);
    assert_int_equal(loop->blocked_ns, 2000 * MS);
    assert_int_equal(loop->oncpu_ns, 1960 * MS); /* nothing measured: the rest */
    assert_int_equal(loop->turns, 100);
    assert_near(loop->turn_p99_ns, 40 * MS, 0.05);
    assert_int_equal(loop->verdict, LOOP_BLOCKED);
    assert_int_equal(loop->blocked_by_count, 2);
    assert_string_equal(loop->blocked_by[0].module, "libmariadb.so.3");
    assert_string_equal(loop->blocked_by[0].peer->address, "127.0.0.1:3306");
    assert_int_equal(loop->blocked_by[0].total_ns, 1600 * MS);
    assert_int_equal(loop->blocked_by[0].count, 20);
    assert_string_equal(loop->blocked_by[1].peer->family, "inet6");
    scene_end(&scene);
}

static uint64_t oncpu_with(uint64_t cpu_ns)
{
    struct trace_builder *b = scene_process(PID);
    struct trace_thread_slot *slot = builder_thread(b, 101, "loop", T0);
    scene_loop(b, 101, PC_EPOLL_LOOP, C_EPOLL, scene_stack(b, PC_EPOLL_LOOP), SEC, 9 * SEC, 101, 40 * MS);
    slot->cpu_first_at_ns = T0;
    slot->cpu_last_at_ns = T0 + 10 * SEC;
    slot->cpu_last_ns = cpu_ns;
    struct scene scene = run_ended(b);
    assert_int_equal(scene.report->loop_count, 1);
    uint64_t oncpu = scene.report->loops[0].oncpu_ns;
    scene_end(&scene);
    return oncpu;
}

static void cpu_time_is_scaled_and_limited(void **state)
{
    (void)state;
    assert_near(oncpu_with(SEC), 800 * MS, 0.0001);                     /* 10 % */
    assert_near(oncpu_with(10 * SEC), 8 * SEC - 101 * 40 * MS, 0.0001); /* more than was left: the start-up's */
}

static void pool_threads_are_no_loops(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t stack = scene_stack(b, PC_JVM, PC_MAIN);
    scene_waits(b, PID, C_JOIN, 0, stack, 0, 1, 9 * SEC, 0, 9 * SEC);
    builder_thread(b, 101, "pool", T0);
    scene_waits(b, 101, C_COND, 0, stack, 0, 80, 100 * MS, 0, 9 * SEC);
    assert_kind(b, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_told_apart),
        cmocka_unit_test(what_is_no_loop),
        cmocka_unit_test(polls_at_start_up_are_no_loop),
        cmocka_unit_test(loop_without_cpu_is_not_saturated),
        cmocka_unit_test(python_frames_tell),
        cmocka_unit_test(callbacks_tell_when_the_loop_never_waits),
        cmocka_unit_test(own_site_is_not_the_longest_wait),
        cmocka_unit_test(same_function_is_the_same_loop),
        cmocka_unit_test(epoll_sets_in_turn_are_one_loop),
        cmocka_unit_test(epoll_set_inside_another_blocks_it),
        cmocka_unit_test(times_of_a_loop),
        cmocka_unit_test(cpu_time_is_scaled_and_limited),
        cmocka_unit_test(pool_threads_are_no_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
