/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recordings of one process from inside and through the kernel are one stream: what each kernel's wait becomes. */
#include <sys/syscall.h>

#include "analysis/scene.h"

#define PID 100
#define WORKER 101
#define PC_RECORDER 0x4000000
#define DATABASE "127.0.0.1:3306"

/* A gevent loop in thread PID for 10 s, 101 waits of 50 ms; in between 100 queries of 20 ms. */
struct sides {
    struct trace_builder *inside, *kernel;
    uint32_t hooked, direct; /* stacks of the kernel's side: through the recorder, and not */
};

static struct trace_builder *kernel_process(uint32_t pid)
{
    struct trace_builder *b = scene_process(pid);
    builder_header(b)->origin = TRACE_ORIGIN_KERNEL;
    builder_process(b, "/usr/bin/python3.11", "python3", "python3 server.py");
    builder_module(b, PC_RECORDER, PC_RECORDER + 0x1000, PC_RECORDER, 0, "/usr/lib/cprobe/libcprobe.so", NULL, 0);
    return b;
}

static struct sides sides_new(void)
{
    struct sides s = {.inside = scene_process(PID), .kernel = kernel_process(PID)};
    uint32_t stack = scene_stack(s.inside, PC_MARIADB, PC_VIEW_GET);
    uint32_t peer = builder_endpoint(s.inside, ENDPOINT_INET, ROLE_CLIENT, DATABASE);
    scene_gevent(s.inside, PID, 0, 10 * SEC, 50 * MS);
    scene_waits(s.inside, PID, C_POLL, peer, stack, 0, 100, 20 * MS, 60 * MS, 10 * SEC);
    builder_end(s.inside, T0 + 10 * SEC, 0);
    builder_end(s.kernel, T0 + 10 * SEC, 0);
    s.hooked = scene_stack(s.kernel, PC_LIBC, PC_RECORDER, PC_MARIADB, PC_VIEW_GET);
    s.direct = scene_stack(s.kernel, PC_LIBC, PC_UNKNOWN_LIB, PC_VIEW_POST);
    return s;
}

/* The begin of query i. */
static uint64_t query_at(uint64_t i)
{
    return 60 * MS + i * ((10 * SEC - 60 * MS) / 100);
}

static struct event_offcpu *offcpu_add(struct trace_builder *b, uint32_t tid, uint64_t at, uint64_t ns,
                                       uint64_t runqueue_ns, uint32_t stack, uint16_t number)
{
    const struct event_offcpu event = {.header = {EVENT_MAGIC, EVENT_OFFCPU, sizeof(event), T0 + at},
                                       .duration_ns = ns,
                                       .runqueue_ns = runqueue_ns,
                                       .weight = 1,
                                       .tid = tid,
                                       .stack = stack,
                                       .fd = -1,
                                       .syscall = number,
                                       .cause = OFFCPU_CAUSE_SYSCALL};
    return builder_ring_raw(b, tid, &event, sizeof(event));
}

static struct scene sides_run(struct sides *s)
{
    return scene_run(NULL, s->inside, s->kernel, NULL);
}

static uint64_t evidence_ns(const struct finding *finding, const char *key)
{
    return scene_evidence(finding, key)->u64;
}

static bool has_evidence(const struct finding *finding, const char *key)
{
    for (size_t i = 0; i < finding->evidence_count; i++) {
        if (strcmp(finding->evidence[i].key, key) == 0)
            return true;
    }
    return false;
}

static void kernel_is_silent(void **state)
{
    struct sides s = sides_new();
    (void)state;
    struct scene scene = sides_run(&s);
    const struct finding *finding = scene_finding(&scene, "non-yielding-io");
    assert_near(finding->total_ns, 2 * SEC, 0.001);
    assert_false(has_evidence(finding, "cpu_wait_ns"));
    assert_false(scene.report->loops[0].runnable_known);
    scene_end(&scene);
}

/* Every query seen by both, each in two steps: one finding with the recorder's numbers, and what the kernel adds. */
static void seen_by_both(void **state)
{
    struct sides s = sides_new();
    (void)state;
    builder_thread(s.inside, WORKER, "worker", T0);
    for (uint64_t i = 0; i < 100; i++) {
        offcpu_add(s.kernel, PID, query_at(i) + MS, 8 * MS, 1 * MS, s.hooked, SYS_poll)->waker = WORKER;
        offcpu_add(s.kernel, PID, query_at(i) + 11 * MS, 7 * MS, 1 * MS, s.hooked, SYS_poll)->waker = WORKER;
    }
    struct scene scene = sides_run(&s);
    const struct finding *finding = scene_finding(&scene, "non-yielding-io");
    assert_int_equal(finding->count, 100);
    assert_near(finding->total_ns, 2 * SEC, 0.001);
    assert_string_equal(finding->peer->address, DATABASE);
    /* 2 of 17 ms that the kernel saw of each */
    assert_near(evidence_ns(finding, "cpu_wait_ns"), 2 * SEC * 2 / 17, 0.001);
    assert_string_equal(scene_evidence(finding, "woken_by")->string, "worker (101), 100 % of the time");
    assert_int_equal(scene.report->loop_count, 1);
    scene_end(&scene);
}

