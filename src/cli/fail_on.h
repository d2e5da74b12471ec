/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which findings make `check` and `run` fail: a comma-separated list of rules and severities. A severity means itself
 * and what is worse; "all" means every finding.
 */
#ifndef CPROBE_CLI_FAIL_ON_H
#define CPROBE_CLI_FAIL_ON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/finding.h"

struct fail_on {
    uint64_t rules;      /* bit i: analysis_rule_at(i) */
    bool severity_given; /* findings of `severity` or worse match */
    enum severity severity;
};

/* What `check` uses when nothing is said: every finding of severity error. */
struct fail_on fail_on_default(void);

/* 0, or -EINVAL with a sentence that names the nearest rule or severity; an empty list is an error too. */
int fail_on_parse(struct fail_on *fail_on, const char *text, char *error, size_t error_size);

bool fail_on_matches(const struct fail_on *fail_on, const struct finding *finding);

#endif
