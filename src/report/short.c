/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The findings in a few lines each: the end of `cprobe run`, and `cprobe check`.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "analysis/function_name.h"
#include "report/lost.h"
#include "report/text.h"
#include "report/units.h"
#include "report/where.h"

#define INDENT 4
#define WARNING_LINES 3

void text_finding_title(const struct finding *finding, const struct report_style *style, FILE *out)
{
    char name[128];
    struct line line;

    snprintf(name, sizeof(name), "%s %s: ", text_severity(finding->severity), finding->rule);
    line_begin(&line, style);
    line_ink(&line, text_severity_ink(finding->severity));
    line_print(&line, "%s", name);
    line_ink(&line, INK_NONE);
    line_print(&line, "%s", finding->title);
    line_end(&line, out);
}

static void cost_write(const struct finding *finding, const struct report_style *style, FILE *out)
{
    char count[UNIT_SIZE], total[UNIT_SIZE], longest[UNIT_SIZE], share[UNIT_SIZE], peer[512];
    struct line line;

    line_begin(&line, style);
    line_pad(&line, INDENT);
    line_print(&line, "%s time%s, %s", unit_count(finding->count, count, sizeof(count)), finding->count == 1 ? "" : "s",
               unit_duration(finding->total_ns, total, sizeof(total)));
    if (text_share(finding) >= 0)
        line_print(&line, " (%s of the %s's time)", unit_share(text_share(finding), share, sizeof(share)),
                   finding->thread.loop ? "loop" : "thread");
    line_print(&line, ", longest %s", unit_duration(finding->max_ns, longest, sizeof(longest)));
    if (finding->peer)
        line_print(&line, ", for %s", text_peer(finding->peer, peer, sizeof(peer)));
    line_end(&line, out);
}

/* The id ends the line and is never cut: it is what a suppression review or a baseline refers to. */
void text_finding_where(const struct finding *finding, const struct report_style *style, FILE *out)
{
    const struct stack *stack = finding->stack_count > 0 ? finding->stacks[0].stack : NULL;
    const struct frame *user = where_frame(stack, where_user(stack, &finding->process));
    const struct frame *driver = where_frame(stack, where_driver(stack));
    bool through = user && driver && driver != user;
    char place[1200], tail[160];
    struct line line;

    snprintf(tail, sizeof(tail), "%s%.60s (pid %" PRIu32 ", id %016" PRIx64 ")", through ? ", through " : "",
             through && driver->module ? driver->module : "", finding->process.pid, finding->id);
    line_begin(&line, style);
    line_pad(&line, INDENT);
    if (user) {
        line_print(&line, "at ");
        line_text(&line, function_name_short(user, place, sizeof(place)), 30, LINE_CUT_END);
        line_print(&line, " ");
        where_place(user, place, sizeof(place));
        unsigned room = line_left(&line), tail_width = line_width(tail);
        line_text(&line, place, room > tail_width ? room - tail_width : 0, LINE_CUT_START);
    }
    line_print(&line, "%s", user ? tail : tail + strspn(tail, " "));
    line_end(&line, out);
}

static void loss_write(const struct report *report, const struct report_style *style, FILE *out)
{
    char text[256] = "";

    for (size_t i = 0; i < lost_cause_count(); i++) {
        uint64_t lost = report->lost[lost_cause_at(i)->cause];
        size_t length = strlen(text);
        char count[UNIT_SIZE];
        if (lost > 0)
            snprintf(text + length, sizeof(text) - length, "%s%s %s",
                     length > 0 ? ", " : "lost: ", unit_count(lost, count, sizeof(count)), lost_cause_at(i)->key);
    }
    if (text[0])
        text_paragraph(style, "-", 2, text, INK_NONE, 2, out);
}

int short_write(const struct report *report, const struct report_style *style, FILE *out)
{
    size_t warnings = report->warning_count < WARNING_LINES ? report->warning_count : WARNING_LINES;

    if (report->verdict)
        text_paragraph(style, "", 0, report->verdict, INK_BOLD, 4, out);
    for (size_t i = 0; i < report->finding_count; i++) {
        text_finding_title(&report->findings[i], style, out);
        cost_write(&report->findings[i], style, out);
        text_finding_where(&report->findings[i], style, out);
    }
    for (size_t i = 0; i < warnings; i++)
        text_paragraph(style, "-", 2, report->warnings[i], INK_NONE, 2, out);
    if (report->warning_count > warnings)
        fprintf(out, "- %zu more notes in the full report\n", report->warning_count - warnings);
    loss_write(report, style, out);
    return ferror(out) ? -EIO : 0;
}
