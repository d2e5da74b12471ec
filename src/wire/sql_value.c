/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is left out of a digest: values, placeholders, comments. */
#include "wire/sql_scan.h"

#include <emmintrin.h>

#include "wire/fields.h"

/* Where a value ends is not certain: nothing behind it is kept. */
static COLD void give_up(struct sql_scan *s)
{
    s->at = s->end;
    s->whole = false;
}

static void literal_seen(struct sql_scan *s, const uint8_t *content, size_t length, bool whole)
{
    struct sql_digest *d = s->d;
    if (s->lock_follows) {
        s->lock_follows = false;
        if (whole && !d->lock) {
            d->lock = content;
            d->lock_length = (uint16_t)length;
            d->key_hash = field_hash(content, length);
        }
    } else if (s->compared == COLUMN_EQUALS && s->where && whole && d->key_hash == 0) {
        d->key_hash = field_hash(content, length);
    }
    s->compared = NOTHING;
    s->previous = SQL_NAME;
    sql_text_literal(&s->text);
}

static void placeholder_seen(struct sql_scan *s)
{
    s->lock_follows = false;
    s->compared = NOTHING;
    s->previous = SQL_NAME;
    sql_text_literal(&s->text);
}

/*
 * Whether the backslash at `p`, inside a string, might not take the next byte with it: it is the second byte of a
 * character of some Asian encodings, or escapes are not known to be on.
 */
static bool backslash_is_unsure(const uint8_t *p, uint8_t quote, enum sql_escapes escapes)
{
    if (p[-1] >= 0x80)
        return p[1] == quote || p[1] == '\\';
    return escapes == SQL_ESCAPES_UNKNOWN && p[1] == quote;
}

/* The first of two characters from `p` on; `end`: neither is there. Sixteen bytes at a time, as most are neither. */
static ALWAYS_INLINE const uint8_t *find_either(const uint8_t *p, const uint8_t *end, uint8_t a, uint8_t b)
{
    const __m128i as = _mm_set1_epi8((char)a), bs = _mm_set1_epi8((char)b);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        unsigned found = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, as), _mm_cmpeq_epi8(v, bs)));
        if (found)
            return p + __builtin_ctz(found);
    }
    while (p < end && *p != a && *p != b)
        p++;
    return p;
}

/* A string or a quoted name that begins at s->at. Returns its content's length, and whether its end was seen. */
static size_t quoted_skip(struct sql_scan *s, enum sql_escapes escapes, bool *closed)
{
    uint8_t quote = *s->at;
    const uint8_t *begin = s->at + 1, *p = begin;
    uint8_t escape = escapes == SQL_ESCAPES_NO ? quote : '\\';
    *closed = false;
    for (; (p = find_either(p, s->end, quote, escape)) < s->end; p++) {
        if (*p == quote) {
            if (p + 1 == s->end || p[1] != quote) {
                *closed = true;
                break;
            }
            p++;
        } else if (p + 1 < s->end) {
            if (backslash_is_unsure(p, quote, escapes)) {
                give_up(s);
                return 0;
            }
            p++;
        }
    }
    s->at = p < s->end ? p + 1 : s->end;
    return (size_t)((p < s->end ? p : s->end) - begin);
}

static void string_scan(struct sql_scan *s, enum sql_escapes escapes)
{
    const uint8_t *begin = s->at + 1;
    bool closed;
    size_t length = quoted_skip(s, escapes, &closed);
    /* At the very end the closing quote may be the first of two. */
    literal_seen(s, begin, length, closed && (s->whole || s->at < s->end));
}

void sql_quote(struct sql_scan *s)
{
    const uint8_t *begin = s->at;
    bool closed;
    if (*begin == '\'' || (*begin == '"' && s->dialect == SQL_MYSQL)) {
        string_scan(s, s->escapes);
        return;
    }
    quoted_skip(s, SQL_ESCAPES_NO, &closed);
    if (closed)
        sql_name_seen(s, begin, (size_t)(s->at - begin));
    else
        give_up(s);
}

/* Digits, and whatever is written on to them: 0x1F, 1.5e-3, 1_000. */
void sql_number(struct sql_scan *s)
{
    const uint8_t *begin = s->at, *p = begin;
    while (p < s->end && (sql_in_name[*p] || *p == '.')) {
        bool exponent = (*p | 0x20) == 'e' && begin + 1 < s->end && (begin[1] | 0x20) != 'x';
        p++;
        if (exponent && p < s->end && (*p == '-' || *p == '+'))
            p++;
    }
    s->at = p;
    literal_seen(s, begin, (size_t)(p - begin), s->whole || p < s->end);
}

