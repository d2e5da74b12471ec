/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CPROBE_CLI_POLICY_FILE_H
#define CPROBE_CLI_POLICY_FILE_H

#include <stddef.h>

#include "analysis/finding.h"

/* Writes a configuration whose policy (connect:) allows exactly the peers that the report lists, for people to review.
 *written: how many. 0, or negative errno with a sentence for the user; the file appears whole or not at all. */
int policy_file_write(const char *path, const struct report *report, size_t *written, char *error, size_t error_size);

#endif
