/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/scene.h"

#include "analysis/policy.h"

#define RULE "unexpected-connect"
#define PID 100
#define INSERT 2
#define COMMIT 3
#define REFUSED 111

/* A Celery worker whose result backend opens connections to a database. */
struct worker {
    struct trace_builder *b;
    uint32_t database, broker, opened;
};

static struct worker worker_new(uint32_t pid, const char *address)
{
    struct worker w = {.b = scene_process(pid)};
    builder_process(w.b, "/usr/bin/python3.11", "celery", "/usr/bin/python3 /usr/bin/celery -A shop worker");
    w.database = builder_endpoint(w.b, ENDPOINT_INET, ROLE_CLIENT, address);
    w.broker = builder_endpoint(w.b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:6379");
    w.opened =
        scene_stack(w.b, PC_MARIADB, PC_MYSQL_C, PC_DB_EXECUTE, PC_SQLALCHEMY, PC_CELERY_BACKEND, PC_CELERY_TRACE);
    talk_protocol(w.b, w.database, WIRE_MYSQL, 0, "results");
    talk_protocol(w.b, w.broker, WIRE_REDIS, 0, "");
    talk_operation(w.b, INSERT, w.database, WIRE_MYSQL, ROLE_CLIENT, 0, "INSERT", "INSERT INTO celery_taskmeta");
    talk_operation(w.b, COMMIT, w.database, WIRE_MYSQL, ROLE_CLIENT, 0, "COMMIT", "");
    builder_count(w.b, pid, T0 + SEC, MS, 10, C_RECV, w.broker, 0);
    builder_end(w.b, T0 + 10 * SEC, 0);
    return w;
}

static void worker_stores(struct worker *w, uint32_t pid, uint64_t connects)
{
    for (uint64_t i = 0; i < connects; i++)
        talk_connect(w->b, pid, T0 + SEC + i * 10 * MS, 2 * MS, w->database, w->opened, 0);
    talk_count(w->b, pid, T0 + SEC, 5 * MS, 40, INSERT);
    talk_count(w->b, pid, T0 + SEC, MS, 60, COMMIT);
    builder_count(w->b, pid, T0 + SEC, 4 * MS, 100, C_POLL, w->database, 0);
}

/* Allows entries[0..), NULL at the end. */
static struct scene judged(struct trace_builder *b, struct trace_builder *other, const char *const *entries)
{
    char error[256];
    struct policy *policy = policy_new();
    struct analysis_options options;
    for (; *entries; entries++)
        assert_int_equal(policy_allow(policy, *entries, NULL, error, sizeof(error)), 0);
    analysis_options_init(&options);
    options.policy = policy;
    struct scene scene = scene_run(&options, b, other, NULL);
    policy_free(policy);
    return scene;
}

static const char *const redis_only[] = {"redis://127.0.0.1:6379", NULL};

static void a_database_that_nobody_mentioned_is_found(void **state)
{
    (void)state;
    struct worker w = worker_new(PID, "127.0.0.1:3306");
    worker_stores(&w, PID, 20);
    struct scene scene = judged(w.b, NULL, redis_only);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->severity, SEVERITY_ERROR);
    assert_string_equal(f->title,
                        "celery speaks MySQL to 127.0.0.1:3306, which the policy does not allow; opened by "
                        "celery.backends.database.DatabaseBackend._store_result");
    assert_int_equal(f->count, 20);
    assert_near(f->total_ns, 400 * MS, 0.001);
    assert_string_equal(f->peer->protocol, "mysql");
    assert_string_equal(f->stacks[0].role, "opened");
    assert_string_equal(
        scene_evidence(f, "opened_from")->string,
        "DatabaseBackend._store_result (/usr/lib/python3/dist-packages/celery/backends/database/__init__.py:125)");
    assert_string_equal(scene_evidence(f, "through")->string,
                        "libmariadb.so.3, _mysql.cpython-311-x86_64-linux-gnu.so, MySQLdb, sqlalchemy");
    assert_string_equal(scene_evidence(f, "said")->string, "INSERT INTO celery_taskmeta (40), COMMIT (60)");
    assert_string_equal(scene_evidence(f, "outcome")->string, "connected");
    assert_int_equal(scene_evidence(f, "requests")->u64, 100);
    assert_non_null(strstr(f->remedy, "task_ignore_result"));
    scene_end(&scene);
}

static void without_a_policy_nothing_is_flagged_and_all_is_listed(void **state)
{
    (void)state;
    struct worker w = worker_new(PID, "127.0.0.1:3306");
    worker_stores(&w, PID, 20);
    struct scene scene = scene_run(NULL, w.b, NULL);
    assert_int_equal(scene_count(&scene, RULE), 0);
    assert_int_equal(scene.report->endpoint_count, 2);
    scene_end(&scene);
}

