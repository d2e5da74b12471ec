/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/top.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "report/line.h"
#include "report/text.h"
#include "report/units.h"

#define FINDING_ROWS 5 /* of each table, where there is little room */
#define TABLE_ROWS 4
#define WHERE_COLUMNS 36
#define TIME_OF_DAY 11 /* in unit_date */

/* What is being written: rows are left out when the lines run short. */
struct top {
    const struct top_reading *now, *before;
    uint64_t span_ns; /* between the readings, or of the recording */
    const struct report_style *style;
    unsigned left; /* lines */
    FILE *out;
};

static bool row_begin(struct top *top, struct line *line)
{
    if (top->left == 0)
        return false;
    top->left--;
    line_begin(line, top->style);
    return true;
}

static void heading(struct top *top, const char *text)
{
    struct line line;
    if (top->left < 3 || !row_begin(top, &line))
        return;
    line_end(&line, top->out);
    row_begin(top, &line);
    line_ink(&line, INK_BOLD);
    line_print(&line, "%s", text);
    line_ink(&line, INK_NONE);
    line_end(&line, top->out);
}

/* Nothing is said of what did not change. */
static uint64_t change(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

/* Nanoseconds in each second: "1.95 s" is two threads nearly all the time. */
static const char *each_second(const struct top *top, uint64_t ns, char *buffer)
{
    return unit_duration((uint64_t)((double)ns * 1e9 / (double)top->span_ns), buffer, UNIT_SIZE);
}

static const char *rate(const struct top *top, uint64_t count, char *buffer)
{
    double each = (double)count * 1e9 / (double)top->span_ns;
    if (each >= 10 || each == 0)
        return unit_count((uint64_t)(each + 0.5), buffer, UNIT_SIZE);
    snprintf(buffer, UNIT_SIZE, "%.1f", each);
    return buffer;
}

/* ---- tables ---- */

static void title_write(struct top *top, const char *where)
{
    char span[UNIT_SIZE], date[UNIT_SIZE];
    struct timespec real;
    struct line line;
    size_t running = 0;
    clock_gettime(CLOCK_REALTIME, &real);
    for (size_t i = 0; i < top->now->report->process_count; i++)
        running += strcmp(top->now->report->processes[i].state, "recording") == 0;
    if (!row_begin(top, &line))
        return;
    line_ink(&line, INK_BOLD);
    line_print(&line, "cprobe top ");
    line_ink(&line, INK_NONE);
    line_text(&line, where, WHERE_COLUMNS, LINE_CUT_START);
    line_print(&line, "  %s  %zu of %zu processes running, %s%s",
               unit_date((uint64_t)real.tv_sec * 1000000000u, date, sizeof(date)) + TIME_OF_DAY, running,
               top->now->report->process_count, top->before ? "the last " : "",
               unit_duration(top->span_ns, span, sizeof(span)));
    line_end(&line, top->out);
    if (!top->now->report->verdict || !row_begin(top, &line))
        return;
    line_print(&line, "%s", top->now->report->verdict);
    line_end(&line, top->out);
}

static void findings_write(struct top *top)
{
    const struct report *report = top->now->report;
    struct line line;
    if (report->finding_count == 0)
        return;
    heading(top, "Findings");
    for (size_t i = 0; i < report->finding_count && i < FINDING_ROWS && row_begin(top, &line); i++) {
        const struct finding *finding = &report->findings[i];
        line_ink(&line, text_severity_ink(finding->severity));
        line_print(&line, " %-8s", text_severity(finding->severity));
        line_ink(&line, INK_NONE);
        line_text(&line, finding->title, line_left(&line), LINE_CUT_END);
        line_end(&line, top->out);
    }
}

static const struct loop *loop_before(const struct top *top, const struct loop *loop)
{
    for (size_t i = 0; top->before && i < top->before->report->loop_count; i++) {
        const struct loop *old = &top->before->report->loops[i];
        if (old->process.pid == loop->process.pid && old->thread.tid == loop->thread.tid)
            return old;
    }
    return NULL;
}

static void loop_row(struct top *top, const struct loop *loop, struct line *line)
{
    static const struct loop none = {.kind = NULL};
    const struct loop *old = loop_before(top, loop);
    char number[UNIT_SIZE];
    old = old ? old : &none;
    uint64_t wall = change(loop->wall_ns, old->wall_ns);
    snprintf(number, sizeof(number), "%" PRIu32, loop->thread.tid);
    line_right(line, number, 8);
    line_print(line, " ");
    line_text(line, loop->process.name, 20, LINE_CUT_END);
    line_pad(line, 30);
    line_text(line, loop->kind, 9, LINE_CUT_END);
    line_right(line, unit_part(change(loop->idle_ns, old->idle_ns), wall, number, sizeof(number)), 48);
    line_right(line, unit_part(change(loop->oncpu_ns, old->oncpu_ns), wall, number, sizeof(number)), 57);
    line_right(line, unit_part(change(loop->blocked_ns, old->blocked_ns), wall, number, sizeof(number)), 66);
    line_right(line, rate(top, change(loop->turns, old->turns), number), 76);
}

static void loops_write(struct top *top)
{
    const struct report *report = top->now->report;
    struct line line;
    if (report->loop_count == 0)
        return;
    heading(top, "  thread event loop            kind         idle   on CPU  blocked   turns/s");
    for (size_t i = 0; i < report->loop_count && i < TABLE_ROWS && row_begin(top, &line); i++) {
        loop_row(top, &report->loops[i], &line);
        line_end(&line, top->out);
    }
}

static void place_row(const struct top *top, const struct top_place *place, struct line *line)
{
    char number[UNIT_SIZE], where[256];
    snprintf(where, sizeof(where), "%.*s", (int)strcspn(place->where, "\n"), place->where);
    line_right(line, each_second(top, place->ns, number), 10);
    line_right(line, rate(top, place->count, number), 19);
    line_print(line, "  ");
    line_text(line, where, 40, LINE_CUT_END);
    line_pad(line, 62);
    line_print(line, " ");
    line_text(line, place->awaited ? place->awaited : place->process, line_left(line), LINE_CUT_END);
}

static void places_write(struct top *top)
{
    struct top_places places;
    struct line line;
    top_places_collect(&places, top->now->profile, top->before ? top->before->profile : NULL);
    if (places.count > 0 && places.list[0].ns > 0)
        heading(top, "   wait/s  times/s  blocked in                                waiting for");
    for (size_t i = 0; i < places.count && i < 2 * TABLE_ROWS && places.list[i].ns > 0; i++) {
        if (!row_begin(top, &line))
            break;
        place_row(top, &places.list[i], &line);
        line_end(&line, top->out);
    }
    top_places_free(&places);
}

static const struct lock *lock_before(const struct top *top, const struct lock *lock)
{
    static const struct lock none = {.name = NULL};
    for (size_t i = 0; top->before && i < top->before->report->lock_count; i++) {
        const struct lock *old = &top->before->report->locks[i];
        if (old->process.pid == lock->process.pid && strcmp(old->name, lock->name) == 0)
            return old;
    }
    return &none;
}

static void locks_write(struct top *top)
{
    const struct report *report = top->now->report;
    struct line line;
    bool headed = false;
    unsigned rows = 0;
    for (size_t i = 0; i < report->lock_count && rows < TABLE_ROWS; i++) {
        const struct lock *lock = &report->locks[i], *old = lock_before(top, lock);
        char number[UNIT_SIZE];
        uint64_t wait = change(lock->wait_ns, old->wait_ns);
        if (wait == 0)
            continue;
        if (!headed)
            heading(top, "   wait/s  times/s  queue  lock                                      held p99  of");
        headed = true;
        if (!row_begin(top, &line))
            return;
        rows++;
        line_right(&line, each_second(top, wait, number), 10);
        line_right(&line, rate(top, change(lock->contended, old->contended), number), 19);
        line_right(&line, unit_count(lock->queue_max, number, sizeof(number)), 26);
        line_print(&line, "  ");
        line_text(&line, lock->name, 38, LINE_CUT_END);
        line_right(&line, lock->hold_p99_ns ? unit_duration(lock->hold_p99_ns, number, sizeof(number)) : "-", 76);
        line_print(&line, "  ");
        line_text(&line, lock->process.name, line_left(&line), LINE_CUT_END);
        line_end(&line, top->out);
    }
}

static const struct endpoint *endpoint_before(const struct top *top, const struct endpoint *endpoint)
{
    static const struct endpoint none = {.calls = 0};
    for (size_t i = 0; top->before && i < top->before->report->endpoint_count; i++) {
        const struct endpoint *old = &top->before->report->endpoints[i];
        if (strcmp(old->peer.address, endpoint->peer.address) == 0 &&
            strcmp(old->peer.protocol, endpoint->peer.protocol) == 0)
            return old;
    }
    return &none;
}

static void endpoints_write(struct top *top)
{
    const struct report *report = top->now->report;
    struct line line;
    if (report->endpoint_count == 0)
        return;
    heading(top, "   wait/s requests/s     p99  talked to");
    for (size_t i = 0; i < report->endpoint_count && i < TABLE_ROWS && row_begin(top, &line); i++) {
        const struct endpoint *endpoint = &report->endpoints[i], *old = endpoint_before(top, endpoint);
        char number[UNIT_SIZE], peer[512];
        line_right(&line, each_second(top, change(endpoint->wait_ns, old->wait_ns), number), 10);
        line_right(&line, rate(top, change(endpoint->requests, old->requests), number), 21);
        line_right(&line, endpoint->p99_ns ? unit_duration(endpoint->p99_ns, number, sizeof(number)) : "-", 30);
        line_print(&line, "  %s", text_peer(&endpoint->peer, peer, sizeof(peer)));
        if (endpoint->operation_count > 0)
            line_print(&line, "  %s", endpoint->operations[0].words);
        line_end(&line, top->out);
    }
}

void top_write(const struct top_reading *now, const struct top_reading *before, const char *where,
               const struct report_style *style, unsigned lines, FILE *out)
{
    struct top top = {now,   before, before ? change(now->at_ns, before->at_ns) : now->profile->span_ns,
                      style, lines,  out};
    top.span_ns = top.span_ns ? top.span_ns : 1;
    title_write(&top, where);
    findings_write(&top);
    loops_write(&top);
    places_write(&top);
    locks_write(&top);
    endpoints_write(&top);
}
