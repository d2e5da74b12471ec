/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From recordings to a report: reads the traces, learns which threads are event loops, runs every rule of rules.def
 * over the merged stream of events, and returns what reporters print.
 */
#ifndef CPROBE_ANALYSIS_ANALYSIS_H
#define CPROBE_ANALYSIS_ANALYSIS_H

#include <stddef.h>

#include "analysis/finding.h"
#include "analysis/options.h"
#include "analysis/profile.h"

/*
 * Analyses the traces that `paths` name: directories (every *.trace in them) and single files. options NULL: defaults.
 * 0 and *out, which the caller frees with report_free. A file that cannot be read is a warning in the report as long as
 * another one can. Otherwise negative errno and a sentence for the user in `error`: -ENOENT, a path or every recording
 * is missing; -ENODATA, there are traces but none can be read, or none began since options->started_since_real_ns.
 * Thread-safe for distinct reports. Running out of memory ends the process with a message (see arena.h).
 */
int analysis_run(const char *const *paths, size_t count, const struct analysis_options *options, struct report **out,
                 char *error, size_t error_size);

/* The same, and where the time was spent: *profile belongs to the report (profile NULL: not wanted). */
int analysis_profile(const char *const *paths, size_t count, const struct analysis_options *options,
                     struct report **out, const struct profile **profile, char *error, size_t error_size);

/* Frees the report with everything that it points to. NULL is allowed. */
void report_free(struct report *report);

/* The rules, in the order of rules.def: names for --fail-on, help and suppressions. */
struct rule_info {
    const char *name;
    enum severity severity;
    const char *description;
};
size_t analysis_rule_count(void);
struct rule_info analysis_rule_at(size_t i); /* i < analysis_rule_count() */

#endif
