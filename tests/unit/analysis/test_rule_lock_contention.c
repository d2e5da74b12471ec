/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/scene.h"

#define RULE "lock-contention"
#define PID 100
#define OWNER 101
#define C_COND_WAIT 113

/* Thread PID waits for lock_a `count` times, 10 ms each, in ten seconds of life; OWNER has it in render(). */
static struct trace_builder *program(uint32_t *lock, const char *kind, uint16_t call, uint64_t count)
{
    struct trace_builder *b = scene_process(PID);
    uint32_t waiting = scene_stack(b, PC_HANDLE, PC_MAIN), owning = scene_stack(b, PC_RENDER, PC_MAIN);
    *lock = builder_lock(b, LOCK_A, kind);
    builder_thread(b, OWNER, "owner", T0);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t begin = T0 + SEC + i * 20 * MS;
        locks_left(b, OWNER, begin, 10 * MS, *lock, owning, i == 0 ? 3 : 1);
        locks_context(b, PID, begin, 0, OWNER, owning);
        builder_wait(b, PID, begin, 10 * MS, call, *lock, waiting, 0);
    }
    builder_wait(b, OWNER, T0 + 9900 * MS, 50 * MS, C_SLEEP, 0, owning, 0);
    builder_wait(b, PID, T0 + 9900 * MS, 50 * MS, C_SLEEP, 0, waiting, 0);
    builder_end(b, T0 + 10 * SEC, 0);
    return b;
}

static void waits_and_owner_are_named(void **state)
{
    uint32_t lock;
    (void)state;
    struct trace_builder *b = program(&lock, "mutex", C_MUTEX, 200);
    locks_taken(b, OWNER, T0 + SEC, 9 * MS, 250, lock);
    struct scene scene = scene_run(NULL, b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->severity, SEVERITY_WARNING);
    assert_near(f->total_ns, 2 * SEC, 0.001);
    assert_near(f->count, 200, 0.001);
    assert_int_equal(f->thread.tid, PID);
    assert_string_equal(scene_evidence(f, "lock")->string, "lock_a");
    assert_non_null(strstr(scene_evidence(f, "owner")->string, "render"));
    assert_string_equal(scene_evidence(f, "owner_thread")->string, "owner");
    assert_int_equal(f->stack_count, 2);
    assert_string_equal(f->stacks[0].role, "waiting");
    assert_string_equal(f->stacks[1].role, "owner");
    assert_string_equal(f->stacks[1].stack->frames[0].function, "render");
    const struct lock *row = &scene.report->locks[0];
    assert_string_equal(row->name, "lock_a");
    assert_int_equal(row->contended, 200);
    assert_int_equal(row->acquisitions, 250);
    assert_int_equal(row->threads, 2);
    assert_int_equal(row->queue_max, 3);
    assert_near(row->wait_ns, 2 * SEC, 0.001);
    assert_near(row->hold_p50_ns, 9 * MS, 0.05);
    scene_end(&scene);
}

/* Thread 103 lives for a second and loses half of it; PID loses more in all, but little of its time. */
static void the_thread_that_is_hurt_most_is_named(void **state)
{
    uint32_t lock;
    (void)state;
    struct trace_builder *b = program(&lock, "mutex", C_MUTEX, 80);
    uint32_t waiting = scene_stack(b, PC_HANDLE, PC_MAIN);
    builder_thread(b, 103, "short", T0 + 5 * SEC)->end_ns = T0 + 6 * SEC;
    for (uint64_t i = 0; i < 50; i++)
        builder_wait(b, 103, T0 + 5 * SEC + i * 20 * MS, 10 * MS, C_MUTEX, lock, waiting, 0);
    struct scene scene = scene_run(NULL, b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->thread.tid, 103);
    assert_near(scene_evidence(f, "share")->ratio, 0.5, 0.02);
    assert_non_null(strstr(f->title, "up to 50 % of one's time"));
    assert_near(f->total_ns, 1300 * MS, 0.001);
    scene_end(&scene);
}

