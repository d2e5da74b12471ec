/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a wait is called once it is known what was asked, of whom, and for which request. */
#include "analysis/scene.h"

#include "analysis/profile.h"

#define PID 100
#define QUERY 2
#define SERVED 3

struct server {
    struct trace_builder *b;
    uint32_t database, stack;
};

/* A gevent loop that is blocked by queries: half of the time, while it serves a request. */
static struct server server_new(const char *address)
{
    struct server s = {.b = scene_process(PID)};
    scene_gevent(s.b, PID, 100 * MS, 10 * SEC, 40 * MS);
    s.database = builder_endpoint(s.b, ENDPOINT_INET, ROLE_CLIENT, address);
    uint32_t client = builder_endpoint(s.b, ENDPOINT_INET, ROLE_SERVER, "127.0.0.1:40000");
    s.stack = scene_stack(s.b, PC_MARIADB, PC_MYSQL_C, PC_DB_EXECUTE, PC_VIEW_GET);
    talk_operation(s.b, QUERY, s.database, WIRE_MYSQL, ROLE_CLIENT, 0, "SELECT", "SELECT ? FROM user");
    talk_operation(s.b, SERVED, client, WIRE_HTTP, ROLE_SERVER, 0, "POST", "/cards");
    builder_end(s.b, T0 + 10 * SEC, 0);
    return s;
}

static void query(struct server *s, uint64_t at, uint32_t operation, uint32_t serving)
{
    if (operation || serving)
        talk_context(s->b, PID, T0 + at, operation, serving);
    builder_wait(s->b, PID, T0 + at, 50 * MS, C_POLL, s->database, s->stack, 0);
}

static void queries(struct server *s, uint32_t operation, uint32_t serving)
{
    for (uint64_t i = 0; i < 60; i++)
        query(s, SEC + i * 100 * MS, operation, serving);
}

static void a_finding_says_what_was_asked_and_for_what(void **state)
{
    (void)state;
    struct server s = server_new("127.0.0.1:3306");
    talk_protocol(s.b, s.database, WIRE_MYSQL, 0, "shop");
    talk_address(s.b, "db.internal", "127.0.0.1");
    queries(&s, QUERY, SERVED);
    struct scene scene = scene_run(NULL, s.b, NULL);
    const struct finding *f = scene_finding(&scene, "non-yielding-io");
    assert_string_equal(f->peer->protocol, "mysql");
    assert_string_equal(f->peer->name, "db.internal");
    assert_string_equal(f->operation, "SELECT ? FROM user");
    assert_string_equal(f->context.name, "POST /cards");
    assert_string_equal(f->context.kind, "http");
    assert_non_null(strstr(f->title, "MySQL query (libmariadb.so.3) blocks the gevent loop"));
    assert_non_null(strstr(f->title, "SELECT ? FROM user"));
    assert_string_equal(scene.report->loops[0].blocked_by[0].peer->protocol, "mysql");
    assert_non_null(strstr(scene.report->verdict, "for mysql 127.0.0.1:3306"));
    scene_end(&scene);
}

static uint64_t id_with(const char *address, const char *text)
{
    struct server s = server_new(address);
    talk_operation(s.b, 9, s.database, WIRE_MYSQL, ROLE_CLIENT, 0, "SELECT", text);
    queries(&s, 9, 0);
    struct scene scene = scene_run(NULL, s.b, NULL);
    uint64_t id = scene_finding(&scene, "non-yielding-io")->id;
    scene_end(&scene);
    return id;
}

static void the_fingerprint_has_the_operation_and_no_address(void **state)
{
    (void)state;
    assert_true(id_with("127.0.0.1:3306", "SELECT ? FROM user") == id_with("10.1.2.3:3307", "SELECT ? FROM user"));
    assert_true(id_with("127.0.0.1:3306", "SELECT ? FROM user") != id_with("127.0.0.1:3306", "SELECT ? FROM card"));
}

static void what_is_not_known_is_not_claimed(void **state)
{
    (void)state;
    struct server s = server_new("127.0.0.1:3306");
    queries(&s, 0, 0);
    struct scene scene = scene_run(NULL, s.b, NULL);
    const struct finding *f = scene_finding(&scene, "non-yielding-io");
    assert_null(f->operation);
    assert_null(f->context.name);
    scene_end(&scene);
}

/* A CONTEXT record speaks of the next record only if that has its time. */
static void a_context_is_not_taken_by_another_record(void **state)
{
    (void)state;
    struct server s = server_new("127.0.0.1:3306");
    for (uint64_t i = 0; i < 60; i++) {
        talk_context(s.b, PID, T0 + SEC + i * 100 * MS, QUERY, SERVED);
        query(&s, SEC + i * 100 * MS + US, 0, 0);
    }
    struct scene scene = scene_run(NULL, s.b, NULL);
    assert_null(scene_finding(&scene, "non-yielding-io")->operation);
    scene_end(&scene);
}

