/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/scene.h"

#define PID 100

struct profiled {
    struct report *report;
    const struct profile *profile;
};

static struct profiled profile_run(struct trace_builder *b)
{
    struct profiled result = {NULL, NULL};
    char path[] = "/tmp/cprobe-profile-XXXXXX", error[256];
    const char *paths[] = {path};
    close(mkstemp(path));
    assert_int_equal(builder_write(b, path), 0);
    builder_free(b);
    assert_int_equal(analysis_profile(paths, 1, NULL, &result.report, &result.profile, error, sizeof(error)), 0);
    unlink(path);
    return result;
}

static const struct profile_frame *frame_at(const struct profile *profile, const struct profile_stack *stack, size_t i)
{
    assert_true(i < stack->frame_count);
    return &profile->frames[stack->frames[i]];
}

static uint64_t total_of(const struct profile *profile, const char *kind, bool idle)
{
    uint64_t total = 0;
    for (size_t i = 0; i < profile->stack_count; i++) {
        const struct profile_stack *stack = &profile->stacks[i];
        if ((stack->kinds >> profile_kind_find(kind) & 1) && stack->idle == idle)
            total += stack->total_ns;
    }
    return total;
}

static void slices_check(const struct profile *profile)
{
    for (size_t i = 0; i < profile->stack_count; i++) {
        const struct profile_stack *stack = &profile->stacks[i];
        uint64_t sum = 0;
        for (size_t j = 0; j < stack->slice_count; j++) {
            assert_true(stack->slices[j].bucket < PROFILE_BUCKETS);
            assert_true(j == 0 || stack->slices[j].bucket > stack->slices[j - 1].bucket);
            sum += stack->slices[j].ns;
        }
        assert_int_equal(sum, stack->total_ns);
    }
}

/* 4 ms for MariaDB every 10 ms in the second half of a gevent loop's second, and a lock. */
static struct trace_builder *recording(void)
{
    struct trace_builder *b = scene_process(PID);
    uint32_t db = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:3306");
    uint32_t stack = scene_stack(b, PC_MARIADB, PC_MYSQL_C, PC_DB_EXECUTE, PC_VIEW_GET, PC_GEVENT_HUB);
    scene_gevent(b, PID, 0, 1 * SEC, 2 * MS);
    scene_waits(b, PID, C_POLL, db, stack, 0, 50, 4 * MS, 500 * MS, 1 * SEC);
    builder_thread(b, 101, "worker", T0);
    scene_waits(b, 101, C_MUTEX, 0, scene_stack(b, PC_PARSE, PC_MAIN), 0, 3, 10 * MS, 0, 30 * MS);
    builder_end(b, T0 + 1 * SEC, 0);
    return b;
}

static void test_totals(void **state)
{
    struct profiled run = profile_run(recording());
    (void)state;
    assert_near(total_of(run.profile, "blocked", false), 230 * MS, 0.001);
    assert_near(total_of(run.profile, "lock", false), 30 * MS, 0.001);
    assert_near(total_of(run.profile, "blocked", true), 202 * MS, 0.001);
    assert_int_equal(total_of(run.profile, "offcpu", false), 0);
    slices_check(run.profile);
    report_free(run.report);
}

static void test_frames(void **state)
{
    struct profiled run = profile_run(recording());
    const struct profile *profile = run.profile;
    const struct profile_stack *idle = &profile->stacks[0], *query = &profile->stacks[1];
    (void)state;
    assert_true(idle->idle && !query->idle);
    assert_string_equal(frame_at(profile, idle, 0)->function, "[idle]");
    assert_int_equal(frame_at(profile, idle, 0)->kind, PROFILE_NOTE);
    assert_int_equal(query->frame_count, 6);
    assert_int_equal(query->count, 50);
    assert_string_equal(frame_at(profile, query, 0)->function, "Hub.run");
    assert_string_equal(frame_at(profile, query, 1)->function, "View.get");
    assert_int_equal(frame_at(profile, query, 1)->kind, PROFILE_PYTHON);
    assert_int_equal(frame_at(profile, query, 1)->line, 33);
    assert_string_equal(frame_at(profile, query, 5)->function, "[127.0.0.1:3306]");
    assert_int_equal(frame_at(profile, query, 5)->kind, PROFILE_ENDPOINT);
    assert_string_equal(profile->threads[query->thread].thread.name, "main");
    assert_string_equal(profile->threads[query->thread].loop_kind, "gevent");
    report_free(run.report);
}

static void test_time_line(void **state)
{
    struct profiled run = profile_run(recording());
    const struct profile_stack *query = &run.profile->stacks[1];
    (void)state;
    assert_int_equal(run.profile->span_ns, 1 * SEC);
    assert_int_equal(query->slices[0].bucket, PROFILE_BUCKETS / 2);
    assert_true(query->slices[query->slice_count - 1].bucket >= PROFILE_BUCKETS - 3);
    report_free(run.report);
}

static void test_finding_is_linked(void **state)
{
    struct profiled run = profile_run(recording());
    (void)state;
    assert_int_equal(run.profile->link_count, run.report->finding_count);
    assert_int_equal(run.report->finding_count, 1);
    assert_int_equal(run.profile->links[0].finding_id, run.report->findings[0].id);
    assert_int_equal(run.profile->links[0].count, 1);
    assert_int_equal(run.profile->links[0].stacks[0], 1);
    report_free(run.report);
}

