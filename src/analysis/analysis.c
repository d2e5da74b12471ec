/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/analysis.h"

#include <stdlib.h>

#include "analysis/loops.h"
#include "analysis/rule.h"
#include "analysis/summary.h"

/* A report with what its pointers need: strings of traces and stacks of the symbolizer are not copied. */
struct analysis {
    struct report report; /* first: report_free gets its address */
    struct arena *arena;
    struct session *session;
    struct symbols *symbols;
    struct findings findings;
};

int analysis_profile(const char *const *paths, size_t count, const struct analysis_options *options,
                     struct report **out, const struct profile **profile, char *error, size_t error_size)
{
    struct analysis_options defaults;
    struct session *session;
    if (!options) {
        analysis_options_init(&defaults);
        options = &defaults;
    }
    int result = session_open(paths, count, options->started_since_real_ns, &session, error, error_size);
    if (result < 0)
        return result;
    struct analysis *analysis = memory_get(1, sizeof(*analysis));
    struct report *report = &analysis->report;
    analysis->session = session;
    analysis->arena = analysis->findings.arena = arena_new();
    analysis->symbols = symbols_new();
    struct model *model = model_new(session, analysis->symbols, options, analysis->arena);
    rules_run(model, &analysis->findings);
    report->findings = analysis->findings.list;
    report->finding_count = analysis->findings.count;
    report->loops = loops_report(model, analysis->arena, &report->loop_count);
    locks_report(model, report, analysis->arena);
    watched_report(model, report, analysis->arena);
    summary_fill(model, report, analysis->arena);
    report->verdict = verdict_sentence(model, report, analysis->arena);
    if (profile)
        *profile = profile_new(model, report, analysis->arena);
    model_free(model);
    *out = report;
    return 0;
}

int analysis_run(const char *const *paths, size_t count, const struct analysis_options *options, struct report **out,
                 char *error, size_t error_size)
{
    return analysis_profile(paths, count, options, out, NULL, error, error_size);
}

void report_free(struct report *report)
{
    struct analysis *analysis = (struct analysis *)report;
    if (!analysis)
        return;
    free(analysis->findings.list);
    symbols_free(analysis->symbols);
    arena_free(analysis->arena);
    session_close(analysis->session);
    free(analysis);
}
