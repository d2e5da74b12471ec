/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The report for people: the verdict, the findings worst first, then the tables.
 */
#include "report/text.h"

#include <errno.h>

#include "base/compiler.h"

/* "2 findings (1 error, 1 warning) in 4 recorded processes" */
static void summary_write(const struct report *report, const struct report_style *style, FILE *out)
{
    static const char *const names[] = {
        [SEVERITY_NOTE] = "note", [SEVERITY_WARNING] = "warning", [SEVERITY_ERROR] = "error"};
    size_t severities[SEVERITY_ERROR + 1] = {0};
    const char *separator = " (";
    struct line line;

    for (size_t i = 0; i < report->finding_count; i++)
        severities[report->findings[i].severity]++;
    line_begin(&line, style);
    line_ink(&line, report->finding_count == 0 ? INK_GOOD : INK_BOLD);
    if (report->finding_count == 0)
        line_print(&line, "No findings");
    else
        line_print(&line, "%zu finding%s", report->finding_count, report->finding_count == 1 ? "" : "s");
    line_ink(&line, INK_NONE);
    for (size_t severity = ARRAY_SIZE(severities); severity-- > 0;) {
        if (severities[severity] == 0)
            continue;
        line_print(&line, "%s%zu %s%s", separator, severities[severity], names[severity],
                   severities[severity] == 1 ? "" : "s");
        separator = ", ";
    }
    line_print(&line, "%s in %zu recorded process%s", report->finding_count > 0 ? ")" : "", report->process_count,
               report->process_count == 1 ? "" : "es");
    line_end(&line, out);
    fputc('\n', out);
}

int text_write(const struct report *report, const struct report_style *style, FILE *out)
{
    if (report->verdict)
        text_paragraph(style, "", 0, report->verdict, INK_BOLD, 4, out);
    summary_write(report, style, out);
    for (size_t i = 0; i < report->finding_count; i++)
        text_finding(report, i, style, out);
    text_loops(report, style, out);
    text_endpoints(report, style, out);
    text_locks(report, style, out);
    text_watched(report, style, out);
    text_syscalls(report, style, out);
    text_processes(report, style, out);
    text_warnings(report, style, out);
    text_lost(report, style, out);
    return ferror(out) ? -EIO : 0;
}