/* N'…', X'…', B'…', E'…' and MySQL's _utf8'…': s->at is at the letters. */
bool sql_prefixed_string(struct sql_scan *s, const uint8_t *end)
{
    static const char letters[] = {'n', 'x', 'b', 'e'};
    size_t length = (size_t)(end - s->at);
    uint8_t letter = *s->at | 0x20;
    if (end == s->end || !(*end == '\'' || (*end == '"' && s->dialect == SQL_MYSQL)))
        return false;
    if (!(length == 1 && memchr(letters, letter, sizeof(letters))) && !(*s->at == '_' && s->dialect == SQL_MYSQL))
        return false;
    s->at = end;
    string_scan(s, letter == 'e' && s->dialect == SQL_PGSQL ? SQL_ESCAPES_YES : s->escapes);
    return true;
}

/* PostgreSQL: $1, or $tag$…$tag$ whose s->at is at the first dollar. */
void sql_dollar(struct sql_scan *s)
{
    const uint8_t *tag = s->at, *p = tag + 1;
    while (p < s->end && sql_in_name[*p] && *p != '$')
        p++;
    if (p < s->end && *p == '$' && !field_is_digit(tag[1])) {
        size_t length = (size_t)(++p - tag);
        while ((size_t)(s->end - p) >= length && memcmp(p, tag, length) != 0)
            p++;
        p = (size_t)(s->end - p) >= length ? p + length : s->end;
    }
    s->at = p;
    placeholder_seen(s);
}

/* Placeholders of drivers that leave them to the server: :name, %s, %(name)s. */
bool sql_placeholder(struct sql_scan *s)
{
    const uint8_t *p = s->at;
    size_t left = (size_t)(s->end - p);
    if (*p == '?') {
        p++;
    } else if (*p == ':' && left > 1 && sql_classes[p[1]] == LETTER && (s->text.last != ':' || s->text.space)) {
        do
            p++;
        while (p < s->end && sql_in_name[*p]);
    } else if (*p == '%' && left > 1 && p[1] == 's' && (left == 2 || !sql_in_name[p[2]])) {
        p += 2;
    } else if (*p == '%' && left > 1 && p[1] == '(') {
        const uint8_t *close = memchr(p, ')', left);
        if (!close || close + 1 == s->end || close[1] != 's')
            return false;
        p = close + 2;
    } else {
        return false;
    }
    s->at = p;
    placeholder_seen(s);
    return true;
}

static COLD void comment_skip(struct sql_scan *s)
{
    unsigned depth = 0;
    const uint8_t *p = s->at;
    for (; p + 1 < s->end; p++) {
        if (p[0] == '/' && p[1] == '*' && (depth == 0 || s->dialect == SQL_PGSQL)) {
            depth++;
            p++;
        } else if (p[0] == '*' && p[1] == '/') {
            p++;
            if (--depth == 0) {
                s->at = p + 1;
                s->text.space = true;
                return;
            }
        }
    }
    give_up(s);
}

/* MySQL executes what stands in a comment such as `/`*!50003 … */
static COLD void comment_enter(struct sql_scan *s)
{
    s->at += s->at[2] == '!' ? 3 : 4;
    while (s->at < s->end && field_is_digit(*s->at))
        s->at++;
    s->executable = true;
    s->text.space = true;
}

static COLD void line_skip(struct sql_scan *s)
{
    const uint8_t *newline = memchr(s->at, '\n', (size_t)(s->end - s->at));
    s->at = newline ? newline : s->end;
    s->text.space = true;
}

/* A comment that begins at s->at. */
bool sql_comment(struct sql_scan *s)
{
    const uint8_t *p = s->at;
    size_t left = (size_t)(s->end - p);
    if (p[0] == '#' && s->dialect == SQL_MYSQL) {
        line_skip(s);
    } else if (p[0] == '-' && left > 1 && p[1] == '-' && (s->dialect == SQL_PGSQL || left == 2 || p[2] <= ' ')) {
        line_skip(s);
    } else if (p[0] == '/' && left > 1 && p[1] == '*') {
        if (s->dialect == SQL_MYSQL && left > 3 && (p[2] == '!' || (p[2] == 'M' && p[3] == '!')))
            comment_enter(s);
        else
            comment_skip(s);
    } else if (p[0] == '*' && left > 1 && p[1] == '/' && s->executable) {
        s->executable = false;
        s->at += 2;
        s->text.space = true;
    } else {
        return false;
    }
    return true;
}
