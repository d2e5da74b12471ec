/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Profiles of waits that the kernel saw, alone and beside the recorder. */
#include <sys/syscall.h>

#include "analysis/scene.h"

#define PID 100
#define WAKER 101
#define RUNNABLE "[runnable: waiting for a CPU]"

static struct report *report;
static const struct profile *profile;

/* Writes and frees the builders, reads them into `profile`. `second` may be NULL. */
static void profile_read(struct trace_builder *first, struct trace_builder *second)
{
    struct trace_builder *builders[] = {first, second};
    char files[2][40], error[256];
    const char *paths[2];
    size_t count = 0;
    for (; count < 2 && builders[count]; count++) {
        strcpy(files[count], "/tmp/cprobe-offcpu-XXXXXX");
        paths[count] = files[count];
        close(mkstemp(files[count]));
        assert_int_equal(builder_write(builders[count], paths[count]), 0);
        builder_free(builders[count]);
    }
    assert_int_equal(analysis_profile(paths, count, NULL, &report, &profile, error, sizeof(error)), 0);
    for (size_t i = 0; i < count; i++)
        unlink(paths[i]);
}

static struct trace_builder *kernel_process(uint32_t pid)
{
    struct trace_builder *b = scene_process(pid);
    builder_header(b)->origin = TRACE_ORIGIN_KERNEL;
    return b;
}

/* A wait of 4 ms and of 1 ms for a CPU, `at` after T0. The fields of the result may be changed. */
static struct event_offcpu *wait_add(struct trace_builder *b, uint64_t at, uint32_t stack, uint16_t number,
                                     enum offcpu_cause cause)
{
    const struct event_offcpu event = {.header = {EVENT_MAGIC, EVENT_OFFCPU, sizeof(event), T0 + at},
                                       .duration_ns = 4 * MS,
                                       .runqueue_ns = 1 * MS,
                                       .weight = 1,
                                       .tid = PID,
                                       .stack = stack,
                                       .waker = WAKER,
                                       .fd = -1,
                                       .syscall = number,
                                       .cause = (uint16_t)cause};
    return builder_ring_raw(b, PID, &event, sizeof(event));
}

static uint64_t total_of(const char *kind, bool idle)
{
    uint64_t total = 0;
    for (size_t i = 0; i < profile->stack_count; i++) {
        const struct profile_stack *stack = &profile->stacks[i];
        uint64_t sum = 0;
        for (size_t j = 0; j < stack->slice_count; j++)
            sum += stack->slices[j].ns;
        assert_int_equal(sum, stack->total_ns);
        if ((stack->kinds >> profile_kind_find(kind) & 1) && stack->idle == idle)
            total += stack->total_ns;
    }
    return total;
}

static const struct profile_frame *frame_at(const struct profile_stack *stack, size_t i)
{
    assert_true(i < stack->frame_count);
    return &profile->frames[stack->frames[i]];
}

static const struct profile_frame *leaf_of(const struct profile_stack *stack)
{
    return frame_at(stack, stack->frame_count - 1);
}

/* The only stack of the kind whose innermost frame has this name. */
static const struct profile_stack *stack_with_leaf(const char *kind, const char *leaf)
{
    const struct profile_stack *found = NULL;
    for (size_t i = 0; i < profile->stack_count; i++) {
        const struct profile_stack *stack = &profile->stacks[i];
        if (!(stack->kinds >> profile_kind_find(kind) & 1) || strcmp(leaf_of(stack)->function, leaf) != 0)
            continue;
        assert_null(found);
        found = stack;
    }
    if (!found)
        fail_msg("no stack of kind %s ends in %s", kind, leaf);
    return found;
}

