/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/scene.h"

#define RULE "loop-stall"
#define PID 100

struct server {
    struct trace_builder *b;
    uint32_t waitset;
};

static struct server server_new(void)
{
    struct server s = {.b = scene_process(PID)};
    uint32_t stack = scene_stack(s.b, PC_EPOLL_LOOP, PC_MAIN);
    s.waitset = scene_loop(s.b, PID, PC_EPOLL_LOOP, C_EPOLL, stack, 100 * MS, 10 * SEC, 101, 50 * MS);
    builder_end(s.b, T0 + 10 * SEC, 0);
    return s;
}

static void turn_on_cpu(struct server *s, uint64_t begin, uint64_t duration, const uint32_t *stacks, size_t count)
{
    builder_turn(s->b, PID, T0 + begin, duration, s->waitset)->cpu_ns = duration - MS;
    for (size_t i = 0; i < count; i++)
        builder_cpu(s->b, PID, T0 + begin + (i + 1) * 10 * MS, T0 + begin, (i + 1) * 10 * MS, stacks[i]);
}

static size_t findings_of(struct server *s)
{
    struct scene scene = scene_run(NULL, s->b, NULL);
    size_t count = scene_count(&scene, RULE);
    scene_end(&scene);
    return count;
}

static void computing_turn_names_what_its_samples_share(void **state)
{
    (void)state;
    struct server s = server_new();
    uint32_t stacks[] = {scene_stack(s.b, PC_PARSE, PC_HANDLE, PC_EPOLL_LOOP, PC_MAIN),
                         scene_stack(s.b, PC_RENDER, PC_HANDLE, PC_EPOLL_LOOP, PC_MAIN),
                         scene_stack(s.b, PC_HANDLE, PC_EPOLL_LOOP, PC_MAIN),
                         scene_stack(s.b, PC_CONNECT_UPSTREAM, PC_EPOLL_LOOP, PC_MAIN)};
    turn_on_cpu(&s, SEC, 200 * MS, stacks, 4);
    turn_on_cpu(&s, 2 * SEC, 300 * MS, stacks, 3);
    struct scene scene = scene_run(NULL, s.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->severity, SEVERITY_WARNING);
    assert_int_equal(f->count, 2);
    assert_int_equal(f->total_ns, 500 * MS);
    assert_int_equal(f->max_ns, 300 * MS);
    assert_string_equal(f->title,
                        "2 turns of the epoll loop took up to 300 ms, computing in handle_request (/src/server.c:42)");
    assert_string_equal(scene_evidence(f, "cause")->string, "on CPU");
    assert_int_equal(scene_evidence(f, "on_cpu_ns")->u64, 498 * MS);
    assert_string_equal(f->stacks[0].role, "on CPU");
    assert_int_equal(f->first_real_ns, BUILDER_START_REAL + SEC);
    scene_end(&scene);
}

static void blocked_turn_names_the_wait(void **state)
{
    (void)state;
    struct server s = server_new();
    uint32_t database = builder_endpoint(s.b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:3306");
    uint32_t stack = scene_stack(s.b, PC_MARIADB, PC_HANDLE, PC_EPOLL_LOOP, PC_MAIN);
    builder_turn(s.b, PID, T0 + SEC, 250 * MS, s.waitset)->blocked_ns = 240 * MS;
    builder_wait(s.b, PID, T0 + SEC + MS, 240 * MS, C_POLL, database, stack, 0);
    struct scene scene = scene_run(NULL, s.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE), *cause = scene_finding(&scene, "non-yielding-io");
    char expected[160];
    snprintf(expected, sizeof(expected),
             "1 turn of the epoll loop took 250 ms, blocked by libmariadb.so.3 (see non-yielding-io %016llx)",
             (unsigned long long)cause->id);
    assert_string_equal(f->title, expected);
    assert_string_equal(f->peer->address, "127.0.0.1:3306");
    assert_int_equal(scene_evidence(f, "blocked_ns")->u64, 240 * MS);
    assert_ptr_equal(&scene.report->findings[1], f); /* the error comes first */
    scene_end(&scene);
}

static void threshold_has_two_sides(void **state)
{
    (void)state;
    struct server above = server_new(), below = server_new();
    uint32_t stack = scene_stack(above.b, PC_PARSE, PC_HANDLE);
    turn_on_cpu(&above, SEC, 100 * MS, &stack, 1);
    stack = scene_stack(below.b, PC_PARSE, PC_HANDLE);
    turn_on_cpu(&below, SEC, 99 * MS, &stack, 1);
    assert_int_equal(findings_of(&above), 1);
    assert_int_equal(findings_of(&below), 0);
}

static void different_code_is_a_different_problem(void **state)
{
    (void)state;
    struct server s = server_new();
    uint32_t parse = scene_stack(s.b, PC_PARSE, PC_HANDLE), render = scene_stack(s.b, PC_RENDER, PC_HANDLE);
    turn_on_cpu(&s, SEC, 200 * MS, &parse, 1);
    turn_on_cpu(&s, 2 * SEC, 200 * MS, &render, 1);
    assert_int_equal(findings_of(&s), 2);
}

static void start_up_turn_not_found(void **state)
{
    (void)state;
    struct server s = server_new();
    uint32_t stack = scene_stack(s.b, PC_PARSE, PC_MAIN);
    turn_on_cpu(&s, 105 * MS, 500 * MS, &stack, 1); /* the loop's first wait began at 100 ms and did not wait */
    assert_int_equal(findings_of(&s), 0);
}

static void turn_of_no_loop_not_found(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t waitset = builder_waitset(b, PC_POSTGRES, 0);
    builder_site(b, PID, waitset)->max_fds = 3;
    builder_turns(b, PID, MS, 100, waitset);
    builder_turn(b, PID, T0 + SEC, 500 * MS, waitset);
    struct scene scene = scene_run(NULL, b, NULL);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);
}

static void unsampled_computing_turn_is_found_without_place(void **state)
{
    (void)state;
    struct server s = server_new();
    turn_on_cpu(&s, SEC, 200 * MS, NULL, 0);
    struct scene scene = scene_run(NULL, s.b, NULL);
    assert_string_equal(scene_evidence(scene_finding(&scene, RULE), "cause")->string, "unknown, on CPU");
    scene_end(&scene);
}

/* A machine that is short of CPU makes turns long through no fault of the program. */
static void descheduled_turn_has_its_own_threshold(void **state)
{
    (void)state;
    struct server below = server_new(), above = server_new();
    builder_turn(below.b, PID, T0 + SEC, 900 * MS, below.waitset)->cpu_ns = 10 * MS;
    builder_turn(above.b, PID, T0 + SEC, 1100 * MS, above.waitset)->cpu_ns = 10 * MS;
    assert_int_equal(findings_of(&below), 0);
    assert_int_equal(findings_of(&above), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(computing_turn_names_what_its_samples_share),
        cmocka_unit_test(blocked_turn_names_the_wait),
        cmocka_unit_test(threshold_has_two_sides),
        cmocka_unit_test(different_code_is_a_different_problem),
        cmocka_unit_test(start_up_turn_not_found),
        cmocka_unit_test(turn_of_no_loop_not_found),
        cmocka_unit_test(unsampled_computing_turn_is_found_without_place),
        cmocka_unit_test(descheduled_turn_has_its_own_threshold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
