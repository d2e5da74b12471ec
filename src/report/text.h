/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of the text report. Each writes whole lines to `out`; failures show in ferror(out).
 */
#ifndef CPROBE_REPORT_TEXT_H
#define CPROBE_REPORT_TEXT_H

#include <stdio.h>

#include "report/format.h"
#include "report/line.h"

#define TEXT_FINDING_LINES 24 /* one screen for one problem */

const char *text_severity(enum severity severity);
enum line_ink text_severity_ink(enum severity severity);

/* Evidence "share" of the finding: what part of the thread's time it took; negative where the rule gives none. */
double text_share(const struct finding *finding);

/* What was waited for: "127.0.0.1:3306", "mysql 127.0.0.1:3306" where the protocol is known, "/var/lock/x (file)" where
   the address does not say what it is. Returns `buffer`. */
const char *text_peer(const struct peer *peer, char *buffer, size_t size);

/* `text` in lines that begin with `label` and then align below it; at most max_lines, an ellipsis ends the last if more
   would follow. Returns the number of lines. */
unsigned text_paragraph(const struct report_style *style, const char *label, unsigned indent, const char *text,
                        enum line_ink ink, unsigned max_lines, FILE *out);

/* The finding number `i` of the report, at most TEXT_FINDING_LINES lines. */
void text_finding(const struct report *report, size_t i, const struct report_style *style, FILE *out);

/* The frames of a stack that fit into `lines` lines, innermost first, the user's own line marked; gaps say how many
   frames they hide. */
void text_stack(const struct stack *stack, const struct process_info *process, unsigned lines,
                const struct report_style *style, FILE *out);

void text_loops(const struct report *report, const struct report_style *style, FILE *out);
void text_locks(const struct report *report, const struct report_style *style, FILE *out);
void text_watched(const struct report *report, const struct report_style *style, FILE *out);
void text_endpoints(const struct report *report, const struct report_style *style, FILE *out);
void text_syscalls(const struct report *report, const struct report_style *style, FILE *out);
void text_processes(const struct report *report, const struct report_style *style, FILE *out);
void text_warnings(const struct report *report, const struct report_style *style, FILE *out);
void text_lost(const struct report *report, const struct report_style *style, FILE *out);

#endif