static void totals(void **state)
{
    struct trace_builder *b = kernel_process(PID);
    uint32_t stack = scene_stack(b, PC_PARSE, PC_MAIN);
    (void)state;
    wait_add(b, 10 * MS, stack, SYS_read, OFFCPU_CAUSE_SYSCALL)->weight = 3;
    wait_add(b, 20 * MS, stack, SYS_futex, OFFCPU_CAUSE_LOCK);
    wait_add(b, 30 * MS, stack, SYS_epoll_wait, OFFCPU_CAUSE_SYSCALL);
    wait_add(b, 40 * MS, stack, SYS_epoll_pwait, OFFCPU_CAUSE_SYSCALL);
    builder_end(b, T0 + 1 * SEC, 0);
    profile_read(b, NULL);
    assert_int_equal(total_of("offcpu", false), 30 * MS);
    assert_int_equal(total_of("offcpu", true), 0);
    assert_int_equal(total_of("blocked", false), 20 * MS);
    assert_int_equal(total_of("blocked", true), 10 * MS);
    assert_int_equal(total_of("lock", false), 5 * MS);
    assert_int_equal(total_of("wakeup", false), 24 * MS);
    report_free(report);
}

/* Blocked and runnable are two stacks, the second with a leaf; both have their own time. */
static void parts(void **state)
{
    struct trace_builder *b = kernel_process(PID);
    (void)state;
    struct event_offcpu *wait =
        wait_add(b, 500 * MS, scene_stack(b, PC_PARSE, PC_MAIN), SYS_read, OFFCPU_CAUSE_SYSCALL);
    wait->duration_ns = 100 * MS;
    wait->runqueue_ns = 50 * MS;
    wait->weight = 2;
    builder_end(b, T0 + 1 * SEC, 0);
    profile_read(b, NULL);
    const struct profile_stack *blocked = stack_with_leaf("offcpu", "parse");
    const struct profile_stack *runnable = stack_with_leaf("offcpu", RUNNABLE);
    assert_int_equal(blocked->frame_count, 2);
    assert_string_equal(frame_at(blocked, 0)->function, "main");
    assert_int_equal(blocked->total_ns, 200 * MS);
    assert_int_equal(blocked->count, 2);
    assert_int_equal(blocked->slices[0].bucket, 100);
    assert_int_equal(runnable->frame_count, 3);
    assert_int_equal(leaf_of(runnable)->kind, PROFILE_NOTE);
    assert_int_equal(runnable->total_ns, 100 * MS);
    assert_int_equal(runnable->slices[0].bucket, 120);
    assert_int_equal(profile->threads[blocked->thread].thread.tid, PID);
    report_free(report);
}

static void causes_and_missing_stacks(void **state)
{
    struct trace_builder *b = kernel_process(PID);
    uint32_t stack = scene_stack(b, PC_PARSE, PC_MAIN);
    (void)state;
    wait_add(b, 10 * MS, stack, SYS_read, OFFCPU_CAUSE_DISK)->runqueue_ns = 0;
    wait_add(b, 20 * MS, stack, SYSCALL_NONE, OFFCPU_CAUSE_FAULT)->runqueue_ns = 0;
    wait_add(b, 30 * MS, 0, SYS_read, OFFCPU_CAUSE_SYSCALL)->runqueue_ns = 0;
    builder_end(b, T0 + 1 * SEC, 0);
    profile_read(b, NULL);
    assert_int_equal(stack_with_leaf("offcpu", "[disk]")->frame_count, 3);
    assert_int_equal(stack_with_leaf("offcpu", "[page fault]")->frame_count, 3);
    const struct profile_stack *missing = stack_with_leaf("offcpu", "read");
    assert_string_equal(frame_at(missing, 0)->function, "[stack not recorded]");
    assert_int_equal(leaf_of(missing)->kind, PROFILE_KERNEL);
    report_free(report);
}

static void wake_add(struct trace_builder *b, uint64_t at, uint64_t wait_at, uint32_t stack)
{
    const struct event_wake wake = {.header = {EVENT_MAGIC, EVENT_WAKE, sizeof(wake), T0 + at},
                                    .wait_ns = T0 + wait_at,
                                    .wait_tid = PID,
                                    .tid = WAKER,
                                    .stack = stack};
    builder_ring_raw(b, WAKER, &wake, sizeof(wake));
}

