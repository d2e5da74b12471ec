/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/scene.h"

#define PID 100

/* A loop thread in a process of its own: shares of ten seconds that it was idle and blocked. */
static struct trace_builder *loop_process(uint32_t pid, uint32_t cpus, uint64_t idle_percent, uint64_t blocked_percent)
{
    struct trace_builder *b = scene_process(pid);
    uint32_t stack = scene_stack(b, PC_EPOLL_LOOP, PC_MAIN);
    builder_header(b)->cpus = cpus;
    scene_loop(b, pid, PC_EPOLL_LOOP, C_EPOLL, stack, 0, 10 * SEC, 100, idle_percent * MS);
    if (blocked_percent > 0) {
        uint32_t peer = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "10.0.0.7:5432");
        scene_waits(b, pid, C_RECV, peer, scene_stack(b, PC_HANDLE, PC_EPOLL_LOOP), 0, 100, blocked_percent * MS,
                    idle_percent * MS, 10 * SEC - 100 * MS);
    }
    builder_end(b, T0 + 10 * SEC, 0);
    return b;
}

static void assert_verdict(struct scene scene, const char *expected)
{
    assert_string_equal(scene.report->verdict, expected);
    scene_end(&scene);
}

static void verdict_blocked(void **state)
{
    (void)state;
    assert_verdict(
        scene_run(NULL, loop_process(PID, 8, 5, 80), NULL),
        "The event loop is blocked below full CPU: the epoll loop of program[100] waits 80 % of its time outside "
        "its own wait, mostly in program for 10.0.0.7:5432; on CPU 15 %, idle 5.0 %.");
    assert_verdict(
        scene_run(NULL, loop_process(PID, 8, 50, 1), loop_process(PID + 1, 8, 40, 30), NULL),
        "1 of 2 event loops is blocked below full CPU: the epoll loop of program[101] waits 30 % of its time "
        "outside its own wait, mostly in program for 10.0.0.7:5432; on CPU 30 %, idle 40 %.");
}

static void verdict_saturated(void **state)
{
    (void)state;
    assert_verdict(
        scene_run(NULL, loop_process(PID, 8, 2, 0), loop_process(PID + 1, 8, 3, 0), NULL),
        "2 of 2 event loops are on CPU (nearly) all the time (the epoll loop of program[100]: 98 %) while the "
        "machine has 8 CPUs: too few workers, or too much work in each.");
    assert_verdict(
        scene_run(NULL, loop_process(PID, 2, 2, 0), loop_process(PID + 1, 2, 3, 0), NULL),
        "2 of 2 event loops are on CPU (nearly) all the time (the epoll loop of program[100]: 98 %), as many as "
        "the machine has CPUs (2): make the work cheaper or add machines.");
}

static void verdict_idle(void **state)
{
    (void)state;
    assert_verdict(
        scene_run(NULL, loop_process(PID, 8, 90, 0), NULL),
        "No event loop is the bottleneck: the epoll loop of program[100] is the busiest of 1 and idle 90 % of the "
        "time. Look elsewhere: callers, network, services behind.");
    assert_verdict(scene_run(NULL, loop_process(PID, 8, 90, 5), NULL),
                   "The event loops have time left (the epoll loop of program[100] is idle 90 % of the time), but some "
                   "requests wait for what is found below.");
}

static void verdict_starved(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(1);
    struct trace_thread_slot *slot = builder_thread(b, PID, "loop", T0);
    scene_loop(b, PID, PC_EPOLL_LOOP, C_EPOLL, scene_stack(b, PC_EPOLL_LOOP), 0, 10 * SEC, 100, MS);
    slot->cpu_first_at_ns = T0;
    slot->cpu_last_at_ns = T0 + 10 * SEC;
    slot->cpu_last_ns = SEC;
    builder_end(b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, b, NULL);
    assert_non_null(strstr(scene.report->verdict, "is idle 1.0 % of its time and on CPU 10 %"));
    scene_end(&scene);
}

static void verdict_without_loop(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t peer = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "10.0.0.7:5432");
    scene_waits(b, PID, C_RECV, peer, 0, 0, 100, 20 * MS, 0, 9 * SEC);
    assert_verdict(scene_run(NULL, b, NULL),
                   "No event loop was found in 1 process; the threads waited longest for "
                   "10.0.0.7:5432: 2.00 s in 100 calls.");
    assert_verdict(scene_run(NULL, scene_process(1), scene_process(2), NULL),
                   "No event loop was found in 2 processes.");
}

