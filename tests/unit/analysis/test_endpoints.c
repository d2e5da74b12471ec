/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/scene.h"

#define PID 100
#define GET 2
#define SET 3

static const struct endpoint *only(const struct scene *scene)
{
    assert_int_equal(scene->report->endpoint_count, 1);
    return &scene->report->endpoints[0];
}

static struct trace_builder *client_new(uint32_t pid, uint32_t *redis)
{
    struct trace_builder *b = scene_process(pid);
    *redis = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:6379");
    talk_operation(b, GET, *redis, WIRE_REDIS, ROLE_CLIENT, 0, "GET", "");
    talk_operation(b, SET, *redis, WIRE_REDIS, ROLE_CLIENT, 0, "SET", "");
    builder_end(b, T0 + 10 * SEC, 0);
    return b;
}

static void requests_are_listed_by_operation(void **state)
{
    (void)state;
    uint32_t redis;
    struct trace_builder *b = client_new(PID, &redis);
    talk_protocol(b, redis, WIRE_REDIS, PROTOCOL_TLS, "");
    talk_address(b, "cache.internal", "127.0.0.1");
    talk_count(b, PID, T0 + SEC, MS, 990, GET);
    for (uint64_t i = 0; i < 10; i++)
        talk_request(b, PID, T0 + (2 + i / 4) * SEC + i * MS, 4 * MS, GET, 0, 0)->first_part = UINT16_MAX / 2;
    talk_count(b, PID, T0 + 8 * SEC, 10 * MS, 50, SET)->failed = 5;
    struct scene scene = scene_run(NULL, b, NULL);
    const struct endpoint *e = only(&scene);
    assert_string_equal(e->peer.protocol, "redis");
    assert_string_equal(e->peer.name, "cache.internal");
    assert_true(e->peer.tls);
    assert_int_equal(e->requests, 1050);
    assert_int_equal(e->errors, 5);
    assert_near(e->request_ns, 990 * MS + 40 * MS + 500 * MS, 0.001);
    assert_int_equal(e->operation_count, 2);
    assert_string_equal(e->operations[0].words, "GET");
    assert_int_equal(e->operations[0].count, 1000);
    assert_near(e->operations[0].p99_ns, 4 * MS, 0.05);
    assert_near(e->p50_ns, 4 * MS, 0.05);
    assert_near(e->first_byte_p50_ns, 2 * MS, 0.05);
    assert_int_equal(e->operations[1].errors, 5);
    scene_end(&scene);
}

/* Short requests are recorded seldom: each recorded one stands for many. */
static void percentiles_are_of_all_requests(void **state)
{
    (void)state;
    uint32_t redis;
    struct trace_builder *b = client_new(PID, &redis);
    builder_header(b)->sample_mean_ns = MS;
    for (uint64_t i = 0; i < 10; i++)
        talk_request(b, PID, T0 + SEC + i * MS, 10 * US, GET, 0, 0); /* each stands for 100 */
    for (uint64_t i = 0; i < 10; i++)
        talk_request(b, PID, T0 + 2 * SEC + i * 20 * MS, 10 * MS, GET, 0, 0);
    struct scene scene = scene_run(NULL, b, NULL);
    assert_near(only(&scene)->p50_ns, 10 * US, 0.05);
    scene_end(&scene);
}

static void what_the_process_answered_is_not_its_peers(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t client = builder_endpoint(b, ENDPOINT_INET, ROLE_SERVER, "127.0.0.1:50000");
    talk_operation(b, GET, client, WIRE_REDIS, ROLE_SERVER, 0, "GET", "");
    talk_request(b, PID, T0 + SEC, MS, GET, 0, REQUEST_SERVER);
    builder_end(b, T0 + 2 * SEC, 0);
    struct scene scene = scene_run(NULL, b, NULL);
    assert_int_equal(scene.report->endpoint_count, 0);
    scene_end(&scene);
}

static void connects_that_fail_are_counted_with_their_cost(void **state)
{
    (void)state;
    uint32_t redis;
    struct trace_builder *b = client_new(PID, &redis);
    talk_connect(b, PID, T0 + SEC, MS, redis, 0, 0);
    talk_connect(b, PID, T0 + 2 * SEC, 2 * MS, redis, 0, 111)->weight = 3;
    talk_connect(b, PID, T0 + 3 * SEC, 5 * SEC, redis, 0, 110)->flags = CONNECT_GIVEN_UP;
    struct scene scene = scene_run(NULL, b, NULL);
    const struct endpoint *e = only(&scene);
    assert_int_equal(e->connects, 1);
    assert_int_equal(e->connects_failed, 4);
    assert_int_equal(e->connects_failed_ns, 5 * SEC + 6 * MS);
    scene_end(&scene);
}

/* One process was recorded before it said anything: it is the same peer. */
static void processes_are_taken_together(void **state)
{
    (void)state;
    uint32_t redis, other;
    struct trace_builder *b = client_new(PID, &redis), *silent = scene_process(PID + 1);
    talk_count(b, PID, T0 + SEC, MS, 10, GET);
    other = builder_endpoint(silent, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:6379");
    talk_connect(silent, PID + 1, T0 + SEC, MS, other, 0, 0);
    builder_count(silent, PID + 1, T0 + SEC, MS, 3, C_RECV, other, 0);
    builder_end(silent, T0 + 2 * SEC, 0);
    struct scene scene = scene_run(NULL, b, silent, NULL);
    const struct endpoint *e = only(&scene);
    assert_string_equal(e->peer.protocol, "redis");
    assert_int_equal(e->requests, 10);
    assert_int_equal(e->connects, 1);
    assert_int_equal(e->calls, 3);
    assert_int_equal(e->processes, 2);
    scene_end(&scene);
}

static void protocols_on_one_address_are_apart(void **state)
{
    (void)state;
    uint32_t redis, other;
    struct trace_builder *b = client_new(PID, &redis), *http = scene_process(PID + 1);
    talk_count(b, PID, T0 + SEC, MS, 10, GET);
    other = builder_endpoint(http, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:6379");
    talk_operation(http, GET, other, WIRE_HTTP, ROLE_CLIENT, 0, "GET", "/status");
    talk_count(http, PID + 1, T0 + SEC, MS, 4, GET);
    builder_end(http, T0 + 2 * SEC, 0);
    struct scene scene = scene_run(NULL, b, http, NULL);
    assert_int_equal(scene.report->endpoint_count, 2);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_listed_by_operation),
        cmocka_unit_test(percentiles_are_of_all_requests),
        cmocka_unit_test(what_the_process_answered_is_not_its_peers),
        cmocka_unit_test(connects_that_fail_are_counted_with_their_cost),
        cmocka_unit_test(processes_are_taken_together),
        cmocka_unit_test(protocols_on_one_address_are_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
