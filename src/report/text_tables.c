/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables behind the findings: loops, endpoints, locks, processes, warnings, loss.
 */
#include <inttypes.h>
#include <string.h>

#include "report/lost.h"
#include "report/text.h"
#include "report/units.h"

#define TABLE_ROWS 20
#define ENDPOINT_ROWS 10
#define OPERATION_ROWS 3
#define LOCK_ROWS 10
#define BLOCKED_BY_ROWS 3
#define SPARK_COLUMNS 9
#define SPARK_FIRST_NS 4096 /* end of the first column, a power of two as the rows' buckets have */

static void heading_write(const char *heading, const char *columns, const struct report_style *style, FILE *out)
{
    struct line line;

    line_begin(&line, style);
    line_ink(&line, INK_BOLD);
    line_print(&line, "%s", heading);
    line_ink(&line, INK_NONE);
    line_end(&line, out);
    if (!columns)
        return;
    line_begin(&line, style);
    line_ink(&line, INK_DIM);
    line_print(&line, "%s", columns);
    line_ink(&line, INK_NONE);
    line_end(&line, out);
}

static void more_write(size_t count, size_t shown, const struct report_style *style, FILE *out)
{
    struct line line;

    if (count > shown) {
        line_begin(&line, style);
        line_print(&line, "  … and %zu more", count - shown);
        line_end(&line, out);
    }
    fputc('\n', out);
}

/* What the table has no room for, where the kernel was watching. */
static void loop_runnable_write(const struct loop *loop, const struct report_style *style, FILE *out)
{
    char total[UNIT_SIZE], share[UNIT_SIZE];
    struct line line;

    if (!loop->runnable_known || (loop->runnable_ns < loop->wall_ns / 100 && loop->verdict != LOOP_STARVED))
        return;
    line_begin(&line, style);
    line_pad(&line, 10);
    line_ink(&line, loop->verdict == LOOP_STARVED ? INK_WARNING : INK_NONE);
    line_print(&line, "waited for a CPU");
    line_ink(&line, INK_NONE);
    line_print(&line, ": %s (%s)%s", unit_duration(loop->runnable_ns, total, sizeof(total)),
               unit_part(loop->runnable_ns, loop->wall_ns, share, sizeof(share)),
               loop->verdict == LOOP_STARVED ? ": others had the CPUs" : "");
    line_end(&line, out);
}

static void loop_verdict_write(const struct loop *loop, const struct report_style *style, FILE *out)
{
    size_t rows = loop->blocked_by_count < BLOCKED_BY_ROWS ? loop->blocked_by_count : BLOCKED_BY_ROWS;
    struct line line;

    if (loop->verdict == LOOP_SATURATED) {
        line_begin(&line, style);
        line_pad(&line, 10);
        line_ink(&line, INK_WARNING);
        line_print(&line, "saturated: this loop has no time left");
        line_ink(&line, INK_NONE);
        line_end(&line, out);
    }
    for (size_t i = 0; i < rows; i++) {
        const struct blocked_by *blocked = &loop->blocked_by[i];
        char total[UNIT_SIZE], count[UNIT_SIZE], share[UNIT_SIZE], peer[512];
        if (blocked->total_ns < loop->wall_ns / 1000)
            break; /* most first: the rest is less than 0.1 % as well */
        line_begin(&line, style);
        line_pad(&line, 10);
        line_ink(&line, loop->verdict == LOOP_IDLE ? INK_NONE : INK_WARNING);
        line_print(&line, "%s by %s", i == 0 ? "blocked" : "    and", blocked->module ? blocked->module : "?");
        line_ink(&line, INK_NONE);
        line_print(&line, ": %s (%s), %s time%s", unit_duration(blocked->total_ns, total, sizeof(total)),
                   unit_part(blocked->total_ns, loop->wall_ns, share, sizeof(share)),
                   unit_count(blocked->count, count, sizeof(count)), blocked->count == 1 ? "" : "s");
        if (blocked->peer)
            line_print(&line, ", for %s", text_peer(blocked->peer, peer, sizeof(peer)));
        line_end(&line, out);
    }
}

static void loop_write(const struct loop *loop, const struct report_style *style, FILE *out)
{
    char number[UNIT_SIZE];
    struct line line;

    line_begin(&line, style);
    snprintf(number, sizeof(number), "%" PRIu32, loop->thread.tid);
    line_right(&line, number, 7);
    line_print(&line, " ");
    line_text(&line, loop->thread.name, 14, LINE_CUT_END);
    line_pad(&line, 23);
    line_text(&line, loop->kind, 8, LINE_CUT_END);
    line_right(&line, unit_duration(loop->wall_ns, number, sizeof(number)), 41);
    line_right(&line, unit_part(loop->idle_ns, loop->wall_ns, number, sizeof(number)), 48);
    line_right(&line, unit_part(loop->oncpu_ns, loop->wall_ns, number, sizeof(number)), 56);
    line_right(&line, unit_part(loop->blocked_ns, loop->wall_ns, number, sizeof(number)), 64);
    line_right(&line, unit_count(loop->turns, number, sizeof(number)), 72);
    line_right(&line, loop->turn_p99_ns > 0 ? unit_duration(loop->turn_p99_ns, number, sizeof(number)) : "-", 80);
    line_end(&line, out);
    loop_runnable_write(loop, style, out);
    loop_verdict_write(loop, style, out);
}

