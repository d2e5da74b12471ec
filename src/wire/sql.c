/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/sql_scan.h"

#include "wire/fields.h"

const uint8_t sql_classes[256] = {
    ['\t'] = SPACE,
    ['\n'] = SPACE,
    ['\v'] = SPACE,
    ['\f'] = SPACE,
    ['\r'] = SPACE,
    [' '] = SPACE,
    ['a' ... 'z'] = LETTER,
    ['A' ... 'Z'] = LETTER,
    ['_'] = LETTER,
    [0x80 ... 0xff] = LETTER,
    ['0' ... '9'] = DIGIT,
    ['\''] = QUOTE,
    ['"'] = QUOTE,
    ['`'] = QUOTE,
    ['#'] = COMMENT,
    ['-'] = COMMENT,
    ['/'] = COMMENT,
    ['*'] = COMMENT,
    [':'] = PLACEHOLDER,
    ['%'] = PLACEHOLDER,
    ['?'] = PLACEHOLDER,
    ['$'] = DOLLAR,
    ['.'] = DOT,
    ['('] = OPEN,
    ['['] = OPEN,
    [')'] = CLOSE,
    [']'] = CLOSE,
    [','] = COMMA,
    [';'] = SEMICOLON,
    ['='] = EQUALS,
};

const uint8_t sql_in_name[256] = {
    ['a' ... 'z'] = 1, ['A' ... 'Z'] = 1, ['0' ... '9'] = 1, ['_'] = 1, ['$'] = 1, [0x80 ... 0xff] = 1,
};

#define DEPTH_MAX 64 /* bits in sql_scan.functions; deeper ones are taken as this deep */

static void parenthesis_open(struct sql_scan *s)
{
    uint8_t before = s->previous;
    sql_text_put(&s->text, (char)*s->at++);
    if (s->depth < DEPTH_MAX)
        s->functions |= UINT64_C(1) << s->depth++;
    s->previous = SQL_NAME;
    s->compared = NOTHING;
    if (before == SQL_NAME)
        return;
    if (before == SQL_IN || before == SQL_ARRAY) {
        sql_list_open(&s->text, s->depth, false);
    } else if (before == SQL_GET_LOCK || before == SQL_PG_ADVISORY_LOCK || before == SQL_PG_TRY_ADVISORY_LOCK) {
        s->lock_follows = true;
        s->d->flags |= WIRE_IF_ABSENT;
    } else if (before == SQL_RELEASE_LOCK) {
        s->lock_follows = true;
    } else if (before == SQL_PASSWORD ||
               (before >= SQL_OLD_PASSWORD && before <= SQL_PGP && before != SQL_IDENTIFIED)) {
        sql_statement_hide(s);
    }
}

static void parenthesis_close(struct sql_scan *s)
{
    struct sql_list *list = sql_list_inner(&s->text);
    if (list && list->depth == s->depth && s->depth > 0)
        sql_list_close(&s->text);
    s->depth -= s->depth > 0;
    s->compared = NOTHING;
    s->previous = SQL_NAME;
    s->text.space = false;
    sql_text_put(&s->text, (char)*s->at++);
}

static void scan_equals(struct sql_scan *s)
{
    char before = s->text.last;
    bool plain = s->text.space || !(before == '<' || before == '>' || before == '!' || before == ':' || before == '=');
    s->at++;
    sql_text_put(&s->text, '=');
    s->compared = s->compared == COLUMN && plain ? COLUMN_EQUALS : NOTHING;
    s->previous = SQL_NAME;
    if (s->verb == SQL_SET) {
        s->text.space = s->at < s->end && sql_classes[*s->at] == SPACE;
        sql_text_literal(&s->text);
        s->text.muted = true;
    }
}

static void scan_comma(struct sql_scan *s)
{
    struct sql_list *list = sql_list_inner(&s->text);
    s->at++;
    s->compared = NOTHING;
    s->previous = SQL_NAME;
    if (list && list->depth == s->depth) {
        sql_list_next(&s->text);
    } else {
        s->text.space = false;
        sql_text_put(&s->text, ',');
    }
}

static void scan_semicolon(struct sql_scan *s)
{
    s->at++;
    s->text.space = false;
    if (sql_words[s->verb].does & SQL_DOES_DEFINE) {
        sql_text_put(&s->text, ';');
        return;
    }
    if (s->words > 0)
        sql_statement_end(s, true);
    sql_statement_start(s);
    sql_text_put(&s->text, ';');
}

static void scan_mark(struct sql_scan *s)
{
    uint8_t c = *s->at++;
    s->compared = NOTHING;
    s->previous = SQL_NAME;
    sql_text_put(&s->text, (char)c);
}

