/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/scene.h"

#define RULE "lock-order-inversion"
#define PID 100
#define T1 101
#define T2 102
#define T3 103

struct program {
    struct trace_builder *b;
    uint32_t a, c, d, b_lock; /* locks */
    uint32_t parse, render, handle;
};

static struct program program_new(const char *kind)
{
    struct program p = {.b = scene_process(PID)};
    p.a = builder_lock(p.b, LOCK_A, kind);
    p.b_lock = builder_lock(p.b, LOCK_B, kind);
    p.c = builder_lock(p.b, LOCK_C, kind);
    p.d = builder_lock(p.b, LOCK_D, kind);
    p.parse = scene_stack(p.b, PC_PARSE, PC_MAIN);
    p.render = scene_stack(p.b, PC_RENDER, PC_MAIN);
    p.handle = scene_stack(p.b, PC_HANDLE, PC_MAIN);
    for (uint32_t tid = T1; tid <= T3; tid++)
        builder_thread(p.b, tid, "worker", T0);
    builder_end(p.b, T0 + 10 * SEC, 0);
    return p;
}

/* Thread `tid` asks for `to` while it holds `from`, and only that. */
static void order(struct program *p, uint32_t tid, uint32_t from, uint32_t to, uint32_t stack, uint16_t flags)
{
    locks_order(p->b, tid, from, to, locks_held(p->b, PC_MAIN, (flags & ORDER_FROM_SHARED) != 0, from), stack, flags);
}

static size_t findings_of(struct program *p)
{
    struct scene scene = scene_run(NULL, p->b, NULL);
    size_t count = scene_count(&scene, RULE);
    scene_end(&scene);
    return count;
}

static void conflicting_order_names_both_sides(void **state)
{
    (void)state;
    struct program p = program_new("mutex");
    order(&p, T1, p.a, p.b_lock, p.parse, 0);
    order(&p, T2, p.b_lock, p.a, p.render, 0);
    struct scene scene = scene_run(NULL, p.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->severity, SEVERITY_ERROR);
    assert_non_null(strstr(f->title, "lock_a and lock_b are taken in conflicting order"));
    assert_int_equal(f->stack_count, 2);
    assert_string_equal(f->stacks[0].role, "takes lock_b while holding lock_a since main (/src/server.c:120)");
    assert_string_equal(f->stacks[0].stack->frames[0].function, "parse");
    assert_string_equal(f->stacks[1].stack->frames[0].function, "render");
    scene_end(&scene);
}

static void one_order_is_no_finding(void **state)
{
    (void)state;
    struct program p = program_new("mutex");
    order(&p, T1, p.a, p.b_lock, p.parse, 0);
    order(&p, T2, p.b_lock, p.c, p.render, 0);
    order(&p, T2, p.a, p.c, p.render, 0);
    assert_int_equal(findings_of(&p), 0);
}

static void circle_of_three_is_found_once(void **state)
{
    (void)state;
    struct program p = program_new("mutex");
    order(&p, T1, p.c, p.a, p.parse, 0);
    order(&p, T2, p.a, p.b_lock, p.render, 0);
    order(&p, T3, p.b_lock, p.c, p.handle, 0);
    order(&p, T3, p.c, p.d, p.handle, 0); /* leads out of the circle */
    struct scene scene = scene_run(NULL, p.b, NULL);
    assert_int_equal(scene_evidence(scene_finding(&scene, RULE), "locks")->u64, 3);
    scene_end(&scene);
}

/* Both threads hold lock_c meanwhile: they cannot be there at the same time, unless both have it for reading. */
static void gate_lock_is_understood(void **state)
{
    (void)state;
    for (unsigned reading = 0; reading < 2; reading++) {
        struct program p = program_new("rwlock");
        locks_order(p.b, T1, p.a, p.b_lock, locks_held(p.b, PC_MAIN, reading, p.c, p.a), p.parse, 0);
        locks_order(p.b, T2, p.b_lock, p.a, locks_held(p.b, PC_MAIN, reading, p.c, p.b_lock), p.render, 0);
        assert_int_equal(findings_of(&p), reading);
    }
}

static void readers_do_not_wait_for_readers(void **state)
{
    (void)state;
    struct program p = program_new("rwlock");
    order(&p, T1, p.a, p.b_lock, p.parse, ORDER_FROM_SHARED | ORDER_TO_SHARED);
    order(&p, T2, p.b_lock, p.a, p.render, ORDER_FROM_SHARED | ORDER_TO_SHARED);
    assert_int_equal(findings_of(&p), 0);
    p = program_new("rwlock");
    order(&p, T1, p.a, p.b_lock, p.parse, ORDER_FROM_SHARED);
    order(&p, T2, p.b_lock, p.a, p.render, ORDER_FROM_SHARED);
    assert_int_equal(findings_of(&p), 1);
}

