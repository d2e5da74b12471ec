/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/path.h"

#include <string.h>

#include "wire/fields.h"

/* Shorter ones are words ("added", "v1beta1", "OAuth2"), or few enough to tell apart. */
#define HEX_MIN 8
#define CAPITALS_MIN 8
#define DENSE_MIN 10
#define DENSE_LETTERS_MIN 16
#define DIGITS_MIN 4
#define OPAQUE_MIN 16
#define OPAQUE_DIGITS 3
#define UUID_LENGTH 36

enum character {
    C_DIGIT = 0x01,
    C_HEX = 0x02, /* a to f */
    C_UPPER = 0x04,
    C_LOWER = 0x08,
    C_SEPARATOR = 0x10, /* between the parts of a segment */
    C_PLAIN = 0x20,     /* pattern characters, fit to be kept */
    C_ODD = 0x40,       /* escapes, user names, quotes, bytes that are not ASCII: what people type */
    C_NOT = 0x80,       /* not in a path: space, control characters */
};

/* 0: C_ODD */
static const uint8_t characters[256] = {
    [0 ... ' '] = C_NOT,     [0x7f] = C_NOT,
    ['0' ... '9'] = C_DIGIT, ['A' ... 'F'] = C_UPPER | C_HEX,
    ['G' ... 'Z'] = C_UPPER, ['a' ... 'f'] = C_LOWER | C_HEX,
    ['g' ... 'z'] = C_LOWER, ['-'] = C_SEPARATOR,
    ['_'] = C_SEPARATOR,     ['.'] = C_SEPARATOR,
    ['~'] = C_SEPARATOR,     [':'] = C_SEPARATOR,
    [','] = C_SEPARATOR,     ['='] = C_SEPARATOR,
    ['+'] = C_SEPARATOR,     ['*'] = C_PLAIN,
    ['#'] = C_PLAIN,         ['$'] = C_PLAIN,
};

#define C_KIND (C_DIGIT | C_UPPER | C_LOWER | C_SEPARATOR)

/* What a piece of text consists of. */
struct census {
    uint32_t digits;
    uint32_t hex; /* digits and letters a to f */
    uint32_t separators;
    uint32_t changes; /* from one kind of character to another */
    uint8_t seen;
};

static struct census census_take(const uint8_t *s, size_t n)
{
    struct census c = {0};
    uint8_t before = n ? characters[s[0]] & C_KIND : 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t k = characters[s[i]];
        c.seen |= k ? k : C_ODD;
        c.digits += (k & C_DIGIT) != 0;
        c.hex += (k & (C_DIGIT | C_HEX)) != 0;
        c.separators += (k & C_SEPARATOR) != 0;
        c.changes += (k & C_KIND) != before;
        before = k & C_KIND;
    }
    return c;
}

void path_append(struct path_text *out, const void *bytes, size_t length)
{
    size_t room = out->room - out->length;
    size_t n = length < room ? length : room;
    memcpy(out->text + out->length, bytes, n);
    out->length += n;
    out->cut |= n < length;
}

static void placeholder_append(struct path_text *out)
{
    if (out->room - out->length >= 2)
        path_append(out, "{}", 2);
    else
        out->cut = true;
}

/* Letters and digits mixed as chance mixes them, and people do not. */
static bool census_is_dense(const struct census *c, size_t n)
{
    return c->changes * 2 >= n && (n >= DENSE_LETTERS_MIN || (n >= DENSE_MIN && c->digits > 0));
}

/* Whether a piece without separators names one thing among many. */
static bool piece_is_id(const struct census *c, size_t n)
{
    if (c->digits == n)
        return true;
    if (c->hex == n && c->digits > 0 && n >= HEX_MIN)
        return true;
    if (!(c->seen & C_LOWER) && c->digits >= 2 && n >= CAPITALS_MIN)
        return true;
    return (n >= OPAQUE_MIN && c->digits >= OPAQUE_DIGITS) || census_is_dense(c, n);
}

