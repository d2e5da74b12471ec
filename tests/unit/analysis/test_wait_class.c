/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What waits of runtimes and frameworks are to the user: wait_class.c, own_call.c, loop_transport.c. */
#include "analysis/scene.h"

#define RULE "non-yielding-io"
#define PID 100

/* A gevent server that lives for ten seconds. */
struct server {
    struct trace_builder *b;
    uint32_t view;
};

static struct server server_new(uint32_t pid)
{
    struct server s = {.b = scene_process(pid)};
    scene_gevent(s.b, pid, 100 * MS, 10 * SEC, 50 * MS);
    s.view = scene_stack(s.b, PC_LIBC, PC_VIEW_GET, PC_GEVENT_HUB);
    return s;
}

static size_t findings_of(struct server *s)
{
    builder_end(s->b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, s->b, NULL);
    size_t count = scene.report->finding_count;
    scene_end(&scene);
    return count;
}

/* A Java server whose selector's thread waits 200 times 10 ms in the JVM, below `function`. */
static struct scene jvm_waits(uint64_t function)
{
    struct trace_builder *b = scene_process(PID);
    builder_process(b, "/usr/lib/jvm/java-17/bin/java", "java", "java Server");
    builder_module(b, 0x3000000, 0x3001000, 0x3000000, 0, "/usr/lib/jvm/java-17/lib/libnio.so", NULL, 0);
    scene_loop(b, PID, 0x3000100, C_EPOLL, scene_stack(b, 0x3000100, PC_JIT), 100 * MS, 10 * SEC, 101, 50 * MS);
    scene_waits(b, PID, C_COND, 0, scene_stack(b, PC_JVM, function, PC_JIT), 0, 200, 10 * MS, 200 * MS, 9 * SEC);
    builder_end(b, T0 + 10 * SEC, 0);
    return scene_run(NULL, b, NULL);
}

static void sleep_of_a_java_program_found(void **state)
{
    (void)state;
    struct scene scene = jvm_waits(PC_JVM_SLEEP);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_string_equal(f->title, "Thread.sleep blocks the nio loop for 20 % of the time");
    assert_string_equal(scene_evidence(f, "category")->string, "sleep");
    assert_int_equal(f->total_ns, 2 * SEC);
    scene_end(&scene);
    scene = jvm_waits(PC_JVM_MONITOR);
    f = scene_finding(&scene, RULE);
    assert_string_equal(f->title, "Object.wait blocks the nio loop for 20 % of the time");
    assert_string_equal(scene_evidence(f, "category")->string, "lock");
    scene_end(&scene);
}

static void wait_of_the_java_runtime_not_found(void **state)
{
    (void)state;
    struct scene scene = jvm_waits(PC_JVM);
    assert_int_equal(scene.report->finding_count, 0);
    assert_int_equal(scene.report->loops[0].blocked_ns, 2 * SEC);
    scene_end(&scene);
    scene = jvm_waits(PC_JIT); /* what made the call of the runtime's caller is not asked */
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);
}

static struct trace_builder *node_new(void)
{
    struct trace_builder *b = scene_process(PID);
    builder_process(b, "/usr/bin/node", "node", "node server.js");
    uint32_t set = builder_epoll_set(b, PC_NODE, 0, "epoll 10");
    uint32_t stack = scene_stack(b, PC_NODE, PC_JIT);
    for (uint64_t i = 0; i < 99; i++)
        builder_wait(b, PID, T0 + 100 * MS + i * 100 * MS, 50 * MS, C_EPOLL, set, stack, WAIT_WAITSET);
    builder_turns(b, PID, 50 * MS, 98, set);
    return b;
}

/* Node runs a second loop, by the same function, inside the first one's turn. */
static void nested_loop_of_node_found(void **state)
{
    (void)state;
    struct trace_builder *b = node_new();
    uint32_t set = builder_epoll_set(b, PC_NODE, 0, "epoll 23");
    uint32_t pipe = builder_endpoint(b, ENDPOINT_PIPE, ROLE_NONE, "pipe");
    uint32_t wait = scene_stack(b, PC_NODE, PC_NODE_SPAWN_SYNC, PC_JIT);
    uint32_t begin = scene_stack(b, PC_NODE_UV_SPAWN, PC_NODE_SPAWN_SYNC, PC_JIT);
    scene_waits(b, PID, C_EPOLL, set, wait, WAIT_WAITSET, 80, 20 * MS, 160 * MS, 8 * SEC);
    builder_turns(b, PID, 70 * MS, 79, set);
    scene_waits(b, PID, C_READ, pipe, begin, 0, 80, 4 * MS, 190 * MS, 8 * SEC);
    builder_end(b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, b, NULL);
    assert_int_equal(scene.report->loops[0].idle_ns, 99 * 50 * MS);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->total_ns, 80 * 24 * MS); /* what it begins with and what it waits for are one call */
    assert_non_null(strstr(f->title, "child_process.spawnSync blocks the node loop"));
    assert_non_null(strstr(f->remedy, "asynchronous"));
    scene_end(&scene);
}