static void wake_add(struct trace_builder *b, uint64_t at, uint64_t wait_at, uint32_t stack)
{
    const struct event_wake wake = {.header = {EVENT_MAGIC, EVENT_WAKE, sizeof(wake), T0 + at},
                                    .wait_ns = T0 + wait_at,
                                    .wait_tid = PID,
                                    .tid = WORKER,
                                    .stack = stack};
    builder_ring_raw(b, WORKER, &wake, sizeof(wake));
}

/* Where the waker was most of the time. A stack that belongs to another wait says nothing. */
static void woken_from(void **state)
{
    struct sides s = sides_new();
    (void)state;
    uint32_t often = scene_stack(s.kernel, PC_LIBC, PC_VIEW_POST), rare = scene_stack(s.kernel, PC_LIBC, PC_VIEW_GET);
    builder_thread(s.inside, WORKER, "worker", T0);
    for (uint64_t i = 0; i < 100; i++) {
        uint64_t at = query_at(i) + MS;
        offcpu_add(s.kernel, PID, at, 16 * MS, 0, s.hooked, SYS_poll)->waker = WORKER;
        wake_add(s.kernel, at + 15 * MS, i % 3 == 2 ? at + 1 : at, i % 3 == 0 || i % 10 == 1 ? often : rare);
    }
    struct scene scene = sides_run(&s);
    const struct finding *finding = scene_finding(&scene, "non-yielding-io");
    assert_string_equal(scene_evidence(finding, "woken_by")->string, "worker (101), 100 % of the time");
    assert_non_null(strstr(scene_evidence(finding, "woken_from")->string, "post"));
    const struct finding_stack *from = &finding->stacks[finding->stack_count - 1];
    assert_string_equal(from->role, "woken from");
    assert_int_equal(from->count, 100);
    assert_int_equal(from->stack->count, 2);
    scene_end(&scene);
}

/* Called through the recorder, which counted it without keeping a sample. */
static void counted_only(void **state)
{
    struct sides s = sides_new();
    (void)state;
    for (uint64_t i = 0; i < 99; i++)
        offcpu_add(s.kernel, PID, query_at(i) + 25 * MS, 500 * US, 0, s.hooked, SYS_poll)->weight = 2;
    struct scene scene = sides_run(&s);
    assert_near(scene_finding(&scene, "non-yielding-io")->total_ns, 2 * SEC, 0.001);
    assert_int_equal(scene.report->loops[0].blocked_by_count, 1);
    scene_end(&scene);
}

/* Not called through the recorder: a wait of its own, named by the system call, of the recorder's thread. */
static void kernel_only(void **state)
{
    struct sides s = sides_new();
    (void)state;
    for (uint64_t i = 0; i < 99; i++)
        offcpu_add(s.kernel, PID, query_at(i) + 25 * MS, 9 * MS, 1 * MS, s.direct, SYS_recvfrom)->fd_kind =
            ENDPOINT_INET;
    struct scene scene = sides_run(&s);
    const struct report *r = scene.report;
    assert_int_equal(scene_count(&scene, "non-yielding-io"), 2);
    const struct finding *finding = &r->findings[1];
    assert_near(finding->total_ns, 990 * MS, 0.001);
    assert_int_equal(finding->count, 99);
    assert_null(finding->peer);
    assert_string_equal(finding->title, "libfetch.so.1 blocks the gevent loop for 9.9 % of the time");
    assert_true(finding->thread.loop);
    assert_near(evidence_ns(finding, "cpu_wait_ns"), 99 * MS, 0.001);
    assert_int_equal(r->process_count, 1);
    assert_int_equal(r->loop_count, 1);
    assert_near(r->loops[0].blocked_ns, 2 * SEC + 990 * MS, 0.001);
    scene_end(&scene);
}

/* A wait of unknown stack: a long one the recorder would have sampled, a short one may be among what it counted. */
static void stack_lost(void **state)
{
    struct sides s = sides_new();
    (void)state;
    builder_header(s.inside)->sample_mean_ns = 1 * MS;
    offcpu_add(s.kernel, PID, query_at(0) + 25 * MS, 500 * US, 0, 0, SYS_recvfrom)->weight = 100;
    struct scene scene = sides_run(&s);
    assert_int_equal(scene_count(&scene, "non-yielding-io"), 1);
    scene_end(&scene);

    s = sides_new();
    builder_header(s.inside)->sample_mean_ns = 1 * MS;
    offcpu_add(s.kernel, PID, query_at(0) + 25 * MS, 50 * MS, 0, 0, SYS_recvfrom)->weight = 100;
    scene = sides_run(&s);
    assert_int_equal(scene_count(&scene, "non-yielding-io"), 2);
    scene_end(&scene);
}

