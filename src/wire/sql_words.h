/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of SQL that digests are made by (sql_words.def). Pure functions. */
#ifndef CPROBE_WIRE_SQL_WORDS_H
#define CPROBE_WIRE_SQL_WORDS_H

#include <stddef.h>
#include <stdint.h>

enum sql_word {
    SQL_NAME = 0, /* none of them */
#define VERB(ID, length, letters, full, flags) SQL_##ID,
#define WORD(ID, length, letters, full)
#include "wire/sql_words.def"
#undef VERB
#undef WORD
    SQL_VERBS, /* greater than every verb */
#define VERB(ID, length, letters, full, flags)
#define WORD(ID, length, letters, full) SQL_##ID,
#include "wire/sql_words.def"
#undef VERB
#undef WORD
    SQL_WORDS,
};

/* What a statement with this verb does. */
enum sql_does {
    SQL_DOES_WRITE = 0x01,      /* changes data or what holds it */
    SQL_DOES_NAME_TABLE = 0x02, /* its table follows the verb */
    SQL_DOES_READ_FROM = 0x04,  /* its table follows FROM */
    SQL_DOES_DEFINE = 0x08,     /* may hold other statements: semicolons do not end it */
    SQL_DOES_SECRETS = 0x10,    /* may carry a password */
};

struct sql_word_row {
    const char *full;
    uint8_t length;
    uint8_t does;
};

extern const struct sql_word_row sql_words[SQL_WORDS];

/* Which word `word` is, case ignored. `end`: bytes before it may be read. */
enum sql_word sql_word_find(const uint8_t *word, size_t length, const uint8_t *end);

#endif
