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
static struct evidence evidence[7];
static struct finding findings[2];
static struct blocked_by blocked_by;
static struct loop loop;
static struct watched_row watched;
static struct endpoint_operation operation;
static struct endpoint endpoint;
static struct process_row process;
static struct syscall_row syscall;
static struct syscall_bucket buckets[] = {{4096, 3}, {UINT64_MAX, 14}};
static const char *warnings[1];
static struct report report;

static void findings_fill(void)
{
    static uint64_t counts[] = {1, 0, 8, 4};
    static const struct series series = {UINT64_C(1700000000000000000), 1000000000, counts, 4};
    evidence[0] = (struct evidence){.key = "share", .type = EVIDENCE_RATIO, .ratio = 0.382};
    evidence[1] = (struct evidence){.key = "busy_share", .type = EVIDENCE_RATIO, .ratio = 0.91};
    evidence[2] = (struct evidence){.key = "gil_wait_ns", .type = EVIDENCE_NS, .u64 = 1200000};
    evidence[3] = (struct evidence){.key = "processes", .type = EVIDENCE_U64, .u64 = 4};
    evidence[4] = (struct evidence){.key = "call", .type = EVIDENCE_STRING, .string = "poll"};
    evidence[5] = (struct evidence){.key = "timeline", .type = EVIDENCE_SERIES, .series = &series};
    static const char *const columns[] = {"rate", "busy"};
    static const char *names[] = {"one", "striped"};
    static double cells[] = {1, 0.5, 2, 0.25};
    static const struct table table = {"lock", columns, 2, names, cells, 2};
    evidence[6] = (struct evidence){.key = "locks_replayed", .type = EVIDENCE_TABLE, .table = &table};
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
        .context = {.kind = "http", .name = "POST /cards", .others = 2},
        .stacks = stacks,
        .stack_count = 1,
        .evidence = evidence,
        .evidence_count = 7,
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
    peer = (struct peer){"mysql", "inet", "127.0.0.1:3306", "db.internal", false};
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
    operation = (struct endpoint_operation){"SELECT ? FROM user", 800, 4000000000, 31000000, 5000000, 22000000, 2};
    endpoint = (struct endpoint){.peer = peer,
                                 .connects = 1,
                                 .calls = 812,
                                 .wait_ns = 4060000000,
                                 .bytes_in = 123456,
                                 .bytes_out = 98765,
                                 .connects_failed = 3,
                                 .connects_failed_ns = 9000000000,
                                 .requests = 801,
                                 .request_ns = 4010000000,
                                 .request_bytes = 400000,
                                 .errors = 2,
                                 .p50_ns = 5000000,
                                 .p99_ns = 22000000,
                                 .first_byte_p50_ns = 4900000,
                                 .operations = &operation,
                                 .operation_count = 1,
                                 .processes = 1};
    watched = (struct watched_row){.process = findings[0].process,
                                   .name = "cachetools.TTLCache of server.py:35",
                                   .objects = 1,
                                   .operations = 63223,
                                   .changes = 63000,
                                   .threads = 76,
                                   .overlaps = 1126,
                                   .key_errors = 3,
                                   .difference = 374,
                                   .counted = true,
                                   .lock_known = true,
                                   .lock_busy = 0.22,
                                   .lock_wait_p99_ns = 1080000};
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
                             .watched = &watched,
                             .watched_count = 1,
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
