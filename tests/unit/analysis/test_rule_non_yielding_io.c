/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/scene.h"

#define RULE "non-yielding-io"
#define PID 100

/* What most tests need: a gevent server that lives for ten seconds, mostly idle, and its database. */
struct server {
    struct trace_builder *b;
    uint32_t database, cache, view, query, waitset;
};

static struct server server_new(uint32_t pid)
{
    struct server s = {.b = scene_process(pid)};
    s.waitset = scene_gevent(s.b, pid, 100 * MS, 10 * SEC, 50 * MS);
    s.database = builder_endpoint(s.b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:3306");
    s.cache = builder_endpoint(s.b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:11211");
    s.query = scene_stack(s.b, PC_MARIADB, PC_MYSQL_C, PC_DB_EXECUTE, PC_VIEW_GET, PC_GEVENT_HUB);
    s.view = scene_stack(s.b, PC_LIBC, PC_VIEW_GET, PC_GEVENT_HUB);
    return s;
}

static size_t findings_of(struct server *s)
{
    builder_end(s->b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, s->b, NULL);
    size_t count = scene.report->finding_count;
    scene_end(&scene);
    return count;
}

static void driver_found(void **state)
{
    (void)state;
    struct server s = server_new(PID);
    scene_waits(s.b, PID, C_POLL, s.database, s.query, 0, 200, 10 * MS, 200 * MS, 9 * SEC);
    builder_end(s.b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, s.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->severity, SEVERITY_ERROR);
    assert_int_equal(f->count, 200);
    assert_int_equal(f->total_ns, 2 * SEC);
    assert_int_equal(f->max_ns, 10 * MS);
    assert_near(f->p99_ns, 10 * MS, 0.04);
    assert_int_equal(f->process.pid, PID);
    assert_int_equal(f->thread.tid, PID);
    assert_true(f->thread.loop);
    assert_string_equal(f->peer->address, "127.0.0.1:3306");
    assert_string_equal(f->peer->family, "inet");
    assert_string_equal(f->peer->protocol, "unknown");
    assert_int_equal(f->stack_count, 1);
    assert_string_equal(f->stacks[0].role, "blocked");
    assert_string_equal(f->stacks[0].stack->frames[3].function, "View.get");
    assert_string_equal(f->title,
                        "libmariadb.so.3 blocks the gevent loop for 20 % of the time waiting for 127.0.0.1:3306");
    assert_non_null(strstr(f->remedy, "PyMySQL"));
    assert_near(scene_evidence(f, "share")->ratio, 2.0 / 9.9, 0.001);
    assert_string_equal(scene_evidence(f, "loop_kind")->string, "gevent");
    assert_string_equal(scene_evidence(f, "driver")->string, "libmariadb.so.3");
    assert_string_equal(scene_evidence(f, "called_from")->string, "View.get (/srv/app/views.py:33)");
    assert_int_equal(scene_evidence(f, "before_first_turn")->u64, 0);
    assert_int_equal(f->first_real_ns, BUILDER_START_REAL + 200 * MS);
    scene_end(&scene);
}

static void driver_that_yields_not_found(void **state)
{
    (void)state;
    struct server s = server_new(PID); /* its sockets are non-blocking: nothing but loop waits is recorded */
    assert_int_equal(findings_of(&s), 0);
}

static void same_waits_without_loop_not_found(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t database = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:3306");
    scene_waits(b, PID, C_POLL, database, scene_stack(b, PC_MARIADB, PC_HANDLE), 0, 200, 10 * MS, 0, 9 * SEC);
    struct scene scene = scene_run(NULL, b, NULL);
    assert_int_equal(scene.report->finding_count, 0);
    assert_int_equal(scene.report->loop_count, 0);
    assert_int_equal(scene.report->endpoints[0].wait_ns, 2 * SEC);
    scene_end(&scene);
}

/* 1,000 waits of 300 µs a second, of which the recorder keeps one in ten with that weight. */
static void short_frequent_waits_found_with_exact_totals(void **state)
{
    (void)state;
    struct server s = server_new(PID);
    for (uint64_t i = 0; i < 300; i++) {
        struct event_wait *wait =
            builder_wait(s.b, PID, T0 + 200 * MS + i * 30 * MS, 300 * US, C_RECV, s.cache, s.query, 0);
        wait->weight = (float)3.4; /* biased on purpose: the counter decides */
    }
    builder_count(s.b, PID, T0 + 200 * MS, 300 * US, 9000 - 300, C_RECV, s.cache, 0);
    builder_end(s.b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, s.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->count, 9000);
    assert_int_equal(f->total_ns, 9000 * 300 * US);
    scene_end(&scene);
}

static void two_stacks_share_the_counter(void **state)
{
    (void)state;
    struct server s = server_new(PID);
    uint32_t other = scene_stack(s.b, PC_MARIADB, PC_MYSQL_C, PC_DB_EXECUTE, PC_VIEW_POST, PC_GEVENT_HUB);
    scene_waits(s.b, PID, C_POLL, s.database, s.query, 0, 30, 10 * MS, 200 * MS, 9 * SEC);
    scene_waits(s.b, PID, C_POLL, s.database, other, 0, 90, 10 * MS, 205 * MS, 9 * SEC);
    builder_count(s.b, PID, T0 + 300 * MS, 10 * MS, 120, C_POLL, s.database, 0);
    builder_end(s.b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, s.b, NULL);
    assert_int_equal(scene.report->finding_count, 2); /* two places of the user's code */
    assert_int_equal(scene.report->findings[0].total_ns, 1800 * MS);
    assert_int_equal(scene.report->findings[1].total_ns, 600 * MS);
    assert_int_not_equal(scene.report->findings[0].id, scene.report->findings[1].id);
    scene_end(&scene);
}

static void share_threshold_has_two_sides(void **state)
{
    (void)state;
    struct server above = server_new(PID), below = server_new(PID);
    /* Of 9.9 s: 2 % are 198 ms. Nine waits, so that the busy share does not apply. */
    scene_waits(above.b, PID, C_POLL, above.database, above.query, 0, 9, 23 * MS, 200 * MS, 9 * SEC);
    scene_waits(below.b, PID, C_POLL, below.database, below.query, 0, 9, 21 * MS, 200 * MS, 9 * SEC);
    assert_int_equal(findings_of(&above), 1);
    assert_int_equal(findings_of(&below), 0);
}

static void single_threshold_has_two_sides(void **state)
{
    (void)state;
    struct server above = server_new(PID), below = server_new(PID);
    builder_wait(above.b, PID, T0 + SEC, 100 * MS, C_POLL, above.database, above.query, 0);
    builder_wait(below.b, PID, T0 + SEC, 99 * MS, C_POLL, below.database, below.query, 0);
    assert_int_equal(findings_of(&above), 1);
    assert_int_equal(findings_of(&below), 0);
}

/* Twenty queries of 2 ms in a server that is idle 99 % of the time: 0.4 % of wall, but most of what it does. */
static void low_traffic_found_by_busy_share(void **state)
{
    (void)state;
    struct server s = {.b = scene_process(PID)};
    scene_gevent(s.b, PID, 100 * MS, 10 * SEC, 97 * MS);
    s.database = builder_endpoint(s.b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:3306");
    s.query = scene_stack(s.b, PC_MARIADB, PC_MYSQL_C, PC_VIEW_GET);
    scene_waits(s.b, PID, C_POLL, s.database, s.query, 0, 20, 2 * MS, SEC, 9 * SEC);
    assert_int_equal(findings_of(&s), 1);
}

static void few_short_waits_not_found(void **state)
{
    (void)state;
    struct server s = server_new(PID);
    scene_waits(s.b, PID, C_POLL, s.database, s.query, 0, 4, 2 * MS, SEC, 9 * SEC);
    assert_int_equal(findings_of(&s), 0);
}

/* Sends that only copy into the kernel's buffer, pipes and eventfds that wake other threads. */
static void cheap_calls_not_found(void **state)
{
    (void)state;
    struct server s = server_new(PID);
    uint32_t wakeup = builder_endpoint(s.b, ENDPOINT_EVENTFD, ROLE_NONE, NULL);
    builder_count(s.b, PID, T0 + SEC, 10 * US, 100000, C_WRITE, wakeup, 0);
    assert_int_equal(findings_of(&s), 0);
}

static void page_cache_not_found_but_slow_disk_is(void **state)
{
    (void)state;
    struct server log = server_new(PID), slow = server_new(PID), flush = server_new(PID);
    uint32_t file = builder_endpoint(log.b, ENDPOINT_FILE, ROLE_NONE, "/var/log/access.log");
    builder_count(log.b, PID, T0 + SEC, 900 * US, 3000, C_WRITE, file, 0);
    assert_int_equal(findings_of(&log), 0);

    file = builder_endpoint(slow.b, ENDPOINT_FILE, ROLE_NONE, "/mnt/nfs/data");
    scene_waits(slow.b, PID, C_READ, file, slow.view, 0, 30, 30 * MS, SEC, 9 * SEC);
    assert_int_equal(findings_of(&slow), 1);

    file = builder_endpoint(flush.b, ENDPOINT_FILE, ROLE_NONE, "/var/lib/db/wal");
    scene_waits(flush.b, PID, C_FSYNC, file, flush.view, 0, 100, 5 * MS, SEC, 9 * SEC);
    assert_int_equal(findings_of(&flush), 1);
}

static void waits_before_the_loop_found(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t database = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:3306");
    uint32_t query = scene_stack(b, PC_MARIADB, PC_MYSQL_C, PC_VIEW_GET);
    scene_gevent(b, PID, SEC, 10 * SEC, 50 * MS);
    scene_waits(b, PID, C_POLL, database, query, 0, 20, 20 * MS, 100 * MS, 900 * MS);
    builder_end(b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->count, 20);
    assert_int_equal(scene_evidence(f, "before_first_turn")->u64, 20);
    assert_int_equal(scene.report->loops[0].blocked_ns, 0); /* the loop was not running yet */
    scene_end(&scene);
}

static void start_up_work_not_found(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t module = builder_endpoint(b, ENDPOINT_FILE, ROLE_NONE, "/usr/lib/python3/x.pyc");
    uint32_t child = builder_endpoint(b, ENDPOINT_PROCESS, ROLE_NONE, "ldconfig");
    uint32_t pipe = builder_endpoint(b, ENDPOINT_PIPE, ROLE_NONE, NULL);
    uint32_t stack = scene_stack(b, PC_LIBC, PC_VIEW_GET);
    scene_gevent(b, PID, 3 * SEC, 10 * SEC, 50 * MS);
    builder_wait(b, PID, T0 + 100 * MS, 200 * MS, C_READ, module, stack, 0);
    builder_wait(b, PID, T0 + 300 * MS, 150 * MS, C_OPEN, module, stack, 0);
    builder_wait(b, PID, T0 + 500 * MS, 300 * MS, C_FORK, child, stack, 0);
    builder_wait(b, PID, T0 + 900 * MS, 300 * MS, C_WAITPID, child, stack, 0);
    builder_wait(b, PID, T0 + 1300 * MS, 300 * MS, C_READ, pipe, stack, 0);
    builder_wait(b, PID, T0 + 1700 * MS, 300 * MS, C_SEM, 0, stack, 0);
    builder_end(b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, b, NULL);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);
}

/* A client that connects, then copies between its terminal and the server. */
static void a_clients_start_not_found(void **state)
{
    (void)state;
    for (int epoll = 0; epoll < 2; epoll++) {
        struct trace_builder *b = scene_process(PID);
        uint32_t server = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "192.0.2.1:22");
        scene_loop(b, PID, PC_EPOLL_LOOP, epoll ? C_EPOLL : C_POLL, scene_stack(b, PC_EPOLL_LOOP), SEC, 9 * SEC, 50,
                   MS);
        scene_waits(b, PID, C_RECV, server, scene_stack(b, PC_CONNECT_UPSTREAM), 0, 20, 30 * MS, 0, 900 * MS);
        struct scene scene = scene_run(NULL, b, NULL);
        assert_int_equal(scene.report->finding_count, epoll);
        scene_end(&scene);
    }
}

static void shut_down_work_not_found(void **state)
{
    (void)state;
    struct server s = server_new(PID);
    uint32_t child = builder_endpoint(s.b, ENDPOINT_PROCESS, ROLE_NONE, "worker");
    builder_wait(s.b, PID, T0 + 10010 * MS, 2 * SEC, C_JOIN, 0, s.view, 0);
    builder_wait(s.b, PID, T0 + 12010 * MS, SEC, C_WAITPID, child, s.view, 0);
    builder_wait(s.b, PID, T0 + 13010 * MS, SEC, C_SLEEP, 0, s.view, 0);
    builder_wait(s.b, PID, T0 + 14010 * MS, 500 * MS, C_POLL, s.database, s.query, 0); /* a last farewell */
    builder_end(s.b, T0 + 15 * SEC, 0);
    struct scene scene = scene_run(NULL, s.b, NULL);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);
}

