/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Report formats: each turns a struct report into bytes and reads nothing else. The list is formats.def.
 */
#ifndef CPROBE_REPORT_FORMAT_H
#define CPROBE_REPORT_FORMAT_H

#include <stdbool.h>
#include <stdio.h>

#include "analysis/finding.h"

/* How text is laid out; other formats ignore it. */
struct report_style {
    bool colour;      /* ANSI colours: only where a terminal shows them */
    unsigned columns; /* longest line, 60 to 100 */
};
#define REPORT_COLUMNS 100

struct report_format {
    const char *name;
    const char *ending; /* ".json", or NULL */
    const char *description;
    /* Writes to `out`. 0 or negative errno; a failed write may also show only in ferror(out) or at fflush. */
    int (*write)(const struct report *report, const struct report_style *style, FILE *out);
};

size_t report_format_count(void);
const struct report_format *report_format_at(size_t i);
/* NULL: no such format. */
const struct report_format *report_format_find(const char *name);
/* The format whose ending `path` has, NULL: none. */
const struct report_format *report_format_of_path(const char *path);

#define FORMAT(name, ending, description) \
    int name##_write(const struct report *report, const struct report_style *style, FILE *out);
#include "report/formats.def"
#undef FORMAT

#endif