void text_loops(const struct report *report, const struct report_style *style, FILE *out)
{
    size_t rows = report->loop_count < TABLE_ROWS ? report->loop_count : TABLE_ROWS;

    if (report->loop_count == 0)
        return;
    heading_write("Event loops", " thread name           kind          time   idle  on CPU blocked   turns     p99",
                  style, out);
    for (size_t i = 0; i < rows; i++)
        loop_write(&report->loops[i], style, out);
    more_write(report->loop_count, rows, style, out);
}

/* What the host is called, and what failed. */
static void endpoint_notes_write(const struct endpoint *endpoint, const struct report_style *style, FILE *out)
{
    char number[UNIT_SIZE];
    const char *separator = "";
    struct line line;

    if (!endpoint->peer.name && endpoint->errors == 0 && endpoint->connects_failed == 0)
        return;
    line_begin(&line, style);
    line_pad(&line, 6);
    if (endpoint->peer.name) {
        line_print(&line, "is %s", endpoint->peer.name);
        separator = "; ";
    }
    line_ink(&line, INK_WARNING);
    if (endpoint->errors > 0) {
        line_print(&line, "%s%s request%s failed", separator, unit_count(endpoint->errors, number, sizeof(number)),
                   endpoint->errors == 1 ? "" : "s");
        separator = "; ";
    }
    if (endpoint->connects_failed > 0) {
        line_print(&line, "%s%s connect%s failed", separator,
                   unit_count(endpoint->connects_failed, number, sizeof(number)),
                   endpoint->connects_failed == 1 ? "" : "s");
        line_print(&line, ", which took %s", unit_duration(endpoint->connects_failed_ns, number, sizeof(number)));
    }
    line_ink(&line, INK_NONE);
    line_end(&line, out);
}

/* A number that ends before `column`, or wider than its column, apart from the one before. */
static void cell_write(struct line *line, const char *text, unsigned column)
{
    if (line->columns + line_width(text) >= column)
        line_print(line, " ");
    line_right(line, text, column);
}

/* What was asked most. */
static void endpoint_details_write(const struct endpoint *endpoint, const struct report_style *style, FILE *out)
{
    size_t rows = endpoint->operation_count < OPERATION_ROWS ? endpoint->operation_count : OPERATION_ROWS;
    char number[UNIT_SIZE];
    struct line line;

    endpoint_notes_write(endpoint, style, out);
    for (size_t i = 0; i < rows; i++) {
        const struct endpoint_operation *operation = &endpoint->operations[i];
        line_begin(&line, style);
        line_pad(&line, 6);
        line_text(&line, operation->words, 38, LINE_CUT_END);
        cell_write(&line, unit_count(operation->count, number, sizeof(number)), 53);
        cell_write(&line, unit_duration(operation->total_ns, number, sizeof(number)), 62);
        cell_write(&line, operation->p50_ns ? unit_duration(operation->p50_ns, number, sizeof(number)) : "-", 71);
        cell_write(&line, operation->p99_ns ? unit_duration(operation->p99_ns, number, sizeof(number)) : "-", 80);
        line_end(&line, out);
    }
}

static void endpoint_write(const struct endpoint *endpoint, const struct report_style *style, FILE *out)
{
    char text[512];
    struct line line;

    line_begin(&line, style);
    line_print(&line, "  ");
    line_text(&line, text_peer(&endpoint->peer, text, sizeof(text)), 31, LINE_CUT_START);
    cell_write(&line, unit_count(endpoint->connects, text, sizeof(text)), 43);
    cell_write(&line, unit_count(endpoint->requests ? endpoint->requests : endpoint->calls, text, sizeof(text)), 53);
    cell_write(&line, unit_duration(endpoint->wait_ns, text, sizeof(text)), 62);
    cell_write(&line, endpoint->p50_ns ? unit_duration(endpoint->p50_ns, text, sizeof(text)) : "-", 71);
    cell_write(&line, endpoint->p99_ns ? unit_duration(endpoint->p99_ns, text, sizeof(text)) : "-", 80);
    line_end(&line, out);
    endpoint_details_write(endpoint, style, out);
}