static void scan_dot(struct sql_scan *s)
{
    if (s->at + 1 < s->end && field_is_digit(s->at[1]) && (s->text.space || s->compared != COLUMN)) {
        sql_number(s);
        return;
    }
    s->at++;
    sql_text_put(&s->text, '.');
}

static void scan_token(struct sql_scan *s)
{
    switch (sql_classes[*s->at]) {
    case COMMENT:
        if (!sql_comment(s))
            scan_mark(s);
        break;
    case PLACEHOLDER:
        if (!sql_placeholder(s))
            scan_mark(s);
        break;
    case DOLLAR:
        if (s->dialect == SQL_MYSQL)
            sql_word_scan(s);
        else
            sql_dollar(s);
        break;
    case DOT:
        scan_dot(s);
        break;
    case OPEN:
        parenthesis_open(s);
        break;
    case CLOSE:
        parenthesis_close(s);
        break;
    case COMMA:
        scan_comma(s);
        break;
    case SEMICOLON:
        scan_semicolon(s);
        break;
    case EQUALS:
        scan_equals(s);
        break;
    default:
        scan_mark(s);
    }
}

static void scan_all(struct sql_scan *s)
{
    while (s->at < s->end) {
        switch (sql_classes[*s->at]) {
        case SPACE:
            s->text.space = true;
            s->at++;
            break;
        case LETTER:
            sql_word_scan(s);
            break;
        case DIGIT:
            sql_number(s);
            break;
        case QUOTE:
            sql_quote(s);
            break;
        default:
            scan_token(s);
        }
    }
}

/* The table's name goes as far as names, dots and quotes follow each other. */
static void table_measure(struct sql_digest *d)
{
    uint16_t at = d->table_at;
    if (d->table_length == 0 || at >= d->length) {
        d->table_at = d->table_length = 0;
        return;
    }
    while (at < d->length) {
        char c = d->text[at];
        if (c == '`' || c == '"') {
            const char *close = memchr(d->text + at + 1, c, (size_t)(d->length - at - 1));
            if (!close)
                break;
            at = (uint16_t)(close - d->text + 1);
        } else if (sql_in_name[(uint8_t)c] || c == '.') {
            at++;
        } else {
            break;
        }
    }
    d->table_length = (uint16_t)(at - d->table_at);
    bool quoted = d->table_length > 2 && (d->text[d->table_at] == '`' || d->text[d->table_at] == '"');
    if (quoted && memchr(d->text + d->table_at + 1, d->text[d->table_at], d->table_length - 1u) == d->text + at - 1) {
        d->table_at++;
        d->table_length = (uint16_t)(d->table_length - 2);
    }
}

void sql_digest(struct sql_digest *d, const uint8_t *sql, size_t length, bool whole, enum sql_dialect dialect,
                enum sql_escapes escapes)
{
    struct sql_scan s = {
        .at = sql, .end = sql + length, .d = d, .dialect = dialect, .escapes = escapes, .whole = whole};
    memset(d, 0, offsetof(struct sql_digest, text));
    s.text.out = d->text;
    scan_all(&s);
    if (s.words > 0)
        sql_statement_end(&s, s.whole);
    while (s.text.used > 0 && (d->text[s.text.used - 1] == ';' || d->text[s.text.used - 1] == ' '))
        s.text.used--;
    d->length = d->verb == SQL_NAME ? 0 : s.text.used;
    if (s.text.cut || !s.whole)
        d->flags |= WIRE_TRUNCATED;
    table_measure(d);
}

void sql_describe(const struct sql_digest *d, struct wire_message *m)
{
    size_t key = d->lock ? d->lock_length : d->table_length;
    m->verb = sql_verb_name(d->verb, &m->verb_length);
    m->text = d->text;
    m->text_length = d->length;
    m->key = d->lock ? (const char *)d->lock : d->text + d->table_at;
    m->key_length = key < WIRE_KEY_MAX ? key : WIRE_KEY_MAX;
    m->key_hash = d->key_hash;
    m->flags |= d->flags | (key > WIRE_KEY_MAX ? WIRE_TRUNCATED : 0);
}

const char *sql_verb_name(uint8_t verb, size_t *length)
{
    const struct sql_word_row *row = &sql_words[verb < SQL_VERBS ? verb : SQL_NAME];
    *length = row->length;
    return row->full;
}

bool sql_begins(const uint8_t *sql, size_t length)
{
    struct sql_digest d;
    sql_digest(&d, sql, length, false, SQL_MYSQL, SQL_ESCAPES_UNKNOWN);
    return d.verb != SQL_NAME;
}