/* The last turn of a killed process has no loop wait behind it. */
static void last_turn_of_a_killed_process_found(void **state)
{
    (void)state;
    struct server s = server_new(PID);
    uint32_t name = builder_endpoint(s.b, ENDPOINT_NAME, ROLE_NONE, "db.internal");
    builder_wait(s.b, PID, T0 + 10001 * MS, 200 * MS, C_GETADDRINFO, name, s.view, 0);
    struct scene scene = scene_run(NULL, s.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_string_equal(f->operation, "db.internal");
    assert_null(f->peer);
    assert_string_equal(scene_evidence(f, "category")->string, "name look-up");
    scene_end(&scene);
}

/* A script that ran a loop for a while and then went on without one. */
static void life_after_the_loop_not_found(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    uint32_t database = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:3306");
    uint32_t query = scene_stack(b, PC_MARIADB, PC_MYSQL_C, PC_VIEW_GET);
    scene_gevent(b, PID, 100 * MS, 1100 * MS, 5 * MS);
    scene_waits(b, PID, C_POLL, database, query, 0, 100, 30 * MS, 2 * SEC, 9 * SEC);
    builder_end(b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, b, NULL);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);
}

static void runtime_locks_are_not_the_programs(void **state)
{
    (void)state;
    struct server gil = server_new(PID), lock = server_new(PID);
    uint32_t wait_gil = scene_stack(gil.b, PC_PYTHON_GIL, PC_VIEW_GET);
    scene_waits(gil.b, PID, C_COND, 0, wait_gil, 0, 500, 5 * MS, 200 * MS, 9 * SEC);
    builder_end(gil.b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, gil.b, NULL);
    assert_int_equal(scene.report->finding_count, 0);
    assert_int_equal(scene.report->loops[0].blocked_ns, 2500 * MS); /* lost all the same */
    scene_end(&scene);
    /* threading.Lock: a semaphore */
    uint32_t wait_lock = scene_stack(lock.b, PC_PYTHON_GIL, PC_VIEW_GET);
    scene_waits(lock.b, PID, C_SEM, 0, wait_lock, 0, 500, 5 * MS, 200 * MS, 9 * SEC);
    assert_int_equal(findings_of(&lock), 1);
}

