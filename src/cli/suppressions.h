/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Findings that the user does not want to hear of. A line is `rule:pattern`; rule and pattern are globs (`*`, `?`,
 * `[…]`;
 * `*` also matches slashes), the pattern is matched whole against function, module and file of every frame, the peer's
 * address, host name or "mysql://127.0.0.1:3306", and the operation. `#` begins a comment at the start of a line or
 * after a space.
 */
#ifndef CPROBE_CLI_SUPPRESSIONS_H
#define CPROBE_CLI_SUPPRESSIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "analysis/finding.h"

struct suppression {
    char *rule, *pattern;
    char *origin; /* "FILE:LINE" */
    bool used;
};

struct suppressions {
    struct suppression *items;
    size_t count, capacity;
};

/* Adds one line's suppression. 0 (also for a line that holds none), or -EINVAL with a sentence that names the place. */
int suppressions_add(struct suppressions *suppressions, const char *line, const char *file, size_t line_number,
                     char *error, size_t error_size);

/* Adds a file's. 0 or negative errno with a sentence. */
int suppressions_load(struct suppressions *suppressions, const char *path, char *error, size_t error_size);

/* Whether any matches; all that do are marked as used. */
bool suppressions_match(struct suppressions *suppressions, const struct finding *finding);

/* Names those that matched nothing, one message each. */
void suppressions_report_unused(const struct suppressions *suppressions);

void suppressions_free(struct suppressions *suppressions);

#endif