/* The number belonged to another thread before, and does so again: only time tells whose wait it is. */
static void thread_number_reused(void **state)
{
    struct sides s = sides_new();
    (void)state;
    builder_thread(s.inside, WORKER, "worker", T0);
    builder_wait(s.inside, WORKER, T0 + 100 * MS, 50 * MS, C_MUTEX, 0, scene_stack(s.inside, PC_PARSE, PC_MAIN), 0);
    builder_thread(s.kernel, WORKER, "worker", T0)->end_ns = T0 + 200 * MS;
    offcpu_add(s.kernel, WORKER, 101 * MS, 40 * MS, 0, s.hooked, SYS_futex);
    builder_thread(s.kernel, WORKER, "later", T0 + 300 * MS);
    offcpu_add(s.kernel, WORKER, 400 * MS, 40 * MS, 0, s.direct, SYS_futex);
    struct scene scene = sides_run(&s);
    assert_near(scene_finding(&scene, "non-yielding-io")->total_ns, 2 * SEC, 0.001);
    scene_end(&scene);
}

/* Another image of the process, before an exec, was recorded through the kernel; its waits are none of this one's. */
static void other_image(void **state)
{
    struct sides s = sides_new();
    (void)state;
    builder_header(s.inside)->start_mono_ns -= 1; /* whose image it is, the times decide */
    builder_header(s.kernel)->start_mono_ns = T0 - 5 * SEC;
    builder_header(s.kernel)->start_real_ns -= 5 * SEC;
    builder_end(s.kernel, T0 - 1 * SEC, 0);
    offcpu_add(s.kernel, PID, (uint64_t)0 - 4 * SEC, 500 * MS, 0, s.direct, SYS_recvfrom);
    struct scene scene = sides_run(&s);
    assert_near(scene_finding(&scene, "non-yielding-io")->total_ns, 2 * SEC, 0.001);
    assert_int_equal(scene.report->process_count, 1);
    scene_end(&scene);
}

/* A call that never came back is in no counter of the recorder's. */
static void never_ended(void **state)
{
    struct sides s = sides_new();
    (void)state;
    offcpu_add(s.kernel, PID, 10005 * MS, 4995 * MS, 0, s.hooked, SYS_poll)->flags = OFFCPU_FLAG_UNFINISHED;
    builder_header(s.inside)->end_mono_ns = 0;
    builder_header(s.inside)->state = TRACE_RECORDING;
    builder_end(s.kernel, T0 + 15 * SEC, 0);
    struct scene scene = sides_run(&s);
    uint64_t longest = 0;
    for (size_t i = 0; i < scene.report->finding_count; i++)
        longest = scene.report->findings[i].max_ns > longest ? scene.report->findings[i].max_ns : longest;
    assert_int_equal(longest, 4995 * MS);
    scene_end(&scene);
}

static void syscall_add(struct trace_builder *b, uint64_t count, uint64_t total_ns, uint16_t number)
{
    struct {
        struct event_syscall event;
        uint32_t hist[2];
    } e = {.event = {.header = {EVENT_MAGIC, EVENT_SYSCALL, sizeof(e), T0 + 9 * SEC},
                     .count = count,
                     .total_ns = total_ns,
                     .max_ns = 10 * MS,
                     .tid = PID,
                     .syscall = number,
                     .cause = OFFCPU_CAUSE_SYSCALL,
                     .hist = {sizeof(e.event), sizeof(e.hist)}}};
    builder_log_raw(b, &e, sizeof(e));
}

/* Waits that are always recorded stand for themselves; chance decided over the others, whose total is exact. */
static void calibrated(void **state)
{
    struct sides s = sides_new();
    (void)state;
    for (uint64_t i = 0; i < 50; i++)
        offcpu_add(s.kernel, PID, query_at(i) + 25 * MS, 500 * US, 0, s.direct, SYS_recvfrom)->weight = 2;
    offcpu_add(s.kernel, PID, query_at(60) + 25 * MS, 20 * MS, 0, s.direct, SYS_recvfrom);
    syscall_add(s.kernel, 200, 820 * MS, SYS_recvfrom);
    struct scene scene = sides_run(&s);
    const struct finding *finding = &scene.report->findings[1];
    assert_near(finding->total_ns, 820 * MS, 0.001);
    assert_int_equal(finding->max_ns, 20 * MS);
    scene_end(&scene);
}