static bool convoy_of(uint64_t acquisitions, uint32_t waiters, uint64_t turn_ns)
{
    struct trace_builder *b = scene_process(PID);
    uint32_t waiting = scene_stack(b, PC_HANDLE, PC_MAIN), owning = scene_stack(b, PC_RENDER, PC_MAIN);
    uint32_t lock = builder_lock(b, LOCK_A, "mutex");
    builder_thread(b, OWNER, "owner", T0);
    for (uint64_t i = 0; i < 200; i++) {
        locks_left(b, OWNER, T0 + i * 20 * MS, turn_ns, lock, owning, waiters);
        builder_wait(b, PID, T0 + i * 20 * MS, 10 * MS, C_MUTEX, lock, waiting, 0);
    }
    locks_taken(b, OWNER, T0 + SEC, MS, acquisitions, lock);
    builder_end(b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    bool found = false;
    for (size_t i = 0; i < f->evidence_count; i++)
        found |= strcmp(f->evidence[i].key, "convoy") == 0;
    scene_end(&scene);
    return found;
}

static void convoy_is_a_queue_without_a_slow_owner(void **state)
{
    (void)state;
    assert_true(convoy_of(300, 5, 2 * MS));
    assert_false(convoy_of(300, 5, 9 * MS));   /* the owner is slow */
    assert_false(convoy_of(300, 1, 2 * MS));   /* no queue */
    assert_false(convoy_of(30000, 5, 2 * MS)); /* most get it at once */
}

static size_t findings_of(struct trace_builder *b)
{
    struct scene scene = scene_run(NULL, b, NULL);
    size_t count = scene_count(&scene, RULE);
    scene_end(&scene);
    return count;
}

static void little_waiting_is_no_finding(void **state)
{
    uint32_t lock;
    (void)state;
    assert_int_equal(findings_of(program(&lock, "mutex", C_MUTEX, 50)), 0); /* 5 % of its time */
    assert_int_equal(findings_of(program(&lock, "mutex", C_MUTEX, 150)), 1);
}

static void conditions_are_not_held(void **state)
{
    uint32_t lock;
    (void)state;
    assert_int_equal(findings_of(program(&lock, "condition", C_COND_WAIT, 200)), 0);
}

/* A semaphore that nobody had when it was posted tells something. */
static void signals_are_no_locks(void **state)
{
    uint32_t lock;
    (void)state;
    assert_int_equal(findings_of(program(&lock, "semaphore", C_SEM, 200)), 1);
    struct trace_builder *b = scene_process(PID);
    lock = builder_lock(b, LOCK_A, "semaphore");
    scene_waits(b, PID, C_SEM, lock, scene_stack(b, PC_HANDLE), 0, 200, 10 * MS, SEC, 9 * SEC);
    builder_end(b, T0 + 10 * SEC, 0);
    assert_int_equal(findings_of(b), 0);
}

/* Two threads that compute in Python lose a fifth of their time to each other: as it must be. */
static void interpreter_lock_has_its_own_limit(void **state)
{
    uint32_t lock;
    (void)state;
    assert_int_equal(findings_of(program(&lock, "GIL", C_COND, 200)), 0);
    assert_int_equal(findings_of(program(&lock, "GIL", C_COND, 400)), 1);
}

/* CPython asks again every 5 ms: one long wait is many calls. */
static void long_wait_for_interpreter_lock_found(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t owning = scene_stack(b, PC_VIEW_GET), waiting = scene_stack(b, PC_PYTHON_GIL, PC_VIEW_POST);
    uint32_t lock = builder_lock(b, LOCK_A, "GIL");
    builder_thread(b, OWNER, "owner", T0);
    for (uint64_t i = 0; i < 60; i++) {
        bool last = i == 59;
        if (last)
            locks_context(b, PID, T0 + SEC + i * 5 * MS, 0, OWNER, owning);
        builder_wait(b, PID, T0 + SEC + i * 5 * MS, 5 * MS, C_COND, lock, waiting, last ? 0 : WAIT_FAILED);
    }
    builder_end(b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_non_null(strstr(scene_evidence(f, "owner")->string, "View.get"));
    assert_non_null(strstr(scene_evidence(f, "not_released")->string, "300 ms"));
    scene_end(&scene);
}

/* What Python itself called is named, not where that was at the moment; of several calls the worst. */
static void call_that_keeps_the_interpreter_lock_is_named(void **state)
{
    uint32_t lock;
    (void)state;
    struct trace_builder *b = program(&lock, "GIL", C_COND, 400);
    uint32_t worst = scene_stack(b, PC_PARSE, PC_MYSQL_C, PC_VIEW_GET), same = scene_stack(b, PC_MYSQL_C, PC_VIEW_GET);
    uint32_t python = scene_stack(b, PC_PARSE, PC_RENDER, PC_VIEW_POST);
    for (uint64_t i = 0; i < 10; i++) {
        uint32_t stack = i < 4 ? worst : i < 8 ? same : python;
        builder_cpu(b, OWNER, T0 + SEC + i * 10 * MS, 0, 10 * MS, stack)->flags = i == 9 ? 0 : CPU_GIL;
    }
    struct scene scene = scene_run(NULL, b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    const struct finding_stack *last = &f->stacks[f->stack_count - 1];
    const char *call = scene_evidence(f, "call")->string;
    assert_non_null(strstr(f->title, call));
    assert_string_equal(call,
                        "_mysql.cpython-311-x86_64-linux-gnu.so"); /* its function has no name; parse is another's */
    assert_non_null(strstr(scene_evidence(f, "call_from")->string, "View.get"));
    assert_near(scene_evidence(f, "call_share")->ratio, 8.0 / 9, 0.01);
    assert_string_equal(last->role, "does not release the GIL");
    assert_int_equal(last->count, 8);
    scene_end(&scene);
}

/* The same place in many objects is one lock by name, and one finding. */
static void objects_of_one_place_are_one_class(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t born = scene_stack(b, PC_PARSE, PC_MAIN), waiting = scene_stack(b, PC_HANDLE, PC_MAIN);
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t lock = builder_lock(b, 0x7f0000000000 + i * 64, "mutex");
        locks_birth(b, lock, born);
        scene_waits(b, PID, C_MUTEX, lock, waiting, 0, 50, 10 * MS, (1 + 2 * i) * SEC, (2 + 2 * i) * SEC);
    }
    builder_end(b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_string_equal(scene_evidence(f, "lock")->string, "mutex of parse (parse.c:5)");
    assert_near(f->total_ns, 2 * SEC, 0.001);
    assert_int_equal(scene.report->locks[0].instances, 4);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convoy_is_a_queue_without_a_slow_owner),
        cmocka_unit_test(waits_and_owner_are_named),
        cmocka_unit_test(call_that_keeps_the_interpreter_lock_is_named),
        cmocka_unit_test(the_thread_that_is_hurt_most_is_named),
        cmocka_unit_test(little_waiting_is_no_finding),
        cmocka_unit_test(conditions_are_not_held),
        cmocka_unit_test(signals_are_no_locks),
        cmocka_unit_test(interpreter_lock_has_its_own_limit),
        cmocka_unit_test(long_wait_for_interpreter_lock_found),
        cmocka_unit_test(objects_of_one_place_are_one_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
