/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/line.h"

#include <stdarg.h>
#include <string.h>

#include "report/utf8.h"

#define ELLIPSIS "…"

/* One cleaned character of `*text`: its bytes, how many, its columns. */
struct glyph {
    char bytes[4];
    size_t length;
    unsigned columns;
};

static struct glyph glyph_next(const char **text, const char *end)
{
    struct glyph glyph;
    uint32_t code;

    *text += utf8_decode(*text, (size_t)(end - *text), &code);
    if (utf8_is_hostile(code) || code == UTF8_REPLACEMENT)
        code = '?';
    glyph.length = utf8_encode(code, glyph.bytes);
    glyph.columns = utf8_columns(code);
    return glyph;
}

static void bytes_append(struct line *line, const char *bytes, size_t length)
{
    if (length > sizeof(line->bytes) - line->length)
        return;
    memcpy(line->bytes + line->length, bytes, length);
    line->length += length;
}

void line_begin(struct line *line, const struct report_style *style)
{
    line->length = 0;
    line->columns = 0;
    line->limit = style->columns;
    line->colour = style->colour;
}

unsigned line_width(const char *text)
{
    const char *end = text + strlen(text);
    unsigned columns = 0;

    while (text < end)
        columns += glyph_next(&text, end).columns;
    return columns;
}

/* Appends glyphs of text while they fit into `columns`. */
static void glyphs_append(struct line *line, const char *text, unsigned columns)
{
    const char *end = text + strlen(text);
    unsigned stop = line->columns + columns;

    while (text < end) {
        struct glyph glyph = glyph_next(&text, end);
        if (line->columns + glyph.columns > stop || glyph.length > sizeof(line->bytes) - line->length)
            return;
        bytes_append(line, glyph.bytes, glyph.length);
        line->columns += glyph.columns;
    }
}

void line_text(struct line *line, const char *text, unsigned columns, enum line_cut cut)
{
    if (!text)
        text = "?";
    unsigned width = line_width(text);
    if (columns > line_left(line))
        columns = line_left(line);
    if (width <= columns) {
        glyphs_append(line, text, columns);
    } else if (columns > 0 && cut == LINE_CUT_END) {
        glyphs_append(line, text, columns - 1);
        glyphs_append(line, ELLIPSIS, 1);
    } else if (columns > 0) {
        const char *end = text + strlen(text);
        while (text < end && width > columns - 1)
            width -= glyph_next(&text, end).columns;
        glyphs_append(line, ELLIPSIS, 1);
        glyphs_append(line, text, columns - 1);
    }
}

void line_print(struct line *line, const char *format, ...)
{
    char text[sizeof(line->bytes)];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    line_text(line, text, line_left(line), LINE_CUT_END);
}

void line_right(struct line *line, const char *text, unsigned column)
{
    unsigned width = line_width(text);
    if (column > width)
        line_pad(line, column - width);
    line_text(line, text, width, LINE_CUT_END);
}

void line_pad(struct line *line, unsigned column)
{
    while (line->columns < column && line->columns < line->limit) {
        bytes_append(line, " ", 1);
        line->columns++;
    }
}

void line_ink(struct line *line, enum line_ink ink)
{
    static const char *const codes[] = {
        [INK_NONE] = "\033[0m",       [INK_BOLD] = "\033[0;1m",       [INK_DIM] = "\033[0;2m",
        [INK_ERROR] = "\033[0;1;31m", [INK_WARNING] = "\033[0;1;33m", [INK_NOTE] = "\033[0;1;36m",
        [INK_GOOD] = "\033[0;1;32m"};

    if (line->colour)
        bytes_append(line, codes[ink], strlen(codes[ink]));
}

unsigned line_left(const struct line *line)
{
    return line->limit > line->columns ? line->limit - line->columns : 0;
}

void line_end(struct line *line, FILE *out)
{
    while (line->length > 0 && line->bytes[line->length - 1] == ' ')
        line->length--;
    fwrite(line->bytes, 1, line->length, out);
    fputc('\n', out);
}

bool line_wrap(const char **text, unsigned columns, char *buffer, size_t size)
{
    const char *begin = *text + strspn(*text, " ");
    const char *end = begin + strlen(begin), *at = begin, *fit = NULL;
    unsigned used = 0;

    if (begin == end)
        return false;
    while (at < end) {
        const char *next = at;
        unsigned width = glyph_next(&next, end).columns;
        if (used + width > columns || (size_t)(next - begin) >= size)
            break;
        used += width;
        at = next;
        if (at == end || *at == ' ')
            fit = at;
    }
    if (!fit)
        fit = at > begin ? at : end;
    size_t length = (size_t)(fit - begin) < size ? (size_t)(fit - begin) : size - 1;
    memcpy(buffer, begin, length);
    buffer[length] = '\0';
    *text = fit;
    return true;
}
