/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line of text output, built piece by piece: counts columns, cleans what it is given (invalid UTF-8, control
 * characters, direction overrides become '?', so that a recorded name cannot steer the reader's terminal), and colours
 * only where the style asks for it. One thread at a time per line.
 */
#ifndef CPROBE_REPORT_LINE_H
#define CPROBE_REPORT_LINE_H

#include <stdbool.h>
#include <stdio.h>

#include "report/format.h"

struct line {
    char bytes[2048];
    size_t length;
    unsigned columns; /* used so far */
    unsigned limit;   /* of columns */
    bool colour;
};

enum line_cut { LINE_CUT_END, LINE_CUT_START }; /* which side of a text that is too wide gives way to an ellipsis */

enum line_ink { INK_NONE, INK_BOLD, INK_DIM, INK_ERROR, INK_WARNING, INK_NOTE, INK_GOOD };

void line_begin(struct line *line, const struct report_style *style);

/* Appends `text`, at most `columns` wide and never beyond the line's limit. NULL counts as "?". */
void line_text(struct line *line, const char *text, unsigned columns, enum line_cut cut);
/* Appends formatted text, cut at the line's limit. */
void line_print(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends `text` so that it ends just before `column`. */
void line_right(struct line *line, const char *text, unsigned column);
/* Appends spaces up to `column` (0 is the first), none if the line is there already. */
void line_pad(struct line *line, unsigned column);
/* What follows is coloured, until INK_NONE. */
void line_ink(struct line *line, enum line_ink ink);
/* Columns left. */
unsigned line_left(const struct line *line);
/* Writes the line without its trailing spaces. */
void line_end(struct line *line, FILE *out);

/* Columns that `text` takes once cleaned. */
unsigned line_width(const char *text);

/* The next part of `*text` that fits into `columns`, broken at a space where there is one, copied to buffer; `*text`
   moves behind it. False at the end. */
bool line_wrap(const char **text, unsigned columns, char *buffer, size_t size);

#endif