static void lock_share_has_two_sides(void **state)
{
    (void)state;
    struct server above = server_new(PID), below = server_new(PID); /* 5 % of 9.9 s: 495 ms */
    scene_waits(above.b, PID, C_MUTEX, 0, above.view, 0, 100, 5 * MS, 200 * MS, 9 * SEC);
    scene_waits(below.b, PID, C_MUTEX, 0, below.view, 0, 98, 5 * MS, 200 * MS, 9 * SEC);
    assert_int_equal(findings_of(&above), 1);
    assert_int_equal(findings_of(&below), 0);
}

static void fork_alone_not_found(void **state)
{
    (void)state;
    struct server s = server_new(PID);
    uint32_t child = builder_endpoint(s.b, ENDPOINT_PROCESS, ROLE_NONE, "");
    scene_waits(s.b, PID, C_FORK, child, s.view, 0, 20, 20 * MS, 200 * MS, 9 * SEC);
    assert_int_equal(findings_of(&s), 0);
}

static void other_categories_found(void **state)
{
    (void)state;
    static const struct {
        uint16_t call;
        enum endpoint_kind kind;
        const char *text, *title;
    } cases[] = {
        {C_SLEEP, ENDPOINT_NONE, NULL, "a sleep in View.get blocks the gevent loop for 10 % of the time"},
        {C_FLOCK, ENDPOINT_FILE, "/run/x.lock",
         "a file lock in View.get blocks the gevent loop for 10 % of the time waiting for a lock on /run/x.lock"},
        {C_WAITPID, ENDPOINT_PROCESS, "convert",
         "waitpid in View.get blocks the gevent loop for 10 % of the time waiting for the process convert"},
        {C_GETADDRINFO, ENDPOINT_NAME, "db.internal",
         "a name look-up in View.get blocks the gevent loop for 10 % of the time looking up db.internal"},
        {C_JOIN, ENDPOINT_NONE, NULL,
         "pthread_join in View.get blocks the gevent loop for 10 % of the time waiting for a thread to end"},
        {C_READ, ENDPOINT_PIPE, "", "read in View.get blocks the gevent loop for 10 % of the time"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct server s = server_new(PID);
        uint32_t endpoint =
            cases[i].kind == ENDPOINT_NONE ? 0 : builder_endpoint(s.b, cases[i].kind, ROLE_NONE, cases[i].text);
        scene_waits(s.b, PID, cases[i].call, endpoint, s.view, 0, 50, 20 * MS, 200 * MS, 9 * SEC);
        builder_end(s.b, T0 + 10 * SEC, 0);
        struct scene scene = scene_run(NULL, s.b, NULL);
        const struct finding *f = scene_finding(&scene, RULE);
        assert_string_equal(f->title, cases[i].title);
        assert_true(strlen(f->remedy) > 0);
        scene_end(&scene);
    }
}

static void workers_are_one_finding(void **state)
{
    (void)state;
    struct server a = server_new(100), b = server_new(200);
    scene_waits(a.b, 100, C_POLL, a.database, a.query, 0, 100, 10 * MS, 200 * MS, 9 * SEC);
    scene_waits(b.b, 200, C_POLL, b.database, b.query, 0, 150, 10 * MS, 200 * MS, 9 * SEC);
    builder_end(a.b, T0 + 10 * SEC, 0);
    builder_end(b.b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, a.b, b.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->count, 250);
    assert_int_equal(f->total_ns, 2500 * MS);
    assert_int_equal(f->process.pid, 200); /* the worst */
    assert_int_equal(f->stack_count, 1);
    assert_int_equal(f->stacks[0].count, 250);
    assert_int_equal(scene_evidence(f, "processes")->u64, 2);
    assert_int_equal(scene.report->process_count, 2);
    scene_end(&scene);
}

/* Lines and addresses change with every edit, the problem stays the same. */
static void fingerprint_survives_restart(void **state)
{
    (void)state;
    uint64_t ids[2];
    for (int i = 0; i < 2; i++) {
        struct server s = server_new(i ? 4242 : PID);
        uint32_t stack =
            i ? scene_stack(s.b, PC_MARIADB, PC_MARIADB, PC_MYSQL_C, PC_DB_EXECUTE, PC_VIEW_GET, PC_VIEW_POST)
              : s.query;
        scene_waits(s.b, i ? 4242 : PID, C_POLL, s.database, stack, 0, 100, 10 * MS, 200 * MS, 9 * SEC);
        struct scene scene = scene_run(NULL, s.b, NULL);
        ids[i] = scene_finding(&scene, RULE)->id;
        scene_end(&scene);
    }
    assert_int_equal(ids[0], ids[1]);
}

/* poll, recv and send of one driver are one problem. */
static void calls_of_a_driver_are_one_problem(void **state)
{
    (void)state;
    struct server s = server_new(PID);
    scene_waits(s.b, PID, C_POLL, s.database, s.query, 0, 50, 10 * MS, 200 * MS, 9 * SEC);
    scene_waits(s.b, PID, C_RECV, s.database, s.query, 0, 50, 5 * MS, 215 * MS, 9 * SEC);
    scene_waits(s.b, PID, C_SEND, s.database, s.query, 0, 50, 10 * US, 190 * MS, 9 * SEC);
    builder_end(s.b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, s.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->count, 150);
    assert_int_equal(f->total_ns, 750 * MS + 500 * US);
    scene_end(&scene);
}

/* Many places that call one driver, each below the threshold. */
static void places_of_a_driver_add_up(void **state)
{
    (void)state;
    struct server s = server_new(PID);
    static const uint64_t places[] = {PC_VIEW_GET, PC_VIEW_POST, PC_HANDLE, PC_PARSE, PC_RENDER};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        uint32_t stack = scene_stack(s.b, PC_MEMCACHED_C, PC_MYSQL_C, places[i]);
        scene_waits(s.b, PID, C_RECV, s.cache, stack, 0, 9, (10 + i) * MS, (200 + 20 * i) * MS, 9 * SEC);
    }
    assert_int_equal(findings_of(&s), 1);
}

