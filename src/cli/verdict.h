/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verdict of `check` and of `run --fail-on`: which findings count, and the exit status that follows.
 */
#ifndef CPROBE_CLI_VERDICT_H
#define CPROBE_CLI_VERDICT_H

#include <stdio.h>

#include "cli/baseline.h"
#include "cli/fail_on.h"
#include "cli/options.h"
#include "cli/reading.h"

struct verdict {
    struct fail_on fail_on;
    bool fail_on_given;        /* --fail-on */
    const char *fail_on_text;  /* as given */
    const char *baseline_path; /* --baseline; NULL: none */
    struct baseline baseline;
    int error_exitcode;
};

void verdict_init(struct verdict *verdict);
void verdict_free(struct verdict *verdict);

/* --fail-on, --baseline, --error-exitcode. */
struct cli_group verdict_group(struct verdict *verdict);

/* Reads the baseline if one was named. 0 or negative errno with a sentence. */
int verdict_load(struct verdict *verdict, char *error, size_t error_size);

/* Prints the findings that count in short, then one line with the verdict, to `out`; names unused suppressions and
   stale baseline entries on stderr. Returns STATUS_DONE, the status for findings (--error-exitcode), or STATUS_DATA
   where not a single process was recorded. */
int verdict_print(struct verdict *verdict, struct reading *reading, const struct report *report, FILE *out);

#endif
