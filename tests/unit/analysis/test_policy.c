/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "analysis/policy.h"

static const struct process_info web = {
    .name = "gunicorn", .exe = "/usr/bin/python3.11", .cmdline = "gunicorn shop:app"};
static const struct process_info worker = {
    .name = "celery", .exe = "/usr/bin/python3.11", .cmdline = "celery -A shop worker"};

static struct peer peer_at(const char *protocol, const char *address, const char *name)
{
    bool path = address[0] == '/' || address[0] == '@';
    return (struct peer){protocol, path ? "unix" : address[0] == '[' ? "inet6" : "inet", address, name, false};
}

static bool allows(const char *entry, const char *process, const struct process_info *who, struct peer peer)
{
    char error[256];
    struct policy *policy = policy_new();
    if (policy_allow(policy, entry, process, error, sizeof(error)) < 0)
        fail_msg("%s", error);
    bool allowed = policy_allows(policy, who, &peer);
    policy_free(policy);
    return allowed;
}

static bool fits(const char *entry, const char *protocol, const char *address, const char *name)
{
    return allows(entry, NULL, &web, peer_at(protocol, address, name));
}

static void an_entry_is_protocol_host_and_port(void **state)
{
    (void)state;
    assert_true(fits("redis://127.0.0.1:6379", "redis", "127.0.0.1:6379", NULL));
    assert_false(fits("redis://127.0.0.1:6379", "redis", "127.0.0.1:6380", NULL));
    assert_false(fits("redis://127.0.0.1:6379", "redis", "127.0.0.2:6379", NULL));
    assert_true(fits("redis://127.0.0.1", "redis", "127.0.0.1:6380", NULL));
    assert_true(fits("127.0.0.1:6379", "mysql", "127.0.0.1:6379", NULL));
    assert_true(fits("*:6379", "redis", "10.0.0.1:6379", NULL));
    assert_true(fits("*", "redis", "10.0.0.1:6379", NULL));
}

/* What counts is what was spoken, not the port. */
static void another_protocol_on_the_allowed_port_is_not_allowed(void **state)
{
    (void)state;
    assert_false(fits("redis://127.0.0.1:6379", "mysql", "127.0.0.1:6379", NULL));
    assert_true(fits("redis://*", "redis", "10.1.2.3:3306", NULL));
    assert_false(fits("redis://*", "mysql", "10.1.2.3:6379", NULL));
    assert_true(fits("http*://*", "http2", "10.1.2.3:443", NULL));
}

static void an_unknown_protocol_is_judged_by_address_and_port(void **state)
{
    (void)state;
    assert_true(fits("redis://127.0.0.1:6379", "unknown", "127.0.0.1:6379", NULL));
    assert_true(fits("redis://*:6379", "unknown", "127.0.0.1:6379", NULL));
    assert_false(fits("redis://*", "unknown", "127.0.0.1:6379", NULL));
    assert_false(fits("redis://127.0.0.1:6379", "unknown", "127.0.0.1:6380", NULL));
}

static void ranges_cover_their_addresses(void **state)
{
    (void)state;
    assert_true(fits("mysql://10.0.0.0/15", "mysql", "10.1.255.1:3306", NULL));
    assert_false(fits("mysql://10.0.0.0/15", "mysql", "10.2.0.1:3306", NULL));
    assert_true(fits("mysql://10.0.0.0/8:3306", "mysql", "10.2.0.1:3306", NULL));
    assert_false(fits("mysql://10.0.0.0/8:3306", "mysql", "10.2.0.1:3307", NULL));
    assert_true(fits("0.0.0.0/0", "mysql", "10.2.0.1:3306", NULL));
    assert_false(fits("0.0.0.0/0", "mysql", "[::1]:3306", NULL));
    assert_true(fits("redis://[fd00::]/8", "redis", "[fd12::1]:6379", NULL));
    assert_true(fits("redis://[fd00::1]:6379", "redis", "[fd00:0::1]:6379", NULL));
    assert_true(fits("redis://::1", "redis", "[::1]:6379", NULL));
    assert_false(fits("redis://[fd00::]/8", "redis", "127.0.0.1:6379", NULL));
}

