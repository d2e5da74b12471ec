/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/sample.h"

#include <stdio.h>
#include <stdlib.h>

static struct frame frames[] = {
    {FRAME_NATIVE, "poll", "libc.so.6", NULL, 0, false, true},
    {FRAME_NATIVE, "0x2b1c3", "libmariadb.so.3", NULL, 0, false, false},
    {FRAME_NATIVE, "_mysql_query", "_mysql.so", NULL, 0, false, false},
    {FRAME_PYTHON, "Cursor.execute", "MySQLdb.cursors", "/usr/lib/python3/dist-packages/MySQLdb/cursors.py", 206, false,
     false},
    {FRAME_PYTHON, "View.get", "app.views", "/srv/app/views.py", 33, false, false},
    {FRAME_PYTHON, "application", "app.server", "/srv/app/server.py", 51, false, false},
    {FRAME_PYTHON, "Handler.run", "gevent.pywsgi", "/usr/lib/python3/dist-packages/gevent/pywsgi.py", 999, false, true},
};
static struct stack stack;
static struct peer peer;
static struct finding_stack stacks[1];
static struct evidence evidence[5];
static struct finding findings[2];
static struct blocked_by blocked_by;
static struct loop loop;
static struct endpoint endpoint;
static struct process_row process;
static struct syscall_row syscall;
static struct syscall_bucket buckets[] = {{4096, 3}, {UINT64_MAX, 14}};
static const char *warnings[1];
static struct report report;

static void findings_fill(void)
{
    evidence[0] = (struct evidence){"share", EVIDENCE_RATIO, 0, 0.382, NULL};
    evidence[1] = (struct evidence){"busy_share", EVIDENCE_RATIO, 0, 0.91, NULL};
    evidence[2] = (struct evidence){"gil_wait_ns", EVIDENCE_NS, 1200000, 0, NULL};
    evidence[3] = (struct evidence){"processes", EVIDENCE_U64, 4, 0, NULL};
    evidence[4] = (struct evidence){"call", EVIDENCE_STRING, 0, 0, "poll"};
    stacks[0] = (struct finding_stack){"blocked", &stack, 812, 4060000000};
    findings[0] = (struct finding){
        .rule = "non-yielding-io",
        .severity = SEVERITY_ERROR,
        .id = UINT64_C(0x0e3c1a2b9f00d412),
        .title = "libmariadb.so.3 blocks the gevent loop",
        .remedy = "Use a driver that yields to the loop.",
        .count = 812,
        .total_ns = 4060000000,
        .max_ns = 31000000,
        .p99_ns = 22000000,
        .process = {4711, 1, "/usr/bin/python3.11", "python3 server.py --port 8000", "web1"},
        .thread = {4712, "MainThread", true},
        .peer = &peer,
        .operation = "SELECT ? FROM user",
        .stacks = stacks,
        .stack_count = 1,
        .evidence = evidence,
        .evidence_count = 5,
        .first_real_ns = UINT64_C(1700000000123000000),
        .last_real_ns = UINT64_C(1700000030123000000),
    };
    findings[1] = (struct finding){
        .rule = "loop-stall",
        .severity = SEVERITY_WARNING,
        .id = UINT64_C(0xffffffffffffffff),
        .title = "a turn of the loop took 480 ms",
        .count = 1,
        .total_ns = 480000000,
        .max_ns = 480000000,
        .p99_ns = 480000000,
        .process = findings[0].process,
        .thread = findings[0].thread,
        .first_real_ns = UINT64_C(1700000010000000000),
        .last_real_ns = UINT64_C(1700000010480000000),
    };
}

struct report *sample_report(void)
{
    stack = (struct stack){frames, sizeof(frames) / sizeof(frames[0]), true};
    peer = (struct peer){"unknown", "inet", "127.0.0.1:3306"};
    findings_fill();
    blocked_by = (struct blocked_by){"libmariadb.so.3", &peer, 4060000000, 812};
    loop = (struct loop){.process = findings[0].process,
                         .thread = findings[0].thread,
                         .kind = "gevent",
                         .wall_ns = 10630000000,
                         .idle_ns = 1300000000,
                         .oncpu_ns = 5200000000,
                         .blocked_ns = 4060000000,
                         .turns = 8123,
                         .turn_p99_ns = 31000000,
                         .turn_max_ns = 480000000,
                         .verdict = LOOP_BLOCKED,
                         .blocked_by = &blocked_by,
                         .blocked_by_count = 1};
    endpoint = (struct endpoint){peer, 1, 812, 4060000000, 123456, 98765};
    process = (struct process_row){findings[0].process, "finished", UINT64_C(1700000000000000000),
                                   UINT64_C(1700000031000000000), 3};
    syscall = (struct syscall_row){.process = findings[0].process,
                                   .thread = findings[0].thread,
                                   .name = "futex",
                                   .cause = "lock",
                                   .count = 17,
                                   .total_ns = 250000000,
                                   .max_ns = 90000000,
                                   .p99_ns = 67000000,
                                   .runqueue_ns = 1500000,
                                   .histogram = buckets,
                                   .histogram_count = 2};
    warnings[0] = "the symbols of /usr/lib/x.so are missing";
    report = (struct report){.findings = findings,
                             .finding_count = 2,
                             .loops = &loop,
                             .loop_count = 1,
                             .endpoints = &endpoint,
                             .endpoint_count = 1,
                             .processes = &process,
                             .process_count = 1,
                             .syscalls = &syscall,
                             .syscall_count = 1,
                             .warnings = warnings,
                             .warning_count = 1,
                             .lost = {[TRACE_LOST_OVERWRITTEN] = 1234},
                             .verdict = "The loop of python3 (pid 4711) was blocked 38 % of its time."};
    return &report;
}

char *sample_text(const struct report_format *format, const struct report *printed, struct report_style style)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);

    if (!memory || format->write(printed, &style, memory) != 0) {
        fprintf(stderr, "the report could not be written\n");
        exit(1);
    }
    fclose(memory);
    return text;
}