/* Making a process is work, also where it ends in reading a pipe. */
static void spawn_not_found(void **state)
{
    (void)state;
    struct trace_builder *b = node_new();
    uint32_t pipe = builder_endpoint(b, ENDPOINT_PIPE, ROLE_NONE, "pipe");
    uint32_t spawn = scene_stack(b, PC_NODE_UV_SPAWN, PC_JIT);
    scene_waits(b, PID, C_READ, pipe, spawn, 0, 200, 10 * MS, 160 * MS, 8 * SEC);
    builder_end(b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, b, NULL);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);
    b = node_new();
    pipe = builder_endpoint(b, ENDPOINT_PIPE, ROLE_NONE, "pipe");
    uint32_t other = scene_stack(b, PC_NODE, PC_JIT);
    scene_waits(b, PID, C_READ, pipe, other, 0, 200, 10 * MS, 160 * MS, 8 * SEC);
    builder_end(b, T0 + 10 * SEC, 0);
    scene = scene_run(NULL, b, NULL);
    assert_int_equal(scene_count(&scene, RULE), 1);
    scene_end(&scene);
    struct server python = server_new(PID);
    pipe = builder_endpoint(python.b, ENDPOINT_PIPE, ROLE_NONE, "pipe");
    spawn = scene_stack(python.b, PC_LIBC, PC_EXECUTE_CHILD, PC_VIEW_GET, PC_GEVENT_HUB);
    scene_waits(python.b, PID, C_READ, pipe, spawn, 0, 200, 10 * MS, 160 * MS, 8 * SEC);
    assert_int_equal(findings_of(&python), 0);
}

/* 200 writes of `bytes` that took 10 ms each. */
static size_t findings_of_writes(enum endpoint_kind kind, int32_t bytes)
{
    struct server s = server_new(PID);
    uint32_t endpoint = builder_endpoint(s.b, kind, ROLE_NONE, "");
    for (uint64_t i = 0; i < 200; i++)
        builder_wait(s.b, PID, T0 + 200 * MS + i * 40 * MS, 10 * MS, C_WRITE, endpoint, s.view, 0)->result = bytes;
    return findings_of(&s);
}

/* A byte in a pipe wakes another thread, which may get the CPU at once. */
static void waking_a_thread_not_found(void **state)
{
    (void)state;
    assert_int_equal(findings_of_writes(ENDPOINT_PIPE, 1), 0);
    assert_int_equal(findings_of_writes(ENDPOINT_EVENTFD, 8), 0);
    assert_int_equal(findings_of_writes(ENDPOINT_PIPE, 200), 1); /* its reader is slow */
    assert_int_equal(findings_of_writes(ENDPOINT_UNIX, 1), 1);
}

/* 200 waits of 10 ms for one socket in `role`, by `call`. */
static size_t findings_of_socket(enum endpoint_role role, uint16_t call)
{
    struct server s = server_new(PID);
    uint32_t endpoint = builder_endpoint(s.b, ENDPOINT_INET, role, "127.0.0.1:80");
    scene_waits(s.b, PID, call, endpoint, s.view, 0, 200, 10 * MS, 200 * MS, 9 * SEC);
    return findings_of(&s);
}

static void listener_without_clients_not_found(void **state)
{
    (void)state;
    assert_int_equal(findings_of_socket(ROLE_LISTENER, C_POLL), 0);
    assert_int_equal(findings_of_socket(ROLE_SERVER, C_POLL), 1);
    assert_int_equal(findings_of_socket(ROLE_LISTENER, C_RECV), 1); /* whatever it is, it is not that */
}

static size_t findings_of_closes(uint64_t count, uint64_t duration)
{
    struct server s = server_new(PID);
    scene_waits(s.b, PID, C_CLOSE, 0, s.view, 0, count, duration, 200 * MS, 9 * SEC);
    return findings_of(&s);
}

static void few_slow_closes_not_found(void **state)
{
    (void)state;
    assert_int_equal(findings_of_closes(4, 90 * MS), 0);
    assert_int_equal(findings_of_closes(40, 9 * MS), 1); /* each waits for the other side */
    assert_int_equal(findings_of_closes(1, 150 * MS), 1);
}

/* A task queue's worker waits 200 times 1 ms for its broker, below `caller`. */
static size_t findings_of_worker(uint64_t caller)
{
    struct trace_builder *b = scene_process(PID);
    builder_process(b, "/usr/bin/python3.11", "python3", "python3 -m celery worker");
    uint32_t broker = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:6379");
    uint32_t loop = scene_stack(b, PC_PYTHON_SELECT, PC_KOMBU_LOOP),
             wait = scene_stack(b, PC_LIBC, caller, PC_KOMBU_LOOP);
    scene_loop(b, PID, PC_PYTHON_SELECT, C_EPOLL, loop, 100 * MS, 10 * SEC, 101, 50 * MS);
    scene_waits(b, PID, C_RECV, broker, wait, 0, 200, 5 * MS, 200 * MS, 9 * SEC);
    builder_end(b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, b, NULL);
    assert_string_equal(scene.report->loops[0].kind, "kombu");
    size_t count = scene.report->finding_count;
    scene_end(&scene);
    return count;
}

static void connection_that_a_loop_serves_not_found(void **state)
{
    (void)state;
    assert_int_equal(findings_of_worker(PC_KOMBU_TRANSPORT), 0);
    assert_int_equal(findings_of_worker(PC_VIEW_GET), 1); /* a task's own */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sleep_of_a_java_program_found),      cmocka_unit_test(wait_of_the_java_runtime_not_found),
        cmocka_unit_test(nested_loop_of_node_found),          cmocka_unit_test(spawn_not_found),
        cmocka_unit_test(waking_a_thread_not_found),          cmocka_unit_test(connection_that_a_loop_serves_not_found),
        cmocka_unit_test(listener_without_clients_not_found), cmocka_unit_test(few_slow_closes_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