static void names_are_those_that_the_program_looked_up(void **state)
{
    (void)state;
    assert_true(fits("mysql://db.internal", "mysql", "10.0.0.1:3306", "db.internal"));
    assert_true(fits("mysql://DB.internal:3306", "mysql", "10.0.0.1:3306", "db.internal"));
    assert_true(fits("mysql://*.internal", "mysql", "10.0.0.1:3306", "db.internal"));
    assert_false(fits("mysql://db.internal", "mysql", "10.0.0.1:3306", "db2.internal"));
    assert_false(fits("mysql://db.internal", "mysql", "10.0.0.1:3306", NULL));
    assert_true(fits("redis://localhost:6379", "redis", "127.0.0.1:6379", NULL));
    assert_true(fits("redis://localhost", "redis", "[::1]:6379", NULL));
    assert_false(fits("redis://localhost", "redis", "10.0.0.1:6379", NULL));
}

static void unix_sockets_are_paths(void **state)
{
    (void)state;
    assert_true(fits("mysql:///run/mysqld/mysqld.sock", "mysql", "/run/mysqld/mysqld.sock", NULL));
    assert_true(fits("/run/*", "unknown", "/run/mysqld/mysqld.sock", NULL));
    assert_false(fits("mysql:///run/other.sock", "mysql", "/run/mysqld/mysqld.sock", NULL));
    assert_true(fits("@name", "unknown", "@name", NULL));
}

static void an_entry_may_be_for_some_processes(void **state)
{
    (void)state;
    struct peer mysql = peer_at("mysql", "127.0.0.1:3306", NULL);
    assert_true(allows("mysql://*", "gunicorn", &web, mysql));
    assert_false(allows("mysql://*", "gunicorn", &worker, mysql));
    assert_true(allows("mysql://*", "*worker*", &worker, mysql));
    assert_true(allows("mysql://*", "/usr/bin/python*", &worker, mysql));
}

static void some_peers_need_no_entry(void **state)
{
    (void)state;
    struct peer dns = peer_at("dns", "10.0.0.1:5353", NULL), resolver = peer_at("unknown", "10.0.0.1:53", NULL);
    struct peer nscd = peer_at("unknown", "/var/run/nscd/socket", NULL), other = peer_at("unknown", "/run/x", NULL);
    struct peer tunnel = peer_at("mysql", "10.0.0.1:53", NULL);
    assert_true(policy_excuses(&dns));
    assert_true(policy_excuses(&resolver));
    assert_true(policy_excuses(&nscd));
    assert_false(policy_excuses(&other));
    assert_false(policy_excuses(&tunnel));
}

static void what_was_seen_is_an_entry_that_allows_it(void **state)
{
    (void)state;
    const struct peer peers[] = {peer_at("mysql", "127.0.0.1:3306", "db"), peer_at("unknown", "10.0.0.1:9999", NULL),
                                 peer_at("redis", "[::1]:6379", NULL), peer_at("mysql", "/run/mysqld.sock", NULL)};
    for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
        char *entry = policy_entry_of(&peers[i]);
        assert_true(allows(entry, NULL, &web, peers[i]));
        free(entry);
    }
}

static void assert_refused(const char *entry, const char *reason)
{
    char error[256] = "";
    struct policy *policy = policy_new();
    assert_true(policy_allow(policy, entry, NULL, error, sizeof(error)) < 0);
    assert_string_equal(error, reason);
    policy_free(policy);
}

static void entries_that_never_fit_are_refused(void **state)
{
    (void)state;
    assert_refused("reddis://x", "unknown protocol 'reddis'; did you mean 'redis'?");
    assert_refused("redis://", "'redis://' names no host; '*' is any");
    assert_refused("10.0.0.0/33", "'10.0.0.0/33' is not a range of addresses such as 10.0.0.0/8");
    assert_refused("db/8", "'db/8' is not a range of addresses such as 10.0.0.0/8");
    assert_refused("redis://x:http", "'http' is not a port");
    assert_refused("redis://x:70000", "'70000' is not a port");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_is_protocol_host_and_port),
        cmocka_unit_test(another_protocol_on_the_allowed_port_is_not_allowed),
        cmocka_unit_test(an_unknown_protocol_is_judged_by_address_and_port),
        cmocka_unit_test(ranges_cover_their_addresses),
        cmocka_unit_test(names_are_those_that_the_program_looked_up),
        cmocka_unit_test(unix_sockets_are_paths),
        cmocka_unit_test(an_entry_may_be_for_some_processes),
        cmocka_unit_test(some_peers_need_no_entry),
        cmocka_unit_test(what_was_seen_is_an_entry_that_allows_it),
        cmocka_unit_test(entries_that_never_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
