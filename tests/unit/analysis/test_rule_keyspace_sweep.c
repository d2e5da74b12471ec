/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/scene.h"

#define RULE "keyspace-sweep"
#define PID 100
#define SCAN 2
#define GET 3
#define KEYS 4
#define MEMBERS 5
#define SCRIPT 6
#define PATTERN 2

#define STEP (REQUEST_NOTABLE | REQUEST_CURSOR)

struct client {
    struct trace_builder *b;
    uint32_t tid, redis, stack;
};

static struct client client_new(uint32_t pid)
{
    struct client c = {.b = scene_process(pid), .tid = pid};
    c.redis = builder_endpoint(c.b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:6379");
    c.stack = scene_stack(c.b, PC_LIBC, PC_REQUESTS, PC_VIEW_POST);
    talk_operation(c.b, SCAN, c.redis, WIRE_REDIS, ROLE_CLIENT, WIRE_CURSOR, "SCAN", "");
    talk_operation(c.b, GET, c.redis, WIRE_REDIS, ROLE_CLIENT, 0, "GET", "");
    talk_operation(c.b, KEYS, c.redis, WIRE_REDIS, ROLE_CLIENT, WIRE_SWEEP, "KEYS", "");
    talk_operation(c.b, MEMBERS, c.redis, WIRE_REDIS, ROLE_CLIENT, WIRE_WHOLE, "SMEMBERS", "");
    talk_operation(c.b, SCRIPT, c.redis, WIRE_REDIS, ROLE_CLIENT, WIRE_SCRIPT, "EVAL", "");
    talk_key(c.b, PATTERN, 77, "meta::*");
    builder_end(c.b, T0 + 60 * SEC, 0);
    return c;
}

static uint16_t asked(unsigned digits)
{
    return (uint16_t)(STEP | digits << REQUEST_ASKED_SHIFT);
}

/* One iteration of `steps` calls of `ns` each, from `at` after T0; odd steps by thread `other`. */
static void iteration(struct client *c, uint64_t at, unsigned steps, uint64_t ns, uint16_t flags, uint32_t elements,
                      uint32_t other)
{
    for (unsigned i = 0; i < steps; i++) {
        struct event_request *e =
            talk_request(c->b, i % 2 ? other : c->tid, T0 + at + i * (ns + US), ns, SCAN, c->stack, flags);
        e->key = PATTERN;
        e->elements = elements;
        e->detail = i == 0 ? 0 : 1000 + i;
        e->detail2 = i + 1 == steps ? 0 : 1001 + i;
    }
}

static size_t findings_of(struct client *c)
{
    struct scene scene = scene_run(NULL, c->b, NULL);
    size_t count = scene_count(&scene, RULE);
    scene_end(&scene);
    return count;
}

static void steps_of_an_iteration_are_one_sweep(void **state)
{
    (void)state;
    struct client c = client_new(PID);
    builder_thread(c.b, PID + 1, "other", T0);
    iteration(&c, SEC, 5, 50 * MS, asked(17), 200, PID + 1);
    struct scene scene = scene_run(NULL, c.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->severity, SEVERITY_WARNING);
    assert_int_equal(f->count, 1);
    assert_int_equal(f->total_ns, 250 * MS);
    assert_int_equal(f->max_ns, 50 * MS);
    assert_string_equal(f->operation, "SCAN meta::*");
    assert_string_equal(f->peer->protocol, "redis");
    assert_string_equal(f->title,
                        "SCAN meta::* from View.post sweeps the key space of redis 127.0.0.1:6379, once, and "
                        "holds it for 250 ms");
    assert_int_equal(scene_evidence(f, "calls")->u64, 5);
    assert_int_equal(scene_evidence(f, "elements")->u64, 1000);
    assert_int_equal(scene_evidence(f, "count_at_least")->u64, 65536);
    assert_int_equal(scene_evidence(f, "complete")->u64, 1);
    assert_int_equal(scene_evidence(f, "longest_sweep_ns")->u64, 250 * MS);
    assert_string_equal(scene_evidence(f, "called_from")->string, "View.post (/srv/app/views.py:61)");
    scene_end(&scene);
}

static void a_small_iteration_is_innocent(void **state)
{
    (void)state;
    struct client c = client_new(PID);
    for (uint64_t i = 0; i < 50; i++)
        iteration(&c, SEC + i * SEC, 12, 5 * MS, asked(4), 10, PID);
    assert_int_equal(findings_of(&c), 0);
}

static void an_iteration_in_small_steps_over_many_keys_is_a_sweep(void **state)
{
    (void)state;
    struct client above = client_new(PID), below = client_new(PID), many = client_new(PID);
    iteration(&above, SEC, 100, 100 * US, asked(4), 1, PID);
    iteration(&below, SEC, 99, 100 * US, asked(4), 1, PID);
    iteration(&many, SEC, 60, 100 * US, asked(7), 90, PID);
    assert_int_equal(findings_of(&above), 1);
    assert_int_equal(findings_of(&below), 0);
    assert_int_equal(findings_of(&many), 1); /* 5,400 keys */
}

/* COUNT is known to its number of binary digits: 1000 has ten. */
static void the_threshold_of_count_has_two_sides(void **state)
{
    (void)state;
    struct client above = client_new(PID), below = client_new(PID);
    iteration(&above, SEC, 1, MS, asked(10), 1, PID);
    iteration(&below, SEC, 1, MS, asked(9), 1, PID);
    assert_int_equal(findings_of(&above), 1);
    assert_int_equal(findings_of(&below), 0);
}

/* Two threads iterate at the same time over the same keys. */
static void iterations_that_overlap_are_told_apart(void **state)
{
    (void)state;
    struct client c = client_new(PID);
    builder_thread(c.b, PID + 1, "other", T0);
    for (unsigned i = 0; i < 5; i++) {
        for (uint32_t j = 0; j < 2; j++) {
            struct event_request *e =
                talk_request(c.b, PID + j, T0 + SEC + i * 20 * MS + j * MS, 10 * MS, SCAN, c.stack, asked(17));
            e->key = PATTERN;
            e->detail = i == 0 ? 0 : 1000 + i;
            e->detail2 = i == 4 ? 0 : 1001 + i;
        }
    }
    struct scene scene = scene_run(NULL, c.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->count, 2);
    assert_int_equal(scene_evidence(f, "complete")->u64, 2);
    assert_int_equal(scene_evidence(f, "calls_per_sweep")->u64, 5);
    scene_end(&scene);
}

static void an_iteration_that_never_ended_counts(void **state)
{
    (void)state;
    struct client c = client_new(PID);
    iteration(&c, SEC, 200, 100 * US, asked(4), 1, PID);
    struct event_request *e = talk_request(c.b, PID, T0 + 2 * SEC, MS, SCAN, c.stack, asked(17));
    e->detail2 = 5;
    struct scene scene = scene_run(NULL, c.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->count, 2);
    assert_int_equal(scene_evidence(f, "complete")->u64, 1);
    scene_end(&scene);
}

static void keys_is_always_a_sweep(void **state)
{
    (void)state;
    struct client c = client_new(PID);
    talk_request(c.b, PID, T0 + SEC, 100 * US, KEYS, c.stack, REQUEST_NOTABLE)->key = PATTERN;
    struct scene scene = scene_run(NULL, c.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_string_equal(f->operation, "KEYS meta::*");
    assert_int_equal(f->max_ns, 100 * US);
    scene_end(&scene);
}

static void collections_are_judged_by_their_size(void **state)
{
    (void)state;
    struct client above = client_new(PID), below = client_new(PID);
    talk_request(above.b, PID, T0 + SEC, MS, MEMBERS, above.stack, REQUEST_NOTABLE)->elements = 5000;
    talk_request(below.b, PID, T0 + SEC, MS, MEMBERS, below.stack, REQUEST_NOTABLE)->elements = 4999;
    assert_int_equal(findings_of(&above), 1);
    assert_int_equal(findings_of(&below), 0);
}

static void scripts_are_judged_by_their_time(void **state)
{
    (void)state;
    struct client above = client_new(PID), below = client_new(PID);
    talk_request(above.b, PID, T0 + SEC, 50 * MS, SCRIPT, above.stack, REQUEST_NOTABLE);
    talk_request(below.b, PID, T0 + SEC, 49 * MS, SCRIPT, below.stack, REQUEST_NOTABLE);
    assert_int_equal(findings_of(&above), 1);
    assert_int_equal(findings_of(&below), 0);
}

static void exact_keys_are_innocent(void **state)
{
    (void)state;
    struct client c = client_new(PID);
    for (uint64_t i = 0; i < 1000; i++)
        talk_request(c.b, PID, T0 + SEC + i * 10 * MS, 5 * MS, GET, c.stack, 0);
    assert_int_equal(findings_of(&c), 0);
}

static void statements_without_where_are_found(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t database = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:3306");
    uint32_t stack = scene_stack(b, PC_MARIADB, PC_DB_EXECUTE, PC_VIEW_POST);
    talk_operation(b, 2, database, WIRE_MYSQL, ROLE_CLIENT, WIRE_UNBOUNDED, "DELETE", "DELETE FROM card");
    talk_operation(b, 3, database, WIRE_MYSQL, ROLE_CLIENT, 0, "DELETE", "DELETE FROM card WHERE id = ?");
    talk_request(b, PID, T0 + SEC, 20 * MS, 2, stack, REQUEST_NOTABLE);
    talk_request(b, PID, T0 + 2 * SEC, 20 * MS, 3, stack, 0);
    builder_end(b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_string_equal(f->operation, "DELETE FROM card");
    assert_non_null(strstr(f->title, "changes every row of a table in mysql 127.0.0.1:3306"));
    scene_end(&scene);
}

/* Two processes and places, neither of which is a storm alone. */
static void many_sweeps_at_once_are_one_storm(void **state)
{
    (void)state;
    struct client one = client_new(PID), two = client_new(PID + 1);
    uint32_t elsewhere = scene_stack(two.b, PC_LIBC, PC_REQUESTS, PC_VIEW_GET);
    for (uint64_t i = 0; i < 8; i++)
        iteration(&one, SEC + i * 400 * MS, 4, 20 * MS, asked(17), 100, PID);
    two.stack = elsewhere;
    for (uint64_t i = 0; i < 8; i++)
        iteration(&two, SEC + i * 400 * MS, 4, 20 * MS, asked(17), 100, PID + 1);
    struct scene scene = scene_run(NULL, one.b, two.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->severity, SEVERITY_ERROR);
    assert_int_equal(f->count, 16);
    assert_true(strncmp(f->title, "A storm: SCAN meta::*", 21) == 0);
    assert_int_equal(f->stack_count, 2);
    const struct series *timeline = scene_evidence(f, "timeline")->series;
    uint64_t all = 0;
    for (size_t i = 0; i < timeline->count; i++)
        all += timeline->counts[i];
    assert_int_equal(all, 16);
    assert_int_equal(timeline->start_real_ns, BUILDER_START_REAL + SEC);
    scene_end(&scene);
}

static void the_same_sweeps_over_a_longer_time_are_no_storm(void **state)
{
    (void)state;
    struct client c = client_new(PID);
    for (uint64_t i = 0; i < 15; i++)
        iteration(&c, SEC + i * 3500 * MS, 4, 20 * MS, asked(17), 100, PID);
    struct scene scene = scene_run(NULL, c.b, NULL);
    assert_int_equal(scene_finding(&scene, RULE)->severity, SEVERITY_WARNING);
    scene_end(&scene);
}

static void others_are_compared_inside_and_outside(void **state)
{
    (void)state;
    struct client sweeper = client_new(PID), other = client_new(PID + 1);
    for (uint64_t i = 0; i < 5; i++)
        iteration(&sweeper, SEC + i * SEC, 1, 100 * MS, asked(17), 100, PID);
    for (uint64_t i = 0; i < 60; i++) {
        uint64_t at = SEC + i * 100 * MS;
        bool inside = i % 10 == 0 && i < 50;
        talk_request(other.b, PID + 1, T0 + at + MS, inside ? 90 * MS : 200 * US, GET, 0, 0);
    }
    /* sent before the sweep began, answered after it */
    talk_request(other.b, PID + 1, T0 + SEC - MS, 91 * MS, GET, 0, 0);
    struct scene scene = scene_run(NULL, sweeper.b, other.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(scene_evidence(f, "others_meanwhile")->u64, 6);
    assert_near(scene_evidence(f, "others_p50_meanwhile_ns")->u64, 90 * MS, 0.05);
    assert_near(scene_evidence(f, "others_p50_otherwise_ns")->u64, 200 * US, 0.05);
    assert_near(scene_evidence(f, "others_p99_otherwise_ns")->u64, 200 * US, 0.05);
    scene_end(&scene);
}

static struct trace_builder *redis_server(uint32_t pid)
{
    struct trace_builder *b = scene_process(pid);
    uint32_t client = builder_endpoint(b, ENDPOINT_INET, ROLE_SERVER, "127.0.0.1:51234");
    builder_process(b, "/usr/bin/redis-server", "redis-server", "redis-server --port 6379");
    talk_operation(b, SCAN, client, WIRE_REDIS, ROLE_SERVER, WIRE_CURSOR, "SCAN", "");
    for (uint64_t i = 0; i < 3; i++) {
        struct event_request *e =
            talk_request(b, pid, T0 + SEC + i * SEC, 40 * MS, SCAN, 0, (uint16_t)(asked(17) | REQUEST_SERVER));
        e->detail = 0;
    }
    builder_end(b, T0 + 10 * SEC, 0);
    return b;
}

static void a_server_alone_shows_its_clients_sweeps(void **state)
{
    (void)state;
    struct scene scene = scene_run(NULL, redis_server(PID), NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_string_equal(f->process.name, "redis-server");
    assert_null(f->peer);
    assert_int_equal(f->count, 3);
    assert_non_null(strstr(f->title, "SCAN for its clients sweeps the key space of redis-server"));
    scene_end(&scene);
}

static void client_and_server_are_one_finding(void **state)
{
    (void)state;
    struct client c = client_new(PID);
    for (uint64_t i = 0; i < 3; i++)
        iteration(&c, SEC + i * SEC, 1, 41 * MS, asked(17), 100, PID);
    struct scene scene = scene_run(NULL, c.b, redis_server(PID + 1), NULL);
    assert_string_equal(scene_finding(&scene, RULE)->process.name, "program");
    scene_end(&scene);
}

/* `statements` of one digest in each of 100 requests; one in ten is recorded. */
static struct scene served(unsigned statements, bool known)
{
    struct trace_builder *b = scene_process(PID);
    uint32_t database = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:3306");
    uint32_t client = builder_endpoint(b, ENDPOINT_INET, ROLE_SERVER, "127.0.0.1:40000");
    uint32_t stack = scene_stack(b, PC_MARIADB, PC_DB_EXECUTE, PC_VIEW_GET);
    talk_operation(b, 2, database, WIRE_MYSQL, ROLE_CLIENT, 0, "SELECT", "SELECT ? FROM item WHERE id = ?");
    talk_operation(b, 3, client, WIRE_HTTP, ROLE_SERVER, 0, "GET", "/orders");
    talk_count(b, PID, T0 + SEC, 20 * MS, 100, 3);
    talk_count(b, PID, T0 + SEC, 100 * US, 90 * statements, 2);
    for (unsigned i = 0; i < 10 * statements; i++) {
        if (known)
            talk_context(b, PID, T0 + SEC + i * MS, 0, 3);
        talk_request(b, PID, T0 + SEC + i * MS, 100 * US, 2, stack, 0);
    }
    builder_end(b, T0 + 10 * SEC, 0);
    return scene_run(NULL, b, NULL);
}

static void one_statement_many_times_in_a_request_is_found(void **state)
{
    (void)state;
    struct scene scene = served(25, true);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->severity, SEVERITY_WARNING);
    assert_string_equal(f->title, "SELECT ? FROM item WHERE id = ? runs 25 times in each GET /orders: the N+1 pattern");
    assert_near(scene_evidence(f, "per_request")->ratio, 25, 0.001);
    assert_int_equal(scene_evidence(f, "requests_served")->u64, 100);
    assert_string_equal(f->context.name, "GET /orders");
    assert_string_equal(scene_evidence(f, "called_from")->string, "View.get (/srv/app/views.py:33)");
    scene_end(&scene);
}

static void a_few_statements_in_a_request_are_innocent(void **state)
{
    (void)state;
    struct scene few = served(9, true), unknown = served(25, false);
    assert_int_equal(scene_count(&few, RULE), 0);
    assert_int_equal(scene_count(&unknown, RULE), 0); /* nothing says which requests they belong to */
    scene_end(&few);
    scene_end(&unknown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_of_an_iteration_are_one_sweep),
        cmocka_unit_test(a_small_iteration_is_innocent),
        cmocka_unit_test(an_iteration_in_small_steps_over_many_keys_is_a_sweep),
        cmocka_unit_test(the_threshold_of_count_has_two_sides),
        cmocka_unit_test(iterations_that_overlap_are_told_apart),
        cmocka_unit_test(an_iteration_that_never_ended_counts),
        cmocka_unit_test(keys_is_always_a_sweep),
        cmocka_unit_test(collections_are_judged_by_their_size),
        cmocka_unit_test(scripts_are_judged_by_their_time),
        cmocka_unit_test(exact_keys_are_innocent),
        cmocka_unit_test(statements_without_where_are_found),
        cmocka_unit_test(many_sweeps_at_once_are_one_storm),
        cmocka_unit_test(the_same_sweeps_over_a_longer_time_are_no_storm),
        cmocka_unit_test(others_are_compared_inside_and_outside),
        cmocka_unit_test(a_server_alone_shows_its_clients_sweeps),
        cmocka_unit_test(client_and_server_are_one_finding),
        cmocka_unit_test(one_statement_many_times_in_a_request_is_found),
        cmocka_unit_test(a_few_statements_in_a_request_are_innocent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
