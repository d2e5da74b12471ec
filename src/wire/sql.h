/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a SQL statement asks for, without what it was asked with: literals and placeholders become `?`, lists of them
 * one
 * `?`, comments go, white space is one space. Statements that carry secrets are cut behind their first word.
 *
 * Nothing that stands in quotes of any kind that the dialect has for values comes out, also where the text is cut in
 * the middle of them, or is no SQL at all.
 *
 * Pure functions, async-signal-safe. One pass over the text.
 */
#ifndef CPROBE_WIRE_SQL_H
#define CPROBE_WIRE_SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/wire.h"

enum sql_dialect {
    SQL_MYSQL, /* "…" is a string, `…` a name; https://dev.mysql.com/doc/refman/8.0/en/language-structure.html */
    SQL_PGSQL, /* "…" is a name; https://www.postgresql.org/docs/15/sql-syntax-lexical.html */
};

/* Whether a backslash in '…' means something: MySQL's NO_BACKSLASH_ESCAPES, PostgreSQL's standard_conforming_strings.
   Where the end of a string depends on it and it is not known, the digest ends. */
enum sql_escapes {
    SQL_ESCAPES_UNKNOWN,
    SQL_ESCAPES_YES,
    SQL_ESCAPES_NO,
};

enum sql_transaction {
    SQL_SAME,   /* says nothing about transactions */
    SQL_BEGINS, /* BEGIN, START TRANSACTION */
    SQL_ENDS,   /* COMMIT, ROLLBACK */
};

struct sql_digest {
    uint32_t flags;      /* WIRE_WRITE, WIRE_UNBOUNDED, WIRE_IF_ABSENT, WIRE_TRUNCATED */
    uint16_t length;     /* of text */
    uint8_t verb;        /* sql_verb_name() */
    uint8_t transaction; /* enum sql_transaction, of the last statement that says something */
    uint16_t table_at;   /* the first table: where it stands in text */
    uint16_t table_length;
    uint16_t lock_length;
    const uint8_t *lock; /* name of a lock (GET_LOCK), inside the text that was given; NULL: none */
    uint64_t
        key_hash; /* FNV-1a of the lock's name, or of the first literal that WHERE compares a column with; 0: none */
    char text[WIRE_TEXT_MAX + 16]; /* room to copy names in steps of 16 bytes */
};

/* `whole`: `sql` is all of the text, not its beginning. `d` points into `sql` afterwards. */
void sql_digest(struct sql_digest *d, const uint8_t *sql, size_t length, bool whole, enum sql_dialect dialect,
                enum sql_escapes escapes);

/* Fills what `m` says of the statement: verb, text, key (the lock's name, or else the table) and flags. It points into
   `d` and the statement afterwards. */
void sql_describe(const struct sql_digest *d, struct wire_message *m);

/* "SELECT"; static. "SQL" for a statement whose first word is none of sql_words.def. */
const char *sql_verb_name(uint8_t verb, size_t *length);

/* Whether this is the beginning of a statement: a known verb behind white space, comments and parentheses. */
bool sql_begins(const uint8_t *sql, size_t length);

#endif
