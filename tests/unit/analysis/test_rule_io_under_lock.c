/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/scene.h"

#define RULE "io-under-lock"
#define PID 100
#define OWNER 101
#define MIDDLE 102

struct program {
    struct trace_builder *b;
    uint32_t pool, connection; /* locks */
    uint32_t holds_pool, holds_connection;
    uint32_t peer, asking, waiting;
};

static struct program program_new(void)
{
    struct program p = {.b = scene_process(PID)};
    p.pool = builder_lock(p.b, LOCK_A, "mutex");
    p.connection = builder_lock(p.b, LOCK_B, "mutex");
    p.holds_pool = locks_held(p.b, PC_MAIN, 0, p.pool);
    p.holds_connection = locks_held(p.b, PC_MAIN, 0, p.connection);
    p.peer = builder_endpoint(p.b, ENDPOINT_INET, ROLE_CLIENT, "10.0.0.5:3306");
    p.asking = scene_stack(p.b, PC_CONNECT_UPSTREAM, PC_MAIN);
    p.waiting = scene_stack(p.b, PC_HANDLE, PC_MAIN);
    builder_thread(p.b, OWNER, "owner", T0);
    builder_thread(p.b, MIDDLE, "middle", T0);
    builder_end(p.b, T0 + 10 * SEC, 0);
    return p;
}

/* The owner waits for its peer, `set` held, from `begin` ms after T0 on, for `ms`. */
static void io(struct program *p, uint64_t begin, uint64_t ms, uint32_t set, uint16_t call, uint16_t flags)
{
    locks_context(p->b, OWNER, T0 + begin * MS, set, 0, 0);
    builder_wait(p->b, OWNER, T0 + begin * MS, ms * MS, call, p->peer, p->asking, flags);
}

static void wait_for(struct program *p, uint32_t tid, uint64_t begin, uint64_t ms, uint32_t lock, uint32_t set)
{
    locks_context(p->b, tid, T0 + begin * MS, set, OWNER, 0);
    builder_wait(p->b, tid, T0 + begin * MS, ms * MS, C_MUTEX, lock, p->waiting, 0);
}

static size_t findings_of(struct program *p)
{
    struct scene scene = scene_run(NULL, p->b, NULL);
    size_t count = scene_count(&scene, RULE);
    scene_end(&scene);
    return count;
}

static void waiters_are_charged_to_the_query(void **state)
{
    (void)state;
    struct program p = program_new();
    for (uint64_t i = 0; i < 10; i++) {
        io(&p, 1000 + i * 200, 100, p.holds_pool, C_RECV, 0);
        wait_for(&p, PID, 1000 + i * 200 + 20, 80, p.pool, 0);
    }
    struct scene scene = scene_run(NULL, p.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->severity, SEVERITY_ERROR);
    assert_near(f->total_ns, SEC, 0.001);
    assert_near(scene_evidence(f, "others_waited_ns")->u64, 800 * MS, 0.001);
    assert_int_equal(scene_evidence(f, "others_waits")->u64, 10);
    assert_string_equal(scene_evidence(f, "lock")->string, "lock_a");
    assert_string_equal(f->peer->address, "10.0.0.5:3306");
    assert_string_equal(f->stacks[0].role, "holding the lock");
    assert_string_equal(f->stacks[1].role, "waiting for the lock");
    assert_string_equal(f->stacks[1].stack->frames[0].function, "handle_request");
    assert_int_equal(scene_count(&scene, "lock-contention"), 0); /* one problem, one finding */
    scene_end(&scene);
}

