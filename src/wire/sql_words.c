/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/sql_words.h"

#include <string.h>

#include "wire/fields.h"

const struct sql_word_row sql_words[SQL_WORDS] = {
    [SQL_NAME] = {"SQL", 3, 0},
#define VERB(ID, length, letters, full, does) [SQL_##ID] = {full, length, does},
#define WORD(ID, length, letters, full) [SQL_##ID] = {full, length, 0},
#include "wire/sql_words.def"
#undef VERB
#undef WORD
};

/* Bit 0x20 makes letters lower case; no other character becomes a letter by it. */
#define LOWER(c) ((uint64_t)((c) != 0 ? (c) | 0x20 : 0))
#define L(a, b, c, d, e, f, g, h)                                                                                    \
    (LOWER(a) | LOWER(b) << 8 | LOWER(c) << 16 | LOWER(d) << 24 | LOWER(e) << 32 | LOWER(f) << 40 | LOWER(g) << 48 | \
     LOWER(h) << 56)

/* A perfect hash: each word has a place of its own. If a new word's is taken, the switch below does not compile, and
   another odd multiplier must be found; one in a few thousand random ones fits. */
#define PLACES_BITS 10
#define PLACE(letters) ((letters)*UINT64_C(0x1f60c91eb402c491) >> (64 - PLACES_BITS))

static const struct {
    uint64_t letters;
    uint64_t word;
} places[1 << PLACES_BITS] = {
#define VERB(ID, length, row_letters, full, does) [PLACE(row_letters)] = {row_letters, SQL_##ID},
#define WORD(ID, length, row_letters, full) [PLACE(row_letters)] = {row_letters, SQL_##ID},
#include "wire/sql_words.def"
#undef VERB
#undef WORD
};

/* Never called: duplicate cases are errors. */
static inline __attribute__((unused)) void places_differ(uint64_t place)
{
    switch (place) {
#define VERB(ID, length, row_letters, full, does) case PLACE(row_letters):
#define WORD(ID, length, row_letters, full) case PLACE(row_letters):
#include "wire/sql_words.def"
#undef VERB
#undef WORD
        break;
    }
}

static uint64_t letters_load(const uint8_t *word, size_t length, const uint8_t *end)
{
    uint64_t letters = 0;
    if (end - word >= 8)
        memcpy(&letters, word, 8);
    else
        memcpy(&letters, word, (size_t)(end - word));
    letters |= 0x2020202020202020;
    return length >= 8 ? letters : letters & ((UINT64_C(1) << length * 8) - 1);
}

enum sql_word sql_word_find(const uint8_t *word, size_t length, const uint8_t *end)
{
    uint64_t letters = letters_load(word, length, end), place = PLACE(letters);
    if (places[place].letters != letters)
        return SQL_NAME;
    enum sql_word found = (enum sql_word)places[place].word;
    const struct sql_word_row *row = &sql_words[found];
    if (row->length == 0)
        return found;
    if (row->length != length || (length > 8 && !field_same(word + 8, row->full + 8, length - 8)))
        return SQL_NAME;
    return found;
}