static void what_is_allowed_is_not_flagged(void **state)
{
    (void)state;
    static const char *const both[] = {"redis://127.0.0.1:6379", "mysql://127.0.0.1", NULL};
    static const char *const port[] = {"redis://127.0.0.1:6379", "redis://127.0.0.1:3306", NULL};
    struct worker allowed = worker_new(PID, "127.0.0.1:3306"), wrong = worker_new(PID, "127.0.0.1:3306");
    worker_stores(&allowed, PID, 20);
    worker_stores(&wrong, PID, 20);
    struct scene scene = judged(allowed.b, NULL, both);
    assert_int_equal(scene_count(&scene, RULE), 0);
    scene_end(&scene);
    scene = judged(wrong.b, NULL, port); /* the port is allowed for Redis, but MySQL is spoken there */
    assert_int_equal(scene_count(&scene, RULE), 1);
    scene_end(&scene);
}

/* A fork knows its parent's endpoints, which does not mean that it used them. */
static void a_peer_that_only_the_parent_used_is_not_the_childs(void **state)
{
    (void)state;
    struct worker w = worker_new(PID, "127.0.0.1:3306");
    struct scene scene = judged(w.b, NULL, redis_only);
    assert_int_equal(scene_count(&scene, RULE), 0);
    scene_end(&scene);
}

static void processes_of_one_kind_are_one_finding(void **state)
{
    (void)state;
    struct worker one = worker_new(PID, "127.0.0.1:3306"), two = worker_new(PID + 1, "127.0.0.1:3306");
    worker_stores(&one, PID, 20);
    worker_stores(&two, PID + 1, 5);
    struct scene scene = judged(one.b, two.b, redis_only);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->count, 25);
    assert_int_equal(scene_evidence(f, "processes")->u64, 2);
    scene_end(&scene);
}

static uint64_t id_at(const char *address)
{
    struct worker w = worker_new(PID, address);
    worker_stores(&w, PID, 1);
    struct scene scene = judged(w.b, NULL, redis_only);
    uint64_t id = scene_finding(&scene, RULE)->id;
    scene_end(&scene);
    return id;
}

static void the_fingerprint_has_no_address(void **state)
{
    (void)state;
    assert_true(id_at("127.0.0.1:3306") == id_at("10.0.0.7:13306"));
}

static void places_share_the_cost_by_their_connects(void **state)
{
    (void)state;
    struct worker w = worker_new(PID, "127.0.0.1:3306");
    worker_stores(&w, PID, 15);
    uint32_t view = scene_stack(w.b, PC_MARIADB, PC_MYSQL_C, PC_DB_EXECUTE, PC_VIEW_GET);
    for (uint64_t i = 0; i < 5; i++)
        talk_connect(w.b, PID, T0 + 2 * SEC + i * 10 * MS, 2 * MS, w.database, view, 0);
    struct scene scene = judged(w.b, NULL, redis_only);
    assert_int_equal(scene_count(&scene, RULE), 2);
    const struct finding *worst = &scene.report->findings[0];
    assert_int_equal(worst->count, 15);
    assert_near(worst->total_ns, 300 * MS, 0.01);
    assert_int_equal(scene_evidence(&scene.report->findings[1], "requests")->u64, 25);
    scene_end(&scene);
}

static void a_connect_that_fails_is_reported_with_its_cost(void **state)
{
    (void)state;
    struct worker w = worker_new(PID, "127.0.0.1:3306");
    uint32_t dead = builder_endpoint(w.b, ENDPOINT_INET, ROLE_CLIENT, "10.9.9.9:5432");
    for (uint64_t i = 0; i < 4; i++)
        talk_connect(w.b, PID, T0 + SEC + i * SEC, 500 * MS, dead, w.opened, REFUSED);
    struct scene scene = judged(w.b, NULL, redis_only);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_string_equal(f->title, "celery tries to connect to 10.9.9.9:5432, which the policy does not allow: refused");
    assert_int_equal(f->count, 4);
    assert_near(f->total_ns, 2 * SEC, 0.001);
    assert_string_equal(scene_evidence(f, "outcome")->string, "refused");
    scene_end(&scene);
}

static void a_connection_older_than_the_recording_is_found_by_its_use(void **state)
{
    (void)state;
    struct worker w = worker_new(PID, "127.0.0.1:3306");
    talk_count(w.b, PID, T0 + SEC, 5 * MS, 40, INSERT);
    builder_wait(w.b, PID, T0 + SEC, 5 * MS, C_POLL, w.database, w.opened, 0);
    struct scene scene = judged(w.b, NULL, redis_only);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_string_equal(f->stacks[0].role, "used");
    assert_string_equal(scene_evidence(f, "outcome")->string, "open before the recording began");
    assert_int_equal(f->count, 40);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_database_that_nobody_mentioned_is_found),
        cmocka_unit_test(without_a_policy_nothing_is_flagged_and_all_is_listed),
        cmocka_unit_test(what_is_allowed_is_not_flagged),
        cmocka_unit_test(a_peer_that_only_the_parent_used_is_not_the_childs),
        cmocka_unit_test(processes_of_one_kind_are_one_finding),
        cmocka_unit_test(the_fingerprint_has_no_address),
        cmocka_unit_test(places_share_the_cost_by_their_connects),
        cmocka_unit_test(a_connect_that_fails_is_reported_with_its_cost),
        cmocka_unit_test(a_connection_older_than_the_recording_is_found_by_its_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