/* Bytes are left to the JSON report: what passes through calls that cannot wait is not counted, so they would mislead
 * here. Where requests were read they are counted, else calls. */
void text_endpoints(const struct report *report, const struct report_style *style, FILE *out)
{
    size_t rows = report->endpoint_count < ENDPOINT_ROWS ? report->endpoint_count : ENDPOINT_ROWS;

    if (report->endpoint_count == 0)
        return;
    heading_write("Talked to", "  address                          connects  requests     wait      p50      p99",
                  style, out);
    for (size_t i = 0; i < rows; i++)
        endpoint_write(&report->endpoints[i], style, out);
    more_write(report->endpoint_count, rows, style, out);
}

#define LOCK_SHOWN_NS 1000000u /* waits for a lock that add up to less are in the JSON only */

static void lock_write(const struct lock *lock, const struct report_style *style, FILE *out)
{
    char number[UNIT_SIZE];
    struct line line;

    line_begin(&line, style);
    line_print(&line, "  ");
    line_text(&line, lock->name, 34, LINE_CUT_END);
    cell_write(&line, unit_count(lock->acquisitions, number, sizeof(number)), 44);
    cell_write(&line, unit_count(lock->contended, number, sizeof(number)), 53);
    cell_write(&line, unit_duration(lock->wait_ns, number, sizeof(number)), 62);
    cell_write(&line, unit_duration(lock->wait_p99_ns, number, sizeof(number)), 71);
    cell_write(&line, lock->hold_p99_ns ? unit_duration(lock->hold_p99_ns, number, sizeof(number)) : "-", 80);
    line_end(&line, out);
}

/* Locks that nobody waited for are left to the JSON report. */
void text_locks(const struct report *report, const struct report_style *style, FILE *out)
{
    size_t count = 0;
    while (count < report->lock_count && report->locks[count].wait_ns >= LOCK_SHOWN_NS)
        count++;
    size_t rows = count < LOCK_ROWS ? count : LOCK_ROWS;

    if (count == 0)
        return;
    heading_write("Locks", "  name                                  taken    waits     wait      p99 hold p99", style,
                  out);
    for (size_t i = 0; i < rows; i++)
        lock_write(&report->locks[i], style, out);
    more_write(count, rows, style, out);
}

static void watched_write(const struct watched_row *row, const struct report_style *style, FILE *out)
{
    char number[UNIT_SIZE];
    struct line line;

    line_begin(&line, style);
    line_print(&line, "  ");
    line_text(&line, row->name, 32, LINE_CUT_START);
    cell_write(&line, unit_count(row->operations, number, sizeof(number)), 44);
    cell_write(&line, unit_count(row->threads, number, sizeof(number)), 52);
    cell_write(&line, unit_count(row->overlaps, number, sizeof(number)), 61);
    snprintf(number, sizeof(number), row->counted ? "%+" PRId64 : "-", row->difference);
    cell_write(&line, row->counted && row->difference == 0 ? "0" : number, 68);
    cell_write(&line, row->lock_known ? unit_share(row->lock_busy, number, sizeof(number)) : "-", 75);
    cell_write(&line, row->lock_known ? unit_duration(row->lock_wait_p99_ns, number, sizeof(number)) : "-", 84);
    line_end(&line, out);
}

/* Objects that one thread alone used are left to the JSON report. */
void text_watched(const struct report *report, const struct report_style *style, FILE *out)
{
    size_t count = 0, shown = 0;
    for (size_t i = 0; i < report->watched_count; i++)
        count += report->watched[i].threads > 1;
    if (count == 0)
        return;
    heading_write("Watched objects of several threads (busy, p99 wait: of one lock around them)",
                  "  name                            operations threads overlaps  drift   busy      p99", style, out);
    for (size_t i = 0; i < report->watched_count && shown < TABLE_ROWS; i++) {
        if (report->watched[i].threads <= 1)
            continue;
        watched_write(&report->watched[i], style, out);
        shown++;
    }
    more_write(count, shown, style, out);
}

/* The row's waits by length, on the same scale in all rows: up to 4 µs, up to 16 µs, and so on, up to 67 ms, longer.
 */
static void syscall_spark(struct line *line, const struct syscall_row *row)
{
    uint64_t columns[SPARK_COLUMNS] = {0};
    char spark[SPARK_COLUMNS * 3 + 1]; /* a block character has three bytes of UTF-8 */
    for (size_t i = 0; i < row->histogram_count; i++) {
        uint64_t end = SPARK_FIRST_NS;
        size_t column = 0;
        for (; column + 1 < SPARK_COLUMNS && end < row->histogram[i].end_ns; column++)
            end *= 4;
        columns[column] += row->histogram[i].count;
    }
    line_print(line, "%s", unit_spark(columns, SPARK_COLUMNS, spark, sizeof(spark)));
}

