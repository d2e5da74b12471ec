/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/arena.h"
#include "base/compiler.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/status.h"

enum verdict_key { KEY_FAIL_ON, KEY_BASELINE, KEY_EXITCODE };

static const struct cli_option options[] = {
    {"fail-on", 0, ARGUMENT_REQUIRED, "RULES",
     "comma-separated rules and severities (error, warning, note, all) that make the exit status 66; a severity "
     "includes "
     "what is worse",
     KEY_FAIL_ON},
    {"baseline", 0, ARGUMENT_REQUIRED, "FILE", "findings in this file are known and do not count", KEY_BASELINE},
    {"error-exitcode", 0, ARGUMENT_REQUIRED, "N", "exit status for findings instead of 66", KEY_EXITCODE},
};

/* What became of the findings. */
struct tally {
    size_t matching, known, others, suppressed;
};

void verdict_init(struct verdict *verdict)
{
    *verdict = (struct verdict){.fail_on = fail_on_default(), .error_exitcode = STATUS_FOUND};
}

void verdict_free(struct verdict *verdict)
{
    baseline_free(&verdict->baseline);
}

static int exitcode_parse(const char *text, int *code)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (end == text || *end || value < 1 || value > 255)
        return -EINVAL;
    *code = (int)value;
    return 0;
}

static int option_apply(void *target, int key, const char *value, char *error, size_t error_size)
{
    struct verdict *verdict = target;
    char reason[ERROR_SIZE / 2];

    switch ((enum verdict_key)key) {
    case KEY_FAIL_ON:
        verdict->fail_on_given = true;
        verdict->fail_on_text = value;
        if (fail_on_parse(&verdict->fail_on, value, reason, sizeof(reason)) < 0)
            return error_set(error, error_size, -EINVAL, "--fail-on: %s", reason);
        break;
    case KEY_BASELINE:
        verdict->baseline_path = value;
        break;
    case KEY_EXITCODE:
        if (exitcode_parse(value, &verdict->error_exitcode) < 0)
            return error_set(error, error_size, -EINVAL, "--error-exitcode '%s' is not a number from 1 to 255", value);
        break;
    }
    return 0;
}

struct cli_group verdict_group(struct verdict *verdict)
{
    return (struct cli_group){options, ARRAY_SIZE(options), option_apply, verdict};
}

int verdict_load(struct verdict *verdict, char *error, size_t error_size)
{
    return verdict->baseline_path ? baseline_load(&verdict->baseline, verdict->baseline_path, error, error_size) : 0;
}

/* Sorts the findings of `report` into those that count, left in view->findings (the caller's to free), and the rest. */
static struct tally findings_sort(struct verdict *verdict, struct reading *reading, const struct report *report,
                                  struct report *view)
{
    struct tally tally = {.suppressed = reading_filter(reading, report, view)};
    size_t count = view->finding_count;

    view->finding_count = 0;
    for (size_t i = 0; i < count; i++) {
        bool known = baseline_contains(&verdict->baseline, view->findings[i].id);
        bool matches = fail_on_matches(&verdict->fail_on, &view->findings[i]);
        if (matches && !known)
            view->findings[view->finding_count++] = view->findings[i];
        tally.matching += matches && !known;
        tally.known += known;
        tally.others += !matches && !known;
    }
    return tally;
}

static void tally_print(const struct tally *tally, const char *fail_on, size_t processes, FILE *out)
{
    bool failed = tally->matching > 0;

    fprintf(out, "cprobe: %s: ", failed ? "FAILED" : "passed");
    if (failed)
        fprintf(out, "%zu finding%s %s", tally->matching, tally->matching == 1 ? "" : "s",
                tally->matching == 1 ? "matches" : "match");
    else
        fprintf(out, "no finding matches");
    fprintf(out, " '%s'", fail_on);
    if (tally->others > 0)
        fprintf(out, ", %zu other%s", tally->others, tally->others == 1 ? "" : "s");
    if (tally->known > 0)
        fprintf(out, ", %zu known from the baseline", tally->known);
    if (tally->suppressed > 0)
        fprintf(out, ", %zu suppressed", tally->suppressed);
    fprintf(out, "; %zu process%s recorded\n", processes, processes == 1 ? "" : "es");
}

int verdict_print(struct verdict *verdict, struct reading *reading, const struct report *report, FILE *out)
{
    struct report view;

    if (report->process_count == 0) {
        message_print("not a single process was recorded: nothing to check");
        return STATUS_DATA;
    }
    struct tally tally = findings_sort(verdict, reading, report, &view);
    struct report_style style = output_style(out);
    report_format_find("short")->write(&view, &style, out);
    tally_print(&tally, verdict->fail_on_text ? verdict->fail_on_text : "error", report->process_count, out);
    fflush(out);
    suppressions_report_unused(&reading->config.suppressions);
    if (verdict->baseline_path)
        baseline_report_stale(&verdict->baseline, verdict->baseline_path);
    free(view.findings);
    return tally.matching > 0 ? verdict->error_exitcode : STATUS_DONE;
}