/* Whether a segment with separators does as a whole: a UUID, base64url, a JSON web token. */
static bool segment_is_id(const struct census *c, size_t n)
{
    if (n == UUID_LENGTH && c->separators == 4 && c->hex == UUID_LENGTH - 4)
        return true;
    return c->digits >= 2 && n >= OPAQUE_MIN && census_is_dense(c, n);
}

/* "order12345": long numbers inside of words. */
static void word_append(struct path_text *out, const uint8_t *s, size_t n)
{
    for (size_t at = 0, end; at < n; at = end) {
        bool digits = field_is_digit(s[at]);
        for (end = at + 1; end < n && field_is_digit(s[end]) == digits;)
            end++;
        if (digits && end - at >= DIGITS_MIN)
            placeholder_append(out);
        else
            path_append(out, s + at, end - at);
    }
}

static void pieces_append(struct path_text *out, const uint8_t *s, size_t n)
{
    for (size_t at = 0, end; at < n; at = end + 1) {
        for (end = at; end < n && !(characters[s[end]] & C_SEPARATOR);)
            end++;
        if (end > at) {
            struct census c = census_take(s + at, end - at);
            if (piece_is_id(&c, end - at))
                placeholder_append(out);
            else
                word_append(out, s + at, end - at);
        }
        if (end < n)
            path_append(out, s + end, 1);
    }
}

/* False: it holds what a path does not. `odd`: kinds of characters for which it is left out as a whole. */
static bool segment_append(struct path_text *out, const uint8_t *s, size_t n, uint8_t odd)
{
    struct census c = census_take(s, n);
    if (c.seen & C_NOT)
        return false;
    if (n == 0)
        return true;
    if (c.seen & odd || segment_is_id(&c, n))
        placeholder_append(out);
    else if (c.digits == 0 && n < DENSE_LETTERS_MIN)
        path_append(out, s, n);
    else
        pieces_append(out, s, n);
    return true;
}

bool path_template(const uint8_t *target, size_t length, struct path_text *out)
{
    size_t at = 0;
    while (at < length && target[at] != '?' && target[at] != '#') {
        size_t end = at;
        while (end < length && target[end] != '/' && target[end] != '?' && target[end] != '#' && target[end] != ';')
            end++;
        if (!segment_append(out, target + at, end - at, C_ODD))
            return false;
        /* ";jsessionid=…" */
        for (; end < length && target[end] != '/' && target[end] != '?' && target[end] != '#'; end++)
            if (characters[target[end]] & C_NOT)
                return false;
        if (end < length && target[end] == '/')
            path_append(out, target + end++, 1);
        at = end;
    }
    return true;
}

void path_name_template(const uint8_t *name, size_t length, struct path_text *out)
{
    for (size_t at = 0, end; at < length; at = end + 1) {
        for (end = at; end < length && name[end] != '.';)
            end++;
        if (!segment_append(out, name + at, end - at, 0))
            placeholder_append(out);
        if (end < length)
            path_append(out, ".", 1);
    }
}

size_t path_start(const uint8_t *target, size_t length)
{
    size_t at = 0;
    if (length == 0 || target[0] == '/' || target[0] == '*')
        return 0;
    while (at < length && (field_is_letter(target[at]) || target[at] == '+'))
        at++;
    if (at == 0 || length - at < 3 || memcmp(target + at, "://", 3) != 0)
        return length;
    for (at += 3; at < length && target[at] != '/' && target[at] != '?' && target[at] != '#';)
        at++;
    return at;
}

bool path_is_host(const uint8_t *bytes, size_t length)
{
    static const char marks[] = {'-', '.', '_', ':', '[', ']'};
    for (size_t i = 0; i < length; i++)
        if (!(characters[bytes[i]] & (C_DIGIT | C_UPPER | C_LOWER)) && !memchr(marks, bytes[i], sizeof(marks)))
            return false;
    return length > 0;
}
