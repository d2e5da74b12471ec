/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One pass over a statement: what is known at the place that was reached, and the steps. Parts of sql.c:
 * sql_statement.c knows what words mean, sql_value.c what is left out.
 */
#ifndef CPROBE_WIRE_SQL_SCAN_H
#define CPROBE_WIRE_SQL_SCAN_H

#include "wire/sql.h"
#include "wire/sql_text.h"
#include "wire/sql_words.h"

/* How a token begins. */
enum class {
    MARK, /* an operator */
    SPACE,
    LETTER,
    DIGIT,
    QUOTE,
    COMMENT, /* perhaps */
    PLACEHOLDER,
    DOLLAR,
    DOT,
    OPEN,
    CLOSE,
    COMMA,
    SEMICOLON,
    EQUALS,
};

extern const uint8_t sql_classes[256];

/* Bytes that a name may go on with. */
extern const uint8_t sql_in_name[256];

struct sql_scan {
    const uint8_t *at, *end;
    struct sql_digest *d;
    struct sql_text text;
    enum sql_dialect dialect;
    enum sql_escapes escapes;
    bool whole;
    bool secret;     /* the rest may not be looked at */
    bool executable; /* inside a comment of MySQL's that is executed */

    /* of the statement at hand; there may be several */
    uint8_t verb;      /* 0: not seen yet */
    uint8_t second;    /* the word behind it, where that tells what it does */
    uint16_t verb_end; /* in the text */
    uint8_t words;     /* seen, up to 255 */
    uint8_t previous;  /* the last token's word, or SQL_NAME */
    bool object;       /* CREATE, ALTER: what it is has yet to be said */
    bool bounded;      /* something says which rows */
    bool where;
    bool table_follows;
    enum { NOTHING, COLUMN, COLUMN_EQUALS } compared;
    bool lock_follows;
    uint8_t depth;      /* of parentheses and brackets */
    uint64_t functions; /* bit n: the parenthesis at depth n + 1 holds no query: EXTRACT(YEAR FROM x) names no table */
};

/* Each step takes the token at s->at and moves behind it. */

void sql_statement_start(struct sql_scan *s);
/* `seen`: its end was. */
void sql_statement_end(struct sql_scan *s, bool seen);
/* The statement may carry a password: nothing behind its verb is kept. */
void sql_statement_hide(struct sql_scan *s);
void sql_word_scan(struct sql_scan *s);
/* A name that is none of the words, or quoted; s->at is behind it. */
void sql_name_seen(struct sql_scan *s, const uint8_t *begin, size_t length);

/* 'text' and "text" or `name` */
void sql_quote(struct sql_scan *s);
/* N'…', X'…', B'…', E'…' and MySQL's _utf8'…', s->at is at the letters and `end` behind them. False: it is none. */
bool sql_prefixed_string(struct sql_scan *s, const uint8_t *end);
void sql_number(struct sql_scan *s);
/* PostgreSQL: $1, or $tag$…$tag$ */
void sql_dollar(struct sql_scan *s);
/* False: it is none. */
bool sql_placeholder(struct sql_scan *s);
/* False: it is none. */
bool sql_comment(struct sql_scan *s);

#endif