static void endpoints_add_up_over_processes(void **state)
{
    (void)state;
    struct trace_builder *list[2];
    for (int i = 0; i < 2; i++) {
        struct trace_builder *b = list[i] = scene_process((uint32_t)(PID + i));
        uint32_t peer = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:3306");
        uint32_t client = builder_endpoint(b, ENDPOINT_INET, ROLE_SERVER, "127.0.0.1:50000");
        uint32_t file = builder_endpoint(b, ENDPOINT_FILE, ROLE_NONE, "/etc/hosts");
        uint32_t socket = builder_endpoint(b, ENDPOINT_UNIX, ROLE_CLIENT, "/run/db.sock");
        builder_count(b, PID + i, T0, MS, 3, C_CONNECT, peer, 0)->failed = 1;
        builder_count(b, PID + i, T0, MS, 10, C_SEND, peer, 0)->bytes = 1000;
        builder_count(b, PID + i, T0, 5 * MS, 10, C_RECV, peer, 0)->bytes = 20000;
        builder_count(b, PID + i, T0, 5 * MS, 10, C_RECV, client, WAIT_SERVER_SIDE);
        builder_count(b, PID + i, T0, 5 * MS, 10, C_READ, file, 0);
        builder_count(b, PID + i, T0, MS, 1, C_RECV, socket, 0);
    }
    struct scene scene = scene_run(NULL, list[0], list[1], NULL);
    assert_int_equal(scene.report->endpoint_count, 2);
    const struct endpoint *e = &scene.report->endpoints[0];
    assert_string_equal(e->peer.address, "127.0.0.1:3306");
    assert_int_equal(e->connects, 4);
    assert_int_equal(e->calls, 46);
    assert_int_equal(e->wait_ns, 2 * (3 + 10 + 50) * MS);
    assert_int_equal(e->bytes_out, 2000);
    assert_int_equal(e->bytes_in, 40000);
    assert_string_equal(scene.report->endpoints[1].peer.family, "unix");
    scene_end(&scene);
}

static void processes_and_loss(void **state)
{
    (void)state;
    struct trace_builder *ended = scene_process(1), *killed = scene_process(2), *disabled = scene_process(3);
    builder_end(ended, T0 + SEC, 0);
    builder_header(ended)->lost[TRACE_LOST_OVERWRITTEN] = 5;
    builder_header(killed)->lost[TRACE_LOST_OVERWRITTEN] = 7;
    builder_header(disabled)->state = TRACE_DISABLED;
    builder_header(disabled)->reason = TRACE_REASON_SECCOMP;
    builder_note(disabled, 1, "the recorder stopped");
    builder_note(killed, 1, "the recorder stopped");
    builder_thread(killed, 22, "worker", T0);
    struct scene scene = scene_run(NULL, ended, killed, disabled, NULL);
    const struct process_row *rows = scene.report->processes;
    assert_int_equal(scene.report->process_count, 3);
    assert_string_equal(rows[0].state, "finished");
    assert_int_equal(rows[0].end_real_ns, BUILDER_START_REAL + SEC);
    assert_string_equal(rows[1].state, "not ended"); /* the builder's boot is not this one */
    assert_int_equal(rows[1].threads, 2);
    assert_non_null(strstr(rows[2].state, "seccomp"));
    assert_int_equal(scene.report->lost[TRACE_LOST_OVERWRITTEN], 12);
    assert_int_equal(scene.report->warning_count, 1); /* said twice, shown once */
    assert_string_equal(scene.report->warnings[0], "the recorder stopped");
    scene_end(&scene);
}

static const char *name_of(const char *exe, const char *comm, const char *cmdline, char *buffer)
{
    struct trace_builder *b = scene_process(1);
    builder_process(b, exe, comm, cmdline);
    struct scene scene = scene_run(NULL, b, NULL);
    strcpy(buffer, scene.report->processes[0].info.name);
    scene_end(&scene);
    return buffer;
}

static void processes_have_the_name_that_people_know(void **state)
{
    (void)state;
    char name[1024];
    assert_string_equal(name_of("/usr/bin/redis-check-rdb", "redis-server", "redis-server *:6379", name),
                        "redis-server");
    assert_string_equal(name_of("/usr/bin/python3.11", "python3", "/usr/bin/python3 app.py", name), "python3");
    assert_string_equal(name_of("/usr/bin/python3.11", "gunicorn", "/usr/bin/python3 /usr/bin/gunicorn -w 2", name),
                        "gunicorn");
    assert_string_equal(name_of("/opt/a-name-that-is-too-long", "a-name-that-is-", "x", name),
                        "a-name-that-is-too-long");
    assert_string_equal(name_of("/usr/bin/server", "worker/3", "server -d", name), "server"); /* forked by a thread */
    assert_string_equal(name_of("/usr/bin/server", "", "", name), "server");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdict_blocked),      cmocka_unit_test(verdict_saturated),
        cmocka_unit_test(verdict_idle),         cmocka_unit_test(verdict_starved),
        cmocka_unit_test(verdict_without_loop), cmocka_unit_test(endpoints_add_up_over_processes),
        cmocka_unit_test(processes_and_loss),   cmocka_unit_test(processes_have_the_name_that_people_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