/* Through the kernel alone: the loop is found by its library, its own waits are no finding, the driver's are. */
static void kernel_alone(void **state)
{
    struct trace_builder *k = kernel_process(PID);
    uint32_t idle = scene_stack(k, PC_LIBC, PC_LIBEV, PC_GEVENT_HUB), query = scene_stack(k, PC_LIBC, PC_MARIADB);
    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        offcpu_add(k, PID, i * 100 * MS, 60 * MS, 0, idle, SYS_epoll_wait)->fd = 5;
        offcpu_add(k, PID, i * 100 * MS + 60 * MS, 30 * MS, 0, query, SYS_poll);
    }
    offcpu_add(k, PID, 10 * SEC, 200 * MS, 0, query, SYS_poll);
    builder_end(k, T0 + 10200 * MS, 0);
    struct scene scene = scene_run(NULL, k, NULL);
    const struct finding *finding = scene_finding(&scene, "non-yielding-io");
    assert_near(finding->total_ns, 3200 * MS, 0.001);
    assert_string_equal(scene_evidence(finding, "driver")->string, "libmariadb.so.3");
    assert_int_equal(scene.report->loop_count, 1);
    assert_string_equal(scene.report->loops[0].kind, "libev");
    assert_near(scene.report->loops[0].idle_ns, 6 * SEC, 0.001);
    const struct finding *stall = scene_finding(&scene, "loop-stall");
    assert_int_equal(stall->count, 1);
    assert_int_equal(stall->max_ns, 200 * MS);
    scene_end(&scene);
}

static void sched_add(struct trace_builder *b, uint64_t oncpu_ns, uint64_t runqueue_ns, uint64_t preempted_ns)
{
    const struct event_sched event = {.header = {EVENT_MAGIC, EVENT_SCHED, sizeof(event), T0 + 10 * SEC},
                                      .begin_ns = T0,
                                      .oncpu_ns = oncpu_ns,
                                      .runqueue_ns = runqueue_ns,
                                      .preempted_ns = preempted_ns,
                                      .tid = PID};
    builder_log_raw(b, &event, sizeof(event));
}

/* 3 s idle, 1 s blocked, of the other 6 s two thirds in the run queue. */
static void loop_parts(void **state)
{
    struct trace_builder *k = kernel_process(PID);
    uint32_t idle = scene_stack(k, PC_LIBC, PC_LIBEV, PC_GEVENT_HUB), query = scene_stack(k, PC_LIBC, PC_MARIADB);
    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        offcpu_add(k, PID, i * 100 * MS, 30 * MS, 10 * MS, idle, SYS_epoll_wait)->fd = 5;
        offcpu_add(k, PID, i * 100 * MS + 60 * MS, 10 * MS, 5 * MS, query, SYS_poll);
    }
    sched_add(k, 2 * SEC, 3 * SEC, 1 * SEC);
    builder_end(k, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, k, NULL);
    const struct loop *loop = &scene.report->loops[0];
    assert_true(loop->runnable_known);
    assert_near(loop->wall_ns, 10 * SEC, 0.001);
    assert_near(loop->idle_ns, 3 * SEC, 0.001);
    assert_near(loop->blocked_ns, 1 * SEC, 0.001);
    assert_near(loop->oncpu_ns, 2 * SEC, 0.001);
    assert_near(loop->runnable_ns, 4 * SEC, 0.001);
    assert_int_equal(loop->idle_ns + loop->blocked_ns + loop->oncpu_ns + loop->runnable_ns, loop->wall_ns);
    scene_end(&scene);
}

/* Drivers and workers that use an epoll set of their own, and runtimes that schedule threads by one, are no loops. */
static void no_loops(void **state)
{
    struct trace_builder *k = kernel_process(PID);
    uint32_t foreign = scene_stack(k, PC_LIBC, PC_UNKNOWN_LIB, PC_VIEW_GET),
             query = scene_stack(k, PC_LIBC, PC_MARIADB);
    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        offcpu_add(k, PID, i * 100 * MS, 30 * MS, 0, foreign, SYS_epoll_wait)->fd = 5;
        offcpu_add(k, PID, i * 100 * MS + 60 * MS, 30 * MS, 0, query, SYS_poll);
    }
    builder_end(k, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, k, NULL);
    assert_int_equal(scene.report->loop_count, 0);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernel_is_silent),
        cmocka_unit_test(seen_by_both),
        cmocka_unit_test(woken_from),
        cmocka_unit_test(counted_only),
        cmocka_unit_test(kernel_only),
        cmocka_unit_test(stack_lost),
        cmocka_unit_test(thread_number_reused),
        cmocka_unit_test(other_image),
        cmocka_unit_test(never_ended),
        cmocka_unit_test(calibrated),
        cmocka_unit_test(kernel_alone),
        cmocka_unit_test(loop_parts),
        cmocka_unit_test(no_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
