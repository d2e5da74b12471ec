/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a result goes: stdout, or a file that appears whole or not at all (written beside its place, then renamed).
 */
#ifndef CPROBE_CLI_OUTPUT_H
#define CPROBE_CLI_OUTPUT_H

#include <stddef.h>
#include <stdio.h>

#include "report/format.h"

struct output {
    FILE *file;
    char *path;      /* as the user named it; NULL: stdout */
    char *target;    /* what is replaced: symbolic links followed */
    char *temporary; /* NULL: written in place (a device, a pipe) */
};

/* path NULL or "-": stdout. 0, or negative errno with a sentence for the user. */
int output_open(struct output *output, const char *path, char *error, size_t error_size);
/* Everything written reaches the file, or nothing changes there: 0, or negative errno with a sentence. Frees. */
int output_close(struct output *output, char *error, size_t error_size);
/* Gives up what was written. Frees. */
void output_abandon(struct output *output);

/* How text for `file` is laid out: colours on a terminal unless NO_COLOR (https://no-color.org) or TERM=dumb forbids
   them; as wide as the terminal within 60 to REPORT_COLUMNS. */
struct report_style output_style(FILE *file);

#endif