static void one_thread_cannot_wait_for_itself(void **state)
{
    (void)state;
    struct program p = program_new("mutex");
    order(&p, T1, p.a, p.b_lock, p.parse, 0);
    order(&p, T1, p.b_lock, p.a, p.render, 0);
    assert_int_equal(findings_of(&p), 0);
    p = program_new("mutex"); /* but another one takes both as well */
    order(&p, T1, p.a, p.b_lock, p.parse, 0);
    order(&p, T1, p.b_lock, p.a, p.render, 0);
    for (uint32_t tid = T1; tid <= T2; tid++) {
        locks_taken(p.b, tid, T0 + SEC, US, 10, p.a);
        locks_taken(p.b, tid, T0 + SEC, US, 10, p.b_lock);
    }
    assert_int_equal(findings_of(&p), 1);
}

/* The second time the order was seen without the gate. */
static void one_way_around_the_gate_is_enough(void **state)
{
    (void)state;
    struct program p = program_new("mutex");
    locks_order(p.b, T1, p.a, p.b_lock, locks_held(p.b, PC_MAIN, 0, p.c, p.a), p.parse, 0);
    locks_order(p.b, T2, p.b_lock, p.a, locks_held(p.b, PC_MAIN, 0, p.c, p.b_lock), p.render, 0);
    locks_order(p.b, T2, p.b_lock, p.a, locks_held(p.b, PC_MAIN, 0, p.d, p.b_lock), p.handle, 0);
    locks_order(p.b, T2, p.b_lock, p.a, locks_held(p.b, PC_MAIN, 0, p.b_lock), p.handle, 0);
    struct scene scene = scene_run(NULL, p.b, NULL);
    assert_int_equal(scene_finding(&scene, RULE)->count, 1);
    scene_end(&scene);
}

/* A process that has one thread cannot hang; two threads of the same code could. */
static void what_one_thread_did_alone(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 2; threads++) {
        struct trace_builder *b = scene_process(PID);
        uint32_t first = builder_lock(b, LOCK_A, "mutex"), second = builder_lock(b, LOCK_B, "mutex");
        uint32_t stack = scene_stack(b, PC_PARSE, PC_MAIN);
        if (threads > 1)
            builder_thread(b, T1, "worker", T0);
        locks_order(b, PID, first, second, locks_held(b, PC_MAIN, 0, first), stack, ORDER_ALONE);
        locks_order(b, PID, second, first, locks_held(b, PC_MAIN, 0, second), stack, ORDER_ALONE);
        builder_end(b, T0 + SEC, 0);
        struct scene scene = scene_run(NULL, b, NULL);
        assert_int_equal(scene_count(&scene, RULE), threads == 1);
        if (threads == 1)
            assert_int_equal(scene_finding(&scene, RULE)->severity, SEVERITY_WARNING);
        scene_end(&scene);
    }
}

#define LONG 24

static void long_circle_is_found_once(void **state)
{
    struct program p = program_new("mutex");
    uint32_t locks[LONG];
    (void)state;
    for (unsigned i = 0; i < LONG; i++)
        locks[i] = builder_lock(p.b, 0x6000000 + i * 64, "mutex");
    for (unsigned i = 0; i < LONG; i++)
        order(&p, i % 2 ? T1 : T2, locks[i], locks[(i + 1) % LONG], p.parse, 0);
    struct scene scene = scene_run(NULL, p.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->count, 1);
    assert_int_equal(scene_evidence(f, "locks")->u64, LONG);
    scene_end(&scene);
}

static void time_limit_makes_it_a_warning(void **state)
{
    (void)state;
    struct program p = program_new("mutex");
    order(&p, T1, p.a, p.b_lock, p.parse, ORDER_TIMED);
    order(&p, T2, p.b_lock, p.a, p.render, 0);
    struct scene scene = scene_run(NULL, p.b, NULL);
    assert_int_equal(scene_finding(&scene, RULE)->severity, SEVERITY_WARNING);
    scene_end(&scene);
}

/* Objects of one kind: any two of them are one problem. */
static void same_places_are_one_finding(void **state)
{
    (void)state;
    struct program p = program_new("mutex");
    order(&p, T1, p.a, p.b_lock, p.parse, 0);
    order(&p, T2, p.b_lock, p.a, p.parse, 0);
    order(&p, T1, p.c, p.d, p.parse, 0);
    order(&p, T2, p.d, p.c, p.parse, 0);
    struct scene scene = scene_run(NULL, p.b, NULL);
    assert_int_equal(scene_finding(&scene, RULE)->count, 2);
    scene_end(&scene);
}

static void deadlock_replaces_its_order(void **state)
{
    (void)state;
    struct program p = program_new("mutex");
    order(&p, T1, p.a, p.b_lock, p.parse, 0);
    order(&p, T2, p.b_lock, p.a, p.render, 0);
    locks_wanted(builder_thread(p.b, 201, "one", T0), T0 + 2 * SEC, p.b_lock, locks_held(p.b, PC_MAIN, 0, p.a),
                 p.parse);
    locks_wanted(builder_thread(p.b, 202, "two", T0), T0 + 3 * SEC, p.a, locks_held(p.b, PC_MAIN, 0, p.b_lock),
                 p.render);
    struct scene scene = scene_run(NULL, p.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->severity, SEVERITY_ERROR);
    assert_non_null(strstr(f->title, "Deadlock: 2 threads"));
    assert_int_equal(f->total_ns, 7 * SEC);
    assert_int_equal(f->stack_count, 2);
    assert_non_null(strstr(f->stacks[0].role, "waits for lock_b while holding lock_a"));
    scene_end(&scene);
}