/* libmemcached polls its two servers: a waitset, but not the loop's. */
static void nested_poll_blocks_the_loop(void **state)
{
    (void)state;
    struct server s = server_new(PID);
    uint32_t stack = scene_stack(s.b, PC_MEMCACHED_C, PC_VIEW_GET);
    scene_loop(s.b, PID, PC_MEMCACHED_C, C_POLL, stack, 300 * MS, 9 * SEC, 100, 20 * MS);
    builder_end(s.b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, s.b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->total_ns, 2 * SEC);
    assert_string_equal(scene.report->loops[0].kind, "gevent");
    assert_int_equal(scene.report->loops[0].idle_ns, 101 * 50 * MS);
    scene_end(&scene);
}

static void nested_resolver_sockets_ignored(void **state)
{
    (void)state;
    struct server s = server_new(PID);
    uint32_t resolver = builder_endpoint(s.b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.53:53");
    /* The recorder does not count nested waits: take them out of the builder's counter again. */
    builder_wait(s.b, PID, T0 + SEC, 150 * MS, C_POLL, resolver, s.view, WAIT_NESTED);
    builder_count(s.b, PID, T0 + SEC, 0, 1, C_POLL, resolver, 0)->count = 0;
    assert_int_equal(findings_of(&s), 0);
}

static void thresholds_are_options(void **state)
{
    (void)state;
    struct analysis_options options;
    char error[200];
    analysis_options_init(&options);
    assert_int_equal(analysis_option_set(&options, "non-yielding-io.share", "50%", error, sizeof(error)), 0);
    assert_int_equal(analysis_option_set(&options, "non-yielding-io.busy-share", "90%", error, sizeof(error)), 0);
    struct server s = server_new(PID);
    scene_waits(s.b, PID, C_POLL, s.database, s.query, 0, 200, 10 * MS, 200 * MS, 9 * SEC);
    struct scene scene = scene_run(&options, s.b, NULL);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);
}