/* What the table has no room for. */
static void syscall_runqueue_write(const struct syscall_row *row, const struct report_style *style, FILE *out)
{
    char total[UNIT_SIZE], share[UNIT_SIZE];
    struct line line;
    if (row->runqueue_ns < row->total_ns / 10)
        return;
    line_begin(&line, style);
    line_pad(&line, 17);
    line_print(&line, "then waited for a CPU: %s (%s as long)", unit_duration(row->runqueue_ns, total, sizeof(total)),
               unit_part(row->runqueue_ns, row->total_ns, share, sizeof(share)));
    line_end(&line, out);
}

static void syscall_write(const struct syscall_row *row, const struct report_style *style, FILE *out)
{
    char number[UNIT_SIZE];
    struct line line;
    line_begin(&line, style);
    snprintf(number, sizeof(number), "%" PRIu32, row->thread.tid);
    line_right(&line, number, 7);
    line_print(&line, " ");
    line_text(&line, row->thread.name, 7, LINE_CUT_END);
    line_pad(&line, 16);
    line_text(&line, row->name, 15, LINE_CUT_END);
    cell_write(&line, unit_count(row->count, number, sizeof(number)), 38);
    cell_write(&line, unit_duration(row->total_ns, number, sizeof(number)), 46);
    cell_write(&line, unit_duration(row->p50_ns, number, sizeof(number)), 54);
    cell_write(&line, unit_duration(row->p99_ns, number, sizeof(number)), 62);
    cell_write(&line, unit_duration(row->max_ns, number, sizeof(number)), 70);
    line_print(&line, " ");
    syscall_spark(&line, row);
    line_end(&line, out);
    syscall_runqueue_write(row, style, out);
}

void text_syscalls(const struct report *report, const struct report_style *style, FILE *out)
{
    size_t rows = report->syscall_count < TABLE_ROWS ? report->syscall_count : TABLE_ROWS;

    if (report->syscall_count == 0)
        return;
    heading_write("System calls that waited",
                  " thread name    call            waits   total     p50     p99     max  4µs…67ms", style, out);
    for (size_t i = 0; i < rows; i++)
        syscall_write(&report->syscalls[i], style, out);
    more_write(report->syscall_count, rows, style, out);
}

void text_processes(const struct report *report, const struct report_style *style, FILE *out)
{
    size_t rows = report->process_count < TABLE_ROWS ? report->process_count : TABLE_ROWS;

    if (report->process_count == 0)
        return;
    heading_write("Processes", "     pid threads  recorded  state             command", style, out);
    for (size_t i = 0; i < rows; i++) {
        const struct process_row *row = &report->processes[i];
        bool ended = row->end_real_ns > row->start_real_ns;
        const char *command = row->info.cmdline && row->info.cmdline[0] ? row->info.cmdline : row->info.exe;
        char number[UNIT_SIZE];
        struct line line;
        line_begin(&line, style);
        snprintf(number, sizeof(number), "%" PRIu32, row->info.pid);
        line_right(&line, number, 8);
        line_right(&line, unit_count(row->threads, number, sizeof(number)), 16);
        line_right(&line, ended ? unit_duration(row->end_real_ns - row->start_real_ns, number, sizeof(number)) : "-",
                   26);
        line_print(&line, "  ");
        line_text(&line, row->state, 32, LINE_CUT_END);
        line_pad(&line, 45);
        line_print(&line, " ");
        line_text(&line, command, line_left(&line), LINE_CUT_END);
        line_end(&line, out);
    }
    more_write(report->process_count, rows, style, out);
}

void text_warnings(const struct report *report, const struct report_style *style, FILE *out)
{
    size_t rows = report->warning_count < TABLE_ROWS ? report->warning_count : TABLE_ROWS;

    if (report->warning_count == 0)
        return;
    heading_write("Notes", NULL, style, out);
    for (size_t i = 0; i < rows; i++)
        text_paragraph(style, "-", 6, report->warnings[i], INK_NONE, 3, out);
    more_write(report->warning_count, rows, style, out);
}

void text_lost(const struct report *report, const struct report_style *style, FILE *out)
{
    bool any = false;

    for (size_t i = 0; i < lost_cause_count(); i++) {
        const struct lost_cause *cause = lost_cause_at(i);
        char count[UNIT_SIZE], text[256];
        if (report->lost[cause->cause] == 0)
            continue;
        if (!any)
            heading_write("Lost", NULL, style, out);
        any = true;
        snprintf(text, sizeof(text), "%s: %s", unit_count(report->lost[cause->cause], count, sizeof(count)),
                 cause->meaning);
        text_paragraph(style, cause->key, 18, text, INK_NONE, 3, out);
    }
    if (any)
        fputc('\n', out);
}