static void waiting_behind_another_is_no_deadlock(void **state)
{
    (void)state;
    struct program p = program_new("mutex");
    locks_wanted(builder_thread(p.b, 201, "one", T0), T0 + 2 * SEC, p.b_lock, locks_held(p.b, PC_MAIN, 0, p.a),
                 p.parse);
    locks_wanted(builder_thread(p.b, 202, "two", T0), T0 + 3 * SEC, p.c, locks_held(p.b, PC_MAIN, 0, p.b_lock),
                 p.render);
    assert_int_equal(findings_of(&p), 0);
}

static void own_lock_is_a_deadlock(void **state)
{
    (void)state;
    struct program p = program_new("mutex");
    locks_wanted(builder_thread(p.b, 201, "one", T0), T0 + 2 * SEC, p.a, locks_held(p.b, PC_MAIN, 0, p.a), p.parse);
    struct scene scene = scene_run(NULL, p.b, NULL);
    assert_string_equal(scene_finding(&scene, RULE)->title, "Deadlock: one waits for lock_a, which it holds itself");
    scene_end(&scene);
}

/* A second process with the same two files. */
static struct trace_builder *files_of(uint32_t pid, bool reversed, bool hangs)
{
    struct trace_builder *b = scene_process(pid);
    uint32_t one = builder_endpoint(b, ENDPOINT_FILE, ROLE_NONE, "/srv/one");
    uint32_t two = builder_endpoint(b, ENDPOINT_FILE, ROLE_NONE, "/srv/two");
    uint32_t from = reversed ? two : one, to = reversed ? one : two;
    uint32_t set = locks_held(b, PC_MAIN, 0, from), stack = scene_stack(b, reversed ? PC_RENDER : PC_PARSE, PC_MAIN);
    locks_order(b, pid, from, to, set, stack, ORDER_ALONE);
    if (hangs)
        locks_wanted(builder_thread(b, pid + 1, "hangs", T0), T0 + SEC, to, set, stack);
    builder_end(b, T0 + 10 * SEC, 0);
    return b;
}

static void processes_share_files(void **state)
{
    (void)state;
    struct scene scene = scene_run(NULL, files_of(PID, false, false), files_of(PID + 50, true, false), NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->severity, SEVERITY_ERROR); /* each alone, but they are two */
    assert_non_null(strstr(f->title, "/srv/one and /srv/two are taken in conflicting order"));
    scene_end(&scene);
    scene = scene_run(NULL, files_of(PID, false, false), files_of(PID + 50, false, false), NULL);
    assert_int_equal(scene_count(&scene, RULE), 0);
    scene_end(&scene);
}

static void processes_hang_together(void **state)
{
    (void)state;
    struct scene scene = scene_run(NULL, files_of(PID, false, true), files_of(PID + 50, true, true), NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_string_equal(f->title,
                        "Deadlock: 2 threads of several processes wait for each other's locks: /srv/two and /srv/one");
    assert_non_null(strstr(f->stacks[0].role, "waits for /srv/two while holding /srv/one"));
    assert_non_null(strstr(f->stacks[1].role, "waits for /srv/one while holding /srv/two"));
    scene_end(&scene);
}

/* The same addresses in two processes are two locks. */
static void processes_have_their_own_mutexes(void **state)
{
    struct trace_builder *builders[2];
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct trace_builder *b = builders[i] = scene_process(PID + 50 * i);
        uint32_t a = builder_lock(b, LOCK_A, "mutex"), c = builder_lock(b, LOCK_B, "mutex");
        uint32_t from = i ? c : a, to = i ? a : c;
        locks_order(b, PID + 50 * i, from, to, locks_held(b, PC_MAIN, 0, from), scene_stack(b, PC_PARSE), 0);
        builder_end(b, T0 + SEC, 0);
    }
    struct scene scene = scene_run(NULL, builders[0], builders[1], NULL);
    assert_int_equal(scene_count(&scene, RULE), 0);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_share_files),
        cmocka_unit_test(processes_hang_together),
        cmocka_unit_test(processes_have_their_own_mutexes),
        cmocka_unit_test(conflicting_order_names_both_sides),
        cmocka_unit_test(one_order_is_no_finding),
        cmocka_unit_test(circle_of_three_is_found_once),
        cmocka_unit_test(gate_lock_is_understood),
        cmocka_unit_test(one_way_around_the_gate_is_enough),
        cmocka_unit_test(what_one_thread_did_alone),
        cmocka_unit_test(long_circle_is_found_once),
        cmocka_unit_test(readers_do_not_wait_for_readers),
        cmocka_unit_test(one_thread_cannot_wait_for_itself),
        cmocka_unit_test(time_limit_makes_it_a_warning),
        cmocka_unit_test(same_places_are_one_finding),
        cmocka_unit_test(deadlock_replaces_its_order),
        cmocka_unit_test(waiting_behind_another_is_no_deadlock),
        cmocka_unit_test(own_lock_is_a_deadlock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