/* The waker's stack stands behind the waiter's, innermost frame first; only where it ended that very wait. */
static void waker_stacks(void **state)
{
    struct trace_builder *b = kernel_process(PID);
    uint32_t stack = scene_stack(b, PC_PARSE, PC_MAIN);
    (void)state;
    wait_add(b, 10 * MS, stack, SYS_futex, OFFCPU_CAUSE_LOCK);
    wake_add(b, 14 * MS, 10 * MS, stack);
    wait_add(b, 20 * MS, stack, SYS_futex, OFFCPU_CAUSE_LOCK);
    wake_add(b, 24 * MS, 11 * MS, stack);
    wait_add(b, 30 * MS, stack, SYS_futex, OFFCPU_CAUSE_LOCK)->duration_ns = 2 * MS;
    builder_end(b, T0 + 1 * SEC, 0);
    profile_read(b, NULL);
    const char *expected[] = {"main", "parse", "[woken from]", "parse", "main", "[woken by thread-101 (101)]"};
    size_t found = 0;
    assert_int_equal(total_of("wakeup", false), 10 * MS);
    for (size_t i = 0; i < profile->stack_count; i++) {
        const struct profile_stack *s = &profile->stacks[i];
        if (!(s->kinds >> profile_kind_find("wakeup") & 1))
            continue;
        if (s->frame_count == 3) {
            assert_int_equal(s->total_ns, 6 * MS);
            continue;
        }
        assert_int_equal(s->frame_count, 6);
        assert_int_equal(s->total_ns, 4 * MS);
        for (size_t j = 0; j < 6; j++)
            assert_string_equal(frame_at(s, j)->function, expected[j]);
        found++;
    }
    assert_int_equal(found, 1);
    report_free(report);
}

static void wakers(void **state)
{
    struct trace_builder *b = kernel_process(PID), *other = kernel_process(200);
    uint32_t stack = scene_stack(b, PC_PARSE, PC_MAIN);
    const struct {
        uint32_t waker;
        uint16_t flags;
        enum offcpu_cause cause;
        const char *text;
    } cases[] = {
        {WAKER, 0, OFFCPU_CAUSE_LOCK, "[woken by writer (101)]"},
        {201, 0, OFFCPU_CAUSE_SYSCALL, "[woken by served answerer (201)]"},
        {201, OFFCPU_FLAG_WAKER_SOFTIRQ, OFFCPU_CAUSE_SYSCALL,
         "[woken in an interrupt, perhaps by served answerer (201)]"},
        {999, 0, OFFCPU_CAUSE_SYSCALL, "[woken by thread 999]"},
        {0, 0, OFFCPU_CAUSE_SYSCALL, "[woken by an unknown thread]"},
        {0, OFFCPU_FLAG_UNFINISHED, OFFCPU_CAUSE_SYSCALL, "[not woken before the recording ended]"},
    };
    (void)state;
    builder_thread(b, WAKER, "writer", T0);
    builder_process(other, "/usr/sbin/served", "served", "served");
    builder_thread(other, 201, "answerer", T0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct event_offcpu *wait = wait_add(b, 10 * MS * i, stack, SYS_read, cases[i].cause);
        wait->waker = cases[i].waker;
        wait->flags = cases[i].flags;
    }
    wait_add(b, 100 * MS, stack, SYS_read, OFFCPU_CAUSE_SLEEP)->flags = OFFCPU_FLAG_WAKER_IRQ;
    wait_add(b, 110 * MS, stack, SYS_read, OFFCPU_CAUSE_DISK)->flags = OFFCPU_FLAG_WAKER_SOFTIRQ;
    builder_end(b, T0 + 1 * SEC, 0);
    builder_end(other, T0 + 1 * SEC, 0);
    profile_read(b, other);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(stack_with_leaf("wakeup", cases[i].text)->total_ns, 4 * MS);
    assert_int_equal(stack_with_leaf("wakeup", "[woken by a timer or a device]")->total_ns, 8 * MS);
    report_free(report);
}

