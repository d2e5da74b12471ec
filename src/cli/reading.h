/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `report`, `check` and `run` have in common when they read recordings: configuration, thresholds, suppressions.
 */
#ifndef CPROBE_CLI_READING_H
#define CPROBE_CLI_READING_H

#include <stddef.h>

#include "analysis/analysis.h"
#include "cli/config.h"
#include "cli/options.h"

struct reading {
    const char *config_path; /* --config */
    const char **thresholds; /* --set, in the order given */
    size_t threshold_count, threshold_capacity;
    const char **suppression_paths; /* --suppressions */
    size_t suppression_count, suppression_capacity;
    struct config config; /* after reading_load: file, then variables and command line over it */
};

void reading_init(struct reading *reading);
void reading_free(struct reading *reading);

/* The options that fill a struct reading. */
struct cli_group reading_group(struct reading *reading);

/* Reads the configuration and applies what the command line said over it. 0, or negative errno with a sentence. */
int reading_load(struct reading *reading, char *error, size_t error_size);

/* Analyses the recordings; paths[0..count) as analysis_run has them, count 0: $CPROBE_DIR, else the configuration's
   directory, else ./cprobe.data. 0 and *out (report_free), or negative errno with a sentence. */
int reading_analyse(struct reading *reading, const char *const *paths, size_t count, struct report **out, char *error,
                    size_t error_size);
/* The same, and where the time was spent: *profile belongs to the report. */
int reading_profile(struct reading *reading, const char *const *paths, size_t count, struct report **out,
                    const struct profile **profile, char *error, size_t error_size);

/* `report` without its suppressed findings: a view that borrows everything; free only view->findings. Returns how many
   were left out. */
size_t reading_filter(struct reading *reading, const struct report *report, struct report *view);

#endif