/* The owner of what is waited for waits for a lock whose owner waits for the peer. */
static void chain_ends_at_its_root(void **state)
{
    (void)state;
    struct program p = program_new();
    for (uint64_t i = 0; i < 10; i++) {
        io(&p, 1000 + i * 200, 100, p.holds_connection, C_RECV, 0);
        wait_for(&p, MIDDLE, 1000 + i * 200 + 10, 90, p.connection, p.holds_pool);
        wait_for(&p, PID, 1000 + i * 200 + 20, 80, p.pool, 0);
    }
    struct scene scene = scene_run(NULL, p.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_near(scene_evidence(f, "others_waited_ns")->u64, 1700 * MS, 0.001);
    assert_string_equal(scene_evidence(f, "lock")->string, "lock_b");
    assert_string_equal(scene_evidence(f, "through")->string, "lock_a");
    assert_int_equal(scene_count(&scene, "lock-contention"), 0);
    scene_end(&scene);
}

/* Only the part of a wait that the owner's I/O covers is due to it. */
static void computing_owner_stays_contention(void **state)
{
    (void)state;
    struct program p = program_new();
    for (uint64_t i = 0; i < 20; i++) {
        io(&p, 1000 + i * 200, 10, p.holds_pool, C_RECV, 0);
        wait_for(&p, PID, 1000 + i * 200 + 5, 150, p.pool, 0);
    }
    struct scene scene = scene_run(NULL, p.b, NULL);
    assert_int_equal(scene_count(&scene, "lock-contention"), 1);
    assert_near(scene_evidence(scene_finding(&scene, RULE), "others_waited_ns")->u64, 100 * MS, 0.001);
    scene_end(&scene);
}

static void another_lock_does_not_count(void **state)
{
    (void)state;
    struct program p = program_new();
    for (uint64_t i = 0; i < 10; i++) {
        io(&p, 1000 + i * 200, 100, p.holds_connection, C_RECV, 0);
        wait_for(&p, PID, 1000 + i * 200 + 20, 80, p.pool, 0);
    }
    assert_int_equal(findings_of(&p), 0);
}

/* Readers of one read-write lock do not keep each other from it. */
static void reader_does_not_wait_for_reader(void **state)
{
    (void)state;
    for (unsigned reading = 0; reading < 2; reading++) {
        struct program p = program_new();
        uint32_t set = locks_held(p.b, PC_MAIN, reading, p.pool);
        for (uint64_t i = 0; i < 10; i++) {
            io(&p, 1000 + i * 200, 100, set, C_RECV, 0);
            builder_wait(p.b, PID, T0 + (1000 + i * 200 + 20) * MS, 80 * MS, 116, p.pool, p.waiting, 0);
        }
        assert_int_equal(findings_of(&p), reading ? 0 : 1);
    }
}

/* Leader and followers: whoever has the lock waits for the next event. */
static void waiting_for_work_is_nobodys_fault(void **state)
{
    (void)state;
    struct program p = program_new();
    for (uint64_t i = 0; i < 10; i++) {
        io(&p, 1000 + i * 200, 100, p.holds_pool, 2 /* accept */, 0);
        wait_for(&p, PID, 1000 + i * 200 + 20, 80, p.pool, 0);
    }
    struct scene scene = scene_run(NULL, p.b, NULL);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);
}

/* Nobody waited for the I/O; but the lock is there for I/O, and another thread has waited for it before. */
static void possible_waits_are_a_warning(void **state)
{
    (void)state;
    for (int waits = 0; waits <= 1; waits++) {
        struct program p = program_new();
        for (uint64_t i = 0; i < 20; i++)
            io(&p, 1000 + i * 200, 100, p.holds_pool, C_RECV, 0);
        locks_taken(p.b, OWNER, T0 + SEC, 110 * MS, 20, p.pool);
        locks_taken(p.b, MIDDLE, T0 + SEC, US, 20, p.pool);
        if (waits)
            wait_for(&p, PID, 900, 1, p.pool, 0);
        struct scene scene = scene_run(NULL, p.b, NULL);
        assert_int_equal(scene_count(&scene, RULE), waits);
        if (waits)
            assert_int_equal(scene_finding(&scene, RULE)->severity, SEVERITY_WARNING);
        scene_end(&scene);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiters_are_charged_to_the_query), cmocka_unit_test(chain_ends_at_its_root),
        cmocka_unit_test(computing_owner_stays_contention), cmocka_unit_test(another_lock_does_not_count),
        cmocka_unit_test(reader_does_not_wait_for_reader),  cmocka_unit_test(waiting_for_work_is_nobodys_fault),
        cmocka_unit_test(possible_waits_are_a_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