static void waits_of_two_requests_are_one_problem(void **state)
{
    (void)state;
    struct server s = server_new("127.0.0.1:3306");
    talk_operation(s.b, 9, 0, WIRE_HTTP, ROLE_SERVER, 0, "GET", "/cards/?");
    for (uint64_t i = 0; i < 60; i++)
        query(&s, SEC + i * 100 * MS, QUERY, i % 3 ? SERVED : 9);
    struct scene scene = scene_run(NULL, s.b, NULL);
    const struct finding *f = scene_finding(&scene, "non-yielding-io");
    assert_near(f->count, 60, 0.001);
    assert_string_equal(f->context.name, "POST /cards");
    assert_int_equal(f->context.others, 1);
    scene_end(&scene);
}

/* Counters of requests have an operation's number where others have an endpoint's. */
static void counted_requests_are_no_waits(void **state)
{
    (void)state;
    struct server s = server_new("127.0.0.1:3306");
    talk_count(s.b, PID, T0 + SEC, 10 * SEC, 1000, s.database);
    struct scene scene = scene_run(NULL, s.b, NULL);
    assert_int_equal(scene_count(&scene, "non-yielding-io"), 0);
    assert_int_equal(scene.report->loops[0].blocked_ns, 0);
    scene_end(&scene);
}

static void a_celery_task_is_known_by_its_stack(void **state)
{
    (void)state;
    struct server s = server_new("127.0.0.1:3306");
    uint32_t in_task = scene_stack(s.b, PC_MARIADB, PC_DB_EXECUTE, PC_TASK, PC_CELERY_TRACE);
    uint32_t in_backend = scene_stack(s.b, PC_MARIADB, PC_SQLALCHEMY, PC_CELERY_BACKEND, PC_CELERY_TRACE);
    for (uint64_t i = 0; i < 30; i++) {
        builder_wait(s.b, PID, T0 + SEC + i * 100 * MS, 50 * MS, C_POLL, s.database, in_task, 0);
        builder_wait(s.b, PID, T0 + 5 * SEC + i * 100 * MS, 50 * MS, C_POLL, s.database, in_backend, 0);
    }
    struct scene scene = scene_run(NULL, s.b, NULL);
    assert_int_equal(scene_count(&scene, "non-yielding-io"), 2);
    for (size_t i = 0; i < scene.report->finding_count; i++) {
        const struct finding *f = &scene.report->findings[i];
        if (strcmp(f->rule, "non-yielding-io") != 0)
            continue;
        bool task = strcmp(f->stacks[0].stack->frames[2].function, "charge") == 0;
        if (task)
            assert_string_equal(f->context.name, "shop.tasks.charge");
        else
            assert_null(f->context.name);
        assert_true(!task || f->context.task);
    }
    scene_end(&scene);
}

static const char *flame_leaf(struct server *s)
{
    static char leaf[256];
    char path[] = "/tmp/cprobe-leaf-XXXXXX", error[256];
    const char *paths[] = {path};
    const struct profile *profile;
    struct report *report;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(builder_write(s->b, path), 0);
    builder_free(s->b);
    assert_int_equal(analysis_profile(paths, 1, NULL, &report, &profile, error, sizeof(error)), 0);
    unlink(path);
    leaf[0] = '\0';
    for (size_t i = 0; i < profile->stack_count; i++) {
        const struct profile_stack *stack = &profile->stacks[i];
        const struct profile_frame *frame = &profile->frames[stack->frames[stack->frame_count - 1]];
        if (!stack->idle)
            snprintf(leaf, sizeof(leaf), "%s", frame->function);
    }
    report_free(report);
    return leaf;
}

static void a_flame_leaf_names_protocol_peer_and_operation(void **state)
{
    (void)state;
    struct server s = server_new("127.0.0.1:3306"), known = server_new("127.0.0.1:3306");
    queries(&s, QUERY, 0);
    queries(&known, 0, 0);
    talk_protocol(known.b, known.database, WIRE_MYSQL, 0, "");
    assert_string_equal(flame_leaf(&s), "[mysql 127.0.0.1:3306 SELECT ? FROM user]");
    assert_string_equal(flame_leaf(&known), "[mysql 127.0.0.1:3306]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finding_says_what_was_asked_and_for_what),
        cmocka_unit_test(the_fingerprint_has_the_operation_and_no_address),
        cmocka_unit_test(what_is_not_known_is_not_claimed),
        cmocka_unit_test(a_context_is_not_taken_by_another_record),
        cmocka_unit_test(waits_of_two_requests_are_one_problem),
        cmocka_unit_test(counted_requests_are_no_waits),
        cmocka_unit_test(a_celery_task_is_known_by_its_stack),
        cmocka_unit_test(a_flame_leaf_names_protocol_peer_and_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
