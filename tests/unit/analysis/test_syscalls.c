/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What traces recorded through the kernel add to a report, and what they must not. */
#include "analysis/scene.h"

#define PID 100

static struct trace_builder *kernel_process(uint32_t pid)
{
    struct trace_builder *b = scene_process(pid);
    builder_header(b)->origin = TRACE_ORIGIN_KERNEL;
    return b;
}

static void total(struct trace_builder *b, uint32_t tid, uint16_t number, uint64_t count, uint64_t total_ns,
                  uint64_t max_ns, const uint32_t hist[4])
{
    struct {
        struct event_syscall event;
        uint32_t hist[4];
    } record = {.event = {.header = {EVENT_MAGIC, EVENT_SYSCALL, sizeof(record), T0 + SEC},
                          .count = count,
                          .total_ns = total_ns,
                          .runqueue_ns = 7,
                          .max_ns = max_ns,
                          .tid = tid,
                          .syscall = number,
                          .cause = OFFCPU_CAUSE_SYSCALL,
                          .hist = {64, 16}}};
    memcpy(record.hist, hist, sizeof(record.hist));
    builder_log_raw(b, &record, sizeof(record));
}

static void table(void **state)
{
    (void)state;
    struct trace_builder *b = kernel_process(PID);
    total(b, PID, 0, 100, 500, 13, (uint32_t[]){0, 0, 98, 2}); /* the 99th lies in the last bucket: the maximum */
    total(b, PID, 7, 100, 900, 13, (uint32_t[]){0, 99, 1, 0}); /* the 99th lies in [2, 4) */
    total(b, PID, SYSCALL_NONE, 1, 100, 3, (uint32_t[]){0, 1, 0, 0}); /* never above the longest */
    total(b, PID, 9999, 1, 50, 50, (uint32_t[]){0, 0, 0, 1});
    builder_end(b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, b, NULL);
    const struct report *r = scene.report;
    assert_int_equal(r->syscall_count, 4);
    assert_string_equal(r->syscalls[0].name, "poll");
    assert_string_equal(r->syscalls[0].thread.name, "main");
    assert_int_equal(r->syscalls[0].process.pid, PID);
    assert_int_equal(r->syscalls[0].count, 100);
    assert_int_equal(r->syscalls[0].runqueue_ns, 7);
    assert_int_equal(r->syscalls[0].p50_ns, 4);
    assert_int_equal(r->syscalls[0].p99_ns, 4);
    assert_int_equal(r->syscalls[0].histogram_count, 2);
    assert_int_equal(r->syscalls[0].histogram[0].end_ns, 4);
    assert_int_equal(r->syscalls[0].histogram[0].count, 99);
    assert_int_equal(r->syscalls[0].histogram[1].end_ns, 8);
    assert_int_equal(r->syscalls[0].histogram[1].count, 1);
    assert_true(r->syscalls[1].histogram[1].end_ns == UINT64_MAX);
    assert_string_equal(r->syscalls[1].name, "read");
    assert_int_equal(r->syscalls[1].p50_ns, 8);
    assert_int_equal(r->syscalls[1].p99_ns, 13);
    assert_string_equal(r->syscalls[2].name, "(page fault)");
    assert_int_equal(r->syscalls[2].p99_ns, 3);
    assert_string_equal(r->syscalls[3].name, "syscall 9999");
    assert_string_equal(r->verdict,
                        "Recorded through the kernel: 1 process; the longest waits are those of thread main (100) in "
                        "poll: 900 ns in 100 waits.");
    scene_end(&scene);
}

/* The same process seen from both sides: one row, and the loop is as if the kernel's trace were not there. */
static void seen_twice(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t stack = scene_stack(b, PC_EPOLL_LOOP, PC_MAIN);
    scene_loop(b, PID, PC_EPOLL_LOOP, C_EPOLL, stack, 0, 10 * SEC, 100, 90 * MS);
    builder_end(b, T0 + 10 * SEC, 0);
    struct trace_builder *k = kernel_process(PID);
    const struct event_offcpu offcpu = {.header = {EVENT_MAGIC, EVENT_OFFCPU, sizeof(offcpu), T0 + SEC},
                                        .duration_ns = 5 * SEC,
                                        .weight = 1,
                                        .tid = PID,
                                        .syscall = 232,
                                        .cause = OFFCPU_CAUSE_SYSCALL};
    builder_ring_raw(k, PID, &offcpu, sizeof(offcpu));
    builder_end(k, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, b, k, NULL);
    assert_int_equal(scene.report->process_count, 1);
    assert_int_equal(scene.report->loop_count, 1);
    assert_int_equal(scene.report->loops[0].blocked_ns, 0);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);

    k = kernel_process(PID + 1);
    builder_end(k, T0 + SEC, 0);
    scene = scene_run(NULL, k, NULL);
    assert_int_equal(scene.report->process_count, 1);
    assert_string_equal(scene.report->verdict, "Recorded through the kernel: 1 process that never waited.");
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(seen_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
