/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What came between two reports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <string.h>

#include "analysis/interval.h"

/* A report with two of everything; those at the end of each list are told apart by `other`. */
struct sides {
    struct finding findings[2];
    struct blocked_by by[2];
    struct loop loops[1];
    struct endpoint_operation operations[2];
    struct endpoint endpoints[2];
    struct lock locks[2];
    struct report report;
};

static struct peer database = {.protocol = "mysql", .family = "inet", .address = "127.0.0.1:3306"};

static void fill(struct sides *s)
{
    memset(s, 0, sizeof(*s));
    s->findings[0] = (struct finding){.id = 1, .count = 10, .total_ns = 1000};
    s->findings[1] = (struct finding){.id = 2, .severity = SEVERITY_ERROR, .count = 5};
    s->by[0] = (struct blocked_by){"libmariadb.so.3", &database, 500, 5};
    s->by[1] = (struct blocked_by){"libcurl.so.4", NULL, 400, 4};
    s->loops[0] = (struct loop){.process.pid = 7,
                                .thread.tid = 8,
                                .wall_ns = 2000,
                                .blocked_ns = 900,
                                .turns = 3,
                                .blocked_by = s->by,
                                .blocked_by_count = 2};
    s->operations[0] = (struct endpoint_operation){.words = "GET", .count = 4, .total_ns = 40, .p99_ns = 11};
    s->operations[1] = (struct endpoint_operation){.words = "SET", .count = 6, .total_ns = 60};
    s->endpoints[0] = (struct endpoint){.peer = database, .calls = 3, .wait_ns = 30};
    s->endpoints[1] = (struct endpoint){.peer = {"redis", "inet", "127.0.0.1:6379", NULL, false},
                                        .requests = 10,
                                        .request_ns = 100,
                                        .operations = s->operations,
                                        .operation_count = 2};
    s->locks[0] = (struct lock){.process.pid = 7, .name = "a", .kind = "mutex", .acquisitions = 100, .wait_ns = 9};
    s->locks[1] = (struct lock){.process.pid = 7, .name = "b", .kind = "mutex", .acquisitions = 50, .wait_ns = 5};
    s->report = (struct report){.findings = s->findings,
                                .finding_count = 2,
                                .loops = s->loops,
                                .loop_count = 1,
                                .endpoints = s->endpoints,
                                .endpoint_count = 2,
                                .locks = s->locks,
                                .lock_count = 2};
}

static void first_look_is_everything(void **state)
{
    (void)state;
    struct sides now;
    struct interval interval;
    fill(&now);
    interval_between(NULL, &now.report, &interval);
    assert_int_equal(interval.report.finding_count, 2);
    assert_int_equal(interval.report.findings[0].id, 2); /* the error first */
    assert_int_equal(interval.quiet_count, 0);
    assert_int_equal(interval.report.loops[0].wall_ns, 2000);
    assert_int_equal(interval.report.endpoint_count, 2);
    interval_free(&interval);
}

static void only_what_moved(void **state)
{
    (void)state;
    struct sides before, now;
    struct interval interval;
    fill(&before);
    fill(&now);
    now.findings[0].count = 13;
    now.findings[0].total_ns = 1600;
    now.loops[0].wall_ns = 3000;
    now.loops[0].blocked_ns = 1500;
    now.by[1].total_ns = 1000;
    now.by[1].count = 9;
    now.endpoints[1].requests = 12;
    now.endpoints[1].request_ns = 130;
    now.operations[0].count = 6;
    now.operations[0].total_ns = 70;
    now.locks[1].wait_ns = 4; /* an estimate that went back */
    now.locks[1].acquisitions = 60;
    interval_between(&before.report, &now.report, &interval);
    const struct report *r = &interval.report;
    assert_int_equal(r->finding_count, 1);
    assert_int_equal(r->findings[0].id, 1);
    assert_int_equal(r->findings[0].count, 3);
    assert_int_equal(r->findings[0].total_ns, 600);
    assert_int_equal(interval.quiet_count, 1);
    assert_int_equal(interval.quiet[0].count, 5);
    assert_int_equal(r->loops[0].wall_ns, 1000);
    assert_int_equal(r->loops[0].blocked_ns, 600);
    assert_string_equal(r->loops[0].blocked_by[0].module, "libcurl.so.4"); /* most of the interval first */
    assert_int_equal(r->loops[0].blocked_by[0].total_ns, 600);
    assert_int_equal(r->loops[0].blocked_by[1].total_ns, 0);
    assert_int_equal(r->endpoint_count, 1);
    assert_int_equal(r->endpoints[0].requests, 2);
    assert_int_equal(r->endpoints[0].operation_count, 1);
    assert_int_equal(r->endpoints[0].operations[0].count, 2);
    assert_int_equal(r->endpoints[0].operations[0].p99_ns, 11); /* of the whole recording */
    assert_int_equal(r->lock_count, 1);
    assert_string_equal(r->locks[0].name, "b");
    assert_int_equal(r->locks[0].wait_ns, 0);
    interval_free(&interval);
}

static void what_is_new_counts_whole(void **state)
{
    (void)state;
    struct sides before, now;
    struct interval interval;
    fill(&before);
    fill(&now);
    before.report.finding_count = before.report.endpoint_count = before.report.lock_count = 1;
    before.report.loop_count = 0;
    interval_between(&before.report, &now.report, &interval);
    assert_int_equal(interval.report.findings[0].count, 5);
    assert_int_equal(interval.report.loops[0].wall_ns, 2000);
    assert_int_equal(interval.report.endpoints[0].requests, 10);
    assert_int_equal(interval.report.locks[0].acquisitions, 50);
    interval_free(&interval);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_look_is_everything),
        cmocka_unit_test(only_what_moved),
        cmocka_unit_test(what_is_new_counts_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