/* Two recorded stacks that look the same are one. */
static void test_equal_stacks_merge(void **state)
{
    struct trace_builder *b = scene_process(PID);
    uint32_t a = builder_stack(b, STACK_COMPLETE, 0, (uint64_t[]){PC_PARSE, PC_MAIN}, 2, NULL, 0);
    uint32_t c = builder_stack(b, STACK_COMPLETE, 1, (uint64_t[]){PC_PARSE, PC_MAIN}, 2, NULL, 0);
    (void)state;
    scene_waits(b, PID, C_SLEEP, 0, a, 0, 2, 10 * MS, 0, 30 * MS);
    scene_waits(b, PID, C_SLEEP, 0, c, 0, 2, 10 * MS, 40 * MS, 80 * MS);
    builder_end(b, T0 + 1 * SEC, 0);
    struct profiled run = profile_run(b);
    assert_int_equal(run.profile->stack_count, 1);
    assert_int_equal(run.profile->stacks[0].count, 4);
    assert_int_equal(run.profile->stacks[0].total_ns, 40 * MS);
    slices_check(run.profile);
    report_free(run.report);
}

/* Waits that only the counters know have a place and a time of their own. */
static void test_waits_without_sample(void **state)
{
    struct trace_builder *b = scene_process(PID);
    (void)state;
    builder_count(b, PID, T0 + 500 * MS, 100 * MS, 1, C_SLEEP, 0, 0);
    builder_end(b, T0 + 1 * SEC, 0);
    struct profiled run = profile_run(b);
    assert_int_equal(run.profile->stack_count, 1);
    const struct profile_stack *stack = &run.profile->stacks[0];
    assert_string_equal(frame_at(run.profile, stack, 0)->function, "[stack not recorded]");
    assert_string_equal(frame_at(run.profile, stack, 1)->function, trace_call_name(C_SLEEP));
    assert_int_equal(stack->total_ns, 100 * MS);
    assert_int_equal(stack->slices[0].bucket, PROFILE_BUCKETS / 2);
    slices_check(run.profile);
    report_free(run.report);
}

static void test_modules(void **state)
{
    struct profiled run = profile_run(recording());
    bool found = false;
    (void)state;
    for (size_t i = 0; i < run.profile->module_count; i++)
        found |= strcmp(run.profile->modules[i].name, "libmariadb.so.3") == 0;
    assert_true(found);
    report_free(run.report);
}

/* Seen by owner a lock has the time that it has by waiter, shared out by what each owner cost. */
static void test_lock_by_owner(void **state)
{
    size_t waiter = profile_kind_find("lock"), owner = profile_kind_side(waiter, "owner"), seen = 0;
    struct trace_builder *b = scene_process(PID);
    uint32_t lock = builder_lock(b, LOCK_A, "mutex"), waiting = scene_stack(b, PC_HANDLE, PC_MAIN);
    (void)state;
    builder_thread(b, 101, "owner", T0);
    for (uint64_t i = 0; i < 4; i++) {
        uint64_t begin = T0 + i * 100 * MS;
        locks_left(b, 101, begin, 20 * MS, lock, scene_stack(b, i < 3 ? PC_RENDER : PC_PARSE, PC_MAIN), 1);
        builder_wait(b, PID, begin, 50 * MS, C_MUTEX, lock, waiting, 0);
    }
    builder_end(b, T0 + SEC, 0);
    struct profiled run = profile_run(b);
    for (size_t i = 0; i < run.profile->stack_count; i++) {
        const struct profile_stack *stack = &run.profile->stacks[i];
        if (!(stack->kinds >> owner & 1))
            continue;
        const char *function = frame_at(run.profile, stack, stack->frame_count - 2)->function;
        assert_string_equal(frame_at(run.profile, stack, stack->frame_count - 1)->function, "[had lock_a]");
        assert_int_equal(run.profile->threads[stack->thread].thread.tid, 101);
        assert_int_equal(stack->total_ns, strcmp(function, "render") == 0 ? 150 * MS : 50 * MS);
        seen++;
    }
    assert_int_equal(seen, 2);
    assert_int_equal(total_of(run.profile, "lock", false), 200 * MS);
    slices_check(run.profile);
    report_free(run.report);
}

static void test_lock_without_owner(void **state)
{
    size_t owner = profile_kind_side(profile_kind_find("lock"), "owner");
    struct trace_builder *b = scene_process(PID);
    uint32_t lock = builder_lock(b, LOCK_A, "mutex");
    (void)state;
    builder_wait(b, PID, T0, 50 * MS, C_MUTEX, lock, scene_stack(b, PC_HANDLE, PC_MAIN), 0);
    builder_end(b, T0 + SEC, 0);
    struct profiled run = profile_run(b);
    for (size_t i = 0; i < run.profile->stack_count; i++) {
        if (run.profile->stacks[i].kinds >> owner & 1)
            assert_string_equal(frame_at(run.profile, &run.profile->stacks[i], 0)->function, "[owner not recorded]");
    }
    report_free(run.report);
}

static void test_kind_names(void **state)
{
    (void)state;
    assert_string_equal(profile_kind_at(profile_kind_find("lock"))->name, "lock");
    assert_string_equal(profile_kind_at(profile_kind_find("lock"))->by, "waiter");
    assert_int_equal(profile_kind_side(profile_kind_find("blocked"), "owner"), profile_kind_count());
    assert_int_equal(profile_kind_find("oncpu"), profile_kind_count());
    assert_non_null(profile_kind_at(profile_kind_find("offcpu"))->needs);
    assert_null(profile_kind_at(profile_kind_find("blocked"))->needs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lock_by_owner),
        cmocka_unit_test(test_lock_without_owner),
        cmocka_unit_test(test_totals),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_time_line),
        cmocka_unit_test(test_finding_is_linked),
        cmocka_unit_test(test_equal_stacks_merge),
        cmocka_unit_test(test_waits_without_sample),
        cmocka_unit_test(test_modules),
        cmocka_unit_test(test_kind_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