static void transport_library_is_not_the_driver(void **state)
{
    (void)state;
    struct server s = server_new(PID);
    uint32_t stack = scene_stack(s.b, PC_LIBSSL, PC_MARIADB, PC_VIEW_GET);
    scene_waits(s.b, PID, C_RECV, s.database, stack, 0, 100, 10 * MS, 200 * MS, 9 * SEC);
    struct scene scene = scene_run(NULL, s.b, NULL);
    assert_string_equal(scene_evidence(scene_finding(&scene, RULE), "driver")->string, "libmariadb.so.3");
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(driver_found),
        cmocka_unit_test(driver_that_yields_not_found),
        cmocka_unit_test(same_waits_without_loop_not_found),
        cmocka_unit_test(short_frequent_waits_found_with_exact_totals),
        cmocka_unit_test(two_stacks_share_the_counter),
        cmocka_unit_test(share_threshold_has_two_sides),
        cmocka_unit_test(single_threshold_has_two_sides),
        cmocka_unit_test(low_traffic_found_by_busy_share),
        cmocka_unit_test(few_short_waits_not_found),
        cmocka_unit_test(cheap_calls_not_found),
        cmocka_unit_test(page_cache_not_found_but_slow_disk_is),
        cmocka_unit_test(waits_before_the_loop_found),
        cmocka_unit_test(start_up_work_not_found),
        cmocka_unit_test(a_clients_start_not_found),
        cmocka_unit_test(shut_down_work_not_found),
        cmocka_unit_test(last_turn_of_a_killed_process_found),
        cmocka_unit_test(life_after_the_loop_not_found),
        cmocka_unit_test(runtime_locks_are_not_the_programs),
        cmocka_unit_test(lock_share_has_two_sides),
        cmocka_unit_test(fork_alone_not_found),
        cmocka_unit_test(other_categories_found),
        cmocka_unit_test(workers_are_one_finding),
        cmocka_unit_test(fingerprint_survives_restart),
        cmocka_unit_test(calls_of_a_driver_are_one_problem),
        cmocka_unit_test(places_of_a_driver_add_up),
        cmocka_unit_test(nested_poll_blocks_the_loop),
        cmocka_unit_test(nested_resolver_sockets_ignored),
        cmocka_unit_test(thresholds_are_options),
        cmocka_unit_test(transport_library_is_not_the_driver),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
