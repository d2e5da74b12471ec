/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/top.h"

#include <string.h>

#include "report/text.h"
#include "report/units.h"

#define QUIET_ROWS 4

size_t top_recording(const struct report *report)
{
    size_t count = 0;
    for (size_t i = 0; i < report->process_count; i++)
        count += strcmp(report->processes[i].state, "recording") == 0;
    return count;
}

static void head_write(const struct top *top, const struct report_style *style, FILE *out)
{
    size_t recording = top_recording(top->now);
    char text[UNIT_SIZE];
    struct line line;

    line_begin(&line, style);
    line_ink(&line, INK_BOLD);
    line_text(&line, top->what, 40, LINE_CUT_START);
    line_ink(&line, INK_NONE);
    line_print(&line, ": %zu process%s recording", recording, recording == 1 ? "" : "es");
    if (top->now->process_count > recording)
        line_print(&line, ", %zu ended", top->now->process_count - recording);
    if (top->first)
        line_print(&line, "; since the recording began");
    else
        line_print(&line, "; the last %s", unit_duration(top->interval_ns, text, sizeof(text)));
    line_right(&line, unit_date(top->real_ns, text, sizeof(text)), style->columns);
    line_end(&line, out);
}

/* What a finding costs now, and what it has cost. */
static void cost_write(const struct finding *finding, const struct finding *all, const struct top *top,
                       const struct report_style *style, FILE *out)
{
    double seconds = (double)top->interval_ns / 1e9;
    char text[UNIT_SIZE], peer[512];
    struct line line;

    line_begin(&line, style);
    line_pad(&line, 4);
    if (!top->first && seconds > 0) {
        line_print(&line, "now %.3g/s", (double)finding->count / seconds);
        if (finding->total_ns > 0)
            line_print(&line, ", %s of the time",
                       unit_share((double)finding->total_ns / (double)top->interval_ns, text, sizeof(text)));
        line_print(&line, "; ");
    }
    line_print(&line, "in all %s time%s", unit_count(all->count, text, sizeof(text)), all->count == 1 ? "" : "s");
    if (all->total_ns > 0)
        line_print(&line, ", %s", unit_duration(all->total_ns, text, sizeof(text)));
    if (finding->peer)
        line_print(&line, ", for %s", text_peer(finding->peer, peer, sizeof(peer)));
    line_end(&line, out);
}

static const struct finding *finding_of(const struct report *report, uint64_t id)
{
    for (size_t i = 0; i < report->finding_count; i++)
        if (report->findings[i].id == id)
            return &report->findings[i];
    return NULL;
}

static void findings_write(const struct top *top, const struct report_style *style, FILE *out)
{
    const struct report *moved = &top->interval->report;
    size_t quiet = top->interval->quiet_count;

    for (size_t i = 0; i < moved->finding_count; i++) {
        const struct finding *finding = &moved->findings[i];
        const struct finding *all = finding_of(top->now, finding->id);
        text_finding_title(finding, style, out);
        cost_write(finding, all ? all : finding, top, style, out);
        text_finding_where(finding, style, out);
    }
    if (quiet > 0) {
        struct line line;
        line_begin(&line, style);
        line_ink(&line, INK_DIM);
        line_print(&line, "Found earlier, or standing still:");
        line_ink(&line, INK_NONE);
        line_end(&line, out);
    }
    for (size_t i = 0; i < quiet && i < QUIET_ROWS; i++)
        text_finding_title(&top->interval->quiet[i], style, out);
    if (quiet > QUIET_ROWS)
        fprintf(out, "  … and %zu more\n", quiet - QUIET_ROWS);
    if (quiet + moved->finding_count > 0)
        fputc('\n', out);
}

void top_write(const struct top *top, const struct report_style *style, FILE *out)
{
    const struct report *report = &top->interval->report;

    head_write(top, style, out);
    if (top->now->verdict)
        text_paragraph(style, "", 0, top->now->verdict, INK_NONE, 3, out);
    fputc('\n', out);
    findings_write(top, style, out);
    text_loops(report, style, out);
    text_endpoints(report, style, out);
    text_locks(report, style, out);
    text_warnings(report, style, out);
    text_lost(top->now, style, out);
}
