/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/scene.h"

#define RULE "gil-held-io"
#define PID 100

/* A Python process with two threads; the second one computes in Python. */
struct program {
    struct trace_builder *b;
    uint32_t peer, stack;
};

static uint32_t python_stack(struct trace_builder *b, uint64_t pc)
{
    uint32_t code = builder_code(b, "View.get", "/srv/app/views.py", 1, 0x030b, NULL, 0);
    uint64_t python[] = {PY_FRAME(1, code, 0)};
    return builder_stack(b, STACK_COMPLETE, 0, (uint64_t[]){pc, PC_VIEW_GET}, 2, python, 1);
}

static struct program program_new(int threads)
{
    struct program p = {.b = scene_process(PID)};
    builder_process(p.b, "/usr/bin/python3.11", "python3", "python3 app.py");
    p.peer = builder_endpoint(p.b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:5432");
    p.stack = python_stack(p.b, PC_UNKNOWN_LIB);
    for (int i = 1; i < threads; i++) {
        builder_thread(p.b, (uint32_t)(PID + i), "worker", T0 + SEC);
        builder_wait(p.b, (uint32_t)(PID + i), T0 + 2 * SEC, 2 * MS, C_COND, 0, python_stack(p.b, PC_PYTHON_GIL), 0);
    }
    builder_wait(p.b, PID, T0 + 9900 * MS, 10 * MS, C_RECV, p.peer, p.stack, 0); /* the GIL released: fine */
    builder_end(p.b, T0 + 10 * SEC, 0);
    return p;
}

static size_t findings_of(struct program *p)
{
    struct scene scene = scene_run(NULL, p->b, NULL);
    size_t count = scene_count(&scene, RULE);
    scene_end(&scene);
    return count;
}

static void waits_with_the_lock_held_found(void **state)
{
    (void)state;
    struct program p = program_new(2);
    scene_waits(p.b, PID, C_RECV, p.peer, p.stack, WAIT_GIL_HELD, 100, 10 * MS, 2 * SEC, 9 * SEC);
    struct scene scene = scene_run(NULL, p.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->severity, SEVERITY_ERROR);
    assert_near(f->total_ns, SEC, 0.001);
    assert_near(f->count, 100, 0.001);
    assert_false(f->thread.loop);
    assert_string_equal(f->peer->address, "127.0.0.1:5432");
    assert_string_equal(f->stacks[0].role, "holding the GIL");
    assert_int_equal(scene_evidence(f, "python_threads")->u64, 2);
    assert_string_equal(scene_evidence(f, "driver")->string, "libfetch.so.1");
    scene_end(&scene);
}

static void lock_released_not_found(void **state)
{
    (void)state;
    struct program p = program_new(2);
    scene_waits(p.b, PID, C_RECV, p.peer, p.stack, 0, 100, 10 * MS, 2 * SEC, 9 * SEC);
    assert_int_equal(findings_of(&p), 0);
}

static void nobody_else_to_stop(void **state)
{
    (void)state;
    struct program alone = program_new(1), early = program_new(2);
    scene_waits(alone.b, PID, C_RECV, alone.peer, alone.stack, WAIT_GIL_HELD, 100, 10 * MS, 2 * SEC, 9 * SEC);
    assert_int_equal(findings_of(&alone), 0);
    /* before the second thread started */
    scene_waits(early.b, PID, C_RECV, early.peer, early.stack, WAIT_GIL_HELD, 10, 60 * MS, 0, 900 * MS);
    assert_int_equal(findings_of(&early), 0);
}

static void share_threshold_has_two_sides(void **state)
{
    (void)state;
    struct program above = program_new(2), below = program_new(2); /* of 9.9 s: 1 % is 99 ms */
    scene_waits(above.b, PID, C_RECV, above.peer, above.stack, WAIT_GIL_HELD, 10, 10200 * US, 2 * SEC, 9 * SEC);
    scene_waits(below.b, PID, C_RECV, below.peer, below.stack, WAIT_GIL_HELD, 10, 9800 * US, 2 * SEC, 9 * SEC);
    assert_int_equal(findings_of(&above), 1);
    assert_int_equal(findings_of(&below), 0);
}

static void single_threshold_has_two_sides(void **state)
{
    (void)state;
    struct program above = program_new(2), below = program_new(2);
    builder_wait(above.b, PID, T0 + 3 * SEC, 50 * MS, C_RECV, above.peer, above.stack, WAIT_GIL_HELD);
    builder_wait(below.b, PID, T0 + 3 * SEC, 49 * MS, C_RECV, below.peer, below.stack, WAIT_GIL_HELD);
    assert_int_equal(findings_of(&above), 1);
    assert_int_equal(findings_of(&below), 0);
}

static void fork_and_files_not_found(void **state)
{
    (void)state;
    struct program p = program_new(2);
    uint32_t file = builder_endpoint(p.b, ENDPOINT_FILE, ROLE_NONE, "/srv/app/data");
    scene_waits(p.b, PID, C_FORK, 0, p.stack, WAIT_GIL_HELD, 50, 10 * MS, 2 * SEC, 9 * SEC);
    scene_waits(p.b, PID, C_READ, file, p.stack, WAIT_GIL_HELD, 50, 10 * MS, 2 * SEC, 9 * SEC);
    assert_int_equal(findings_of(&p), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_with_the_lock_held_found),
        cmocka_unit_test(lock_released_not_found),
        cmocka_unit_test(nobody_else_to_stop),
        cmocka_unit_test(share_threshold_has_two_sides),
        cmocka_unit_test(single_threshold_has_two_sides),
        cmocka_unit_test(fork_and_files_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