/* A process recorded from both sides: each wait counts once, and all are told of the recorder's thread. */
static void seen_from_both_sides(void **state)
{
    struct trace_builder *b = scene_process(PID), *k = kernel_process(PID);
    uint32_t stack = scene_stack(b, PC_PARSE, PC_MAIN);
    (void)state;
    scene_waits(b, PID, C_MUTEX, 0, stack, 0, 1, 10 * MS, 100 * MS, 200 * MS);
    builder_end(b, T0 + 1 * SEC, 0);
    stack = scene_stack(k, PC_PARSE, PC_MAIN);
    wait_add(k, 101 * MS, stack, SYS_futex, OFFCPU_CAUSE_LOCK);
    wait_add(k, 300 * MS, stack, SYS_epoll_wait, OFFCPU_CAUSE_SYSCALL);
    builder_end(k, T0 + 1 * SEC, 0);
    profile_read(b, k);
    assert_int_equal(total_of("blocked", false), 15 * MS);
    assert_int_equal(total_of("blocked", true), 0);
    assert_int_equal(total_of("lock", false), 10 * MS);
    assert_int_equal(total_of("offcpu", false), 10 * MS);
    assert_int_equal(total_of("wakeup", false), 8 * MS);
    for (size_t i = 0; i < profile->stack_count; i++)
        assert_int_equal(profile->stacks[i].thread, profile->stacks[0].thread);
    report_free(report);
}

/* Another image of the process, before an exec, was recorded from inside; this one was not. */
static void other_image(void **state)
{
    struct trace_builder *b = scene_process(PID), *k = kernel_process(PID);
    (void)state;
    builder_end(b, T0 + 1 * SEC, 0);
    builder_header(k)->start_mono_ns = T0 + 2 * SEC;
    builder_header(k)->start_real_ns += 2 * SEC;
    wait_add(k, 2 * SEC, scene_stack(k, PC_PARSE, PC_MAIN), SYS_read, OFFCPU_CAUSE_SYSCALL);
    builder_end(k, T0 + 3 * SEC, 0);
    profile_read(b, k);
    assert_int_equal(total_of("blocked", false), 5 * MS);
    report_free(report);
}

static void impossible_weights(void **state)
{
    struct trace_builder *b = kernel_process(PID);
    (void)state;
    wait_add(b, 0, scene_stack(b, PC_PARSE, PC_MAIN), SYS_read, OFFCPU_CAUSE_SYSCALL)->weight = 0.25f;
    builder_end(b, T0 + 1 * SEC, 0);
    profile_read(b, NULL);
    assert_int_equal(total_of("offcpu", false), 5 * MS);
    report_free(report);

    b = kernel_process(PID);
    struct event_offcpu *wait = wait_add(b, 0, scene_stack(b, PC_PARSE, PC_MAIN), SYS_read, OFFCPU_CAUSE_SYSCALL);
    wait->weight = 1e15f;
    wait->duration_ns = UINT64_C(1) << 59;
    builder_end(b, T0 + 1 * SEC, 0);
    profile_read(b, NULL);
    assert_int_equal(total_of("wakeup", false), UINT64_C(1000000000) * SEC); /* as much as a stack may have */
    report_free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(totals),
        cmocka_unit_test(parts),
        cmocka_unit_test(causes_and_missing_stacks),
        cmocka_unit_test(wakers),
        cmocka_unit_test(waker_stacks),
        cmocka_unit_test(seen_from_both_sides),
        cmocka_unit_test(other_image),
        cmocka_unit_test(impossible_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
