/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file (YAML):
 *
 *     record: {dir: /var/tmp/cprobe, max_size: 256M}          # recorder_options.def
 *     rules: {non-yielding-io: {share: 5%}}                   # src/analysis/options.def
 *     suppressions: ["non-yielding-io:*legacy.py"]            # suppressions.h
 *     fail_on: [error, loop-stall]                            # `check` without --fail-on
 *     connect:                                                # policy.h
 *       mode: enforce                                         # or list: nothing is flagged
 *       allow: ["redis://127.0.0.1:6379", {peer: "mysql://db.internal", process: "celery*"}]
 *
 * Whatever has no effect is an error: an unknown key, a value of the wrong kind, a key that stands twice.
 */
#ifndef CPROBE_CLI_CONFIG_H
#define CPROBE_CLI_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "analysis/options.h"
#include "analysis/policy.h"
#include "cli/fail_on.h"
#include "cli/recorder.h"
#include "cli/suppressions.h"

struct config {
    struct recorder_settings record;
    struct analysis_options analysis; /* defaults where the file says nothing */
    struct suppressions suppressions;
    struct fail_on fail_on;
    bool has_fail_on;
    struct policy *policy; /* of connect: allow; NULL: the file has none. In force: analysis.policy */
};

void config_init(struct config *config);
void config_free(struct config *config);

/* Which file to read: `named` (from --config; may be NULL), else $CPROBE_CONFIG, else ./cprobe.yaml where that exists,
   else NULL. Returns `named`, the environment's string or a constant. */
const char *config_find(const char *named);

/* Reads a file into `config`. 0, or negative errno with a sentence that names file and line. */
int config_load(struct config *config, const char *path, char *error, size_t error_size);

#endif
