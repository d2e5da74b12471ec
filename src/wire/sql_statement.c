/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the words of a statement mean for its digest. */
#include "wire/sql_scan.h"

#include <emmintrin.h>

#include "wire/fields.h"

void sql_statement_start(struct sql_scan *s)
{
    s->verb = s->second = s->words = s->previous = 0;
    s->object = s->bounded = s->where = s->table_follows = s->lock_follows = false;
    s->compared = NOTHING;
    s->depth = 0;
    s->functions = 0;
    s->text.list_count = 0;
    s->text.muted = false;
}

/* `seen`: its end was. */
void sql_statement_end(struct sql_scan *s, bool seen)
{
    struct sql_digest *d = s->d;
    while (s->text.list_count) {
        if (seen)
            sql_list_close(&s->text);
        else
            sql_list_cut(&s->text);
    }
    if (sql_words[s->verb].does & SQL_DOES_WRITE)
        d->flags |= WIRE_WRITE;
    if (seen && !s->bounded && (s->verb == SQL_UPDATE || s->verb == SQL_DELETE))
        d->flags |= WIRE_UNBOUNDED;
    if (s->verb == SQL_BEGIN || (s->verb == SQL_START && s->second == SQL_TRANSACTION) || s->second == SQL_CHAIN)
        d->transaction = SQL_BEGINS;
    else if (s->verb == SQL_COMMIT || s->verb == SQL_END || s->verb == SQL_ABORT ||
             (s->verb == SQL_ROLLBACK && s->second != SQL_TO))
        d->transaction = SQL_ENDS;
    if (d->verb == SQL_NAME)
        d->verb = s->verb;
}

/* The statement may carry a password: nothing behind its verb is kept. */
COLD void sql_statement_hide(struct sql_scan *s)
{
    s->secret = true;
    s->text.muted = true;
    s->text.list_count = 0;
    s->text.used = s->verb_end;
    s->d->table_length = 0;
    s->d->lock = NULL;
    s->d->key_hash = 0;
    s->at = s->end;
    s->whole = false;
}

void sql_name_seen(struct sql_scan *s, const uint8_t *begin, size_t length)
{
    if (s->table_follows) {
        sql_text_gap(&s->text);
        s->table_follows = false;
        /* Not inside a list: its items may be folded away. */
        if (s->d->table_length == 0 && s->text.list_count == 0 && !sql_text_full(&s->text)) {
            s->d->table_at = s->text.used;
            s->d->table_length = 1; /* until table_measure */
        }
    }
    s->compared = COLUMN;
    s->previous = SQL_NAME;
    sql_text_copy(&s->text, begin, length, s->end);
}

/* What stands behind a verb and says what it does. */
static void object_seen(struct sql_scan *s, enum sql_word word, size_t length)
{
    switch (word) {
    case SQL_USER:
    case SQL_ROLE:
    case SQL_GROUP:
    case SQL_SERVER:
    case SQL_SYSTEM:
    case SQL_SUBSCRIPTION:
        sql_statement_hide(s);
        break;
    default: /* CREATE OR REPLACE … */
        s->object = word == SQL_REPLACE || (word == SQL_NAME && length == 2);
    }
}

static void verb_seen(struct sql_scan *s, enum sql_word word, size_t length)
{
    s->verb = word < SQL_VERBS ? word : SQL_NAME;
    s->words = 1;
    sql_text_gap(&s->text);
    if (s->verb == SQL_NAME) {
        s->verb_end = s->text.used;
        sql_statement_hide(s);
        return;
    }
    for (size_t i = 0; i < length; i++)
        sql_text_byte(&s->text, field_upper(s->at[i]));
    s->text.last = 'a';
    s->verb_end = s->text.used;
    s->previous = word;
    s->table_follows = sql_words[word].does & SQL_DOES_NAME_TABLE;
    s->object = sql_words[word].does & SQL_DOES_DEFINE;
    if (word == SQL_CHANGE)
        sql_statement_hide(s);
}

/* VALUES was seen: rows follow. */
static void rows_open(struct sql_scan *s)
{
    while (s->at < s->end && sql_classes[*s->at] == SPACE) {
        s->text.space = true;
        s->at++;
    }
    sql_list_open(&s->text, s->depth, true);
}

static bool in_query(const struct sql_scan *s)
{
    return s->depth == 0 || !(s->functions >> (s->depth - 1) & 1);
}

/* What a word means where it stands. False: nothing, it is a name. */
static bool word_seen(struct sql_scan *s, enum sql_word word)
{
    uint8_t does = sql_words[s->verb].does;
    switch (word) {
    case SQL_SELECT:
    case SQL_INSERT:
    case SQL_UPDATE:
    case SQL_DELETE:
    case SQL_MERGE:
        if (s->text.last == '(' && s->depth > 0)
            s->functions &= ~(UINT64_C(1) << (s->depth - 1));
        if (s->verb == SQL_WITH && s->depth == 0) {
            s->verb = word;
            s->table_follows = sql_words[word].does & SQL_DOES_NAME_TABLE;
        } else {
            s->table_follows = false;
        }
        return true;
    case SQL_FROM:
        s->table_follows |= s->d->table_length == 0 && (does & SQL_DOES_READ_FROM) && in_query(s);
        return true;
    case SQL_INTO:
        s->table_follows |= s->verb == SQL_MERGE;
        return true;
    case SQL_TABLE:
        s->table_follows |= s->d->table_length == 0;
        return true;
    case SQL_WHERE:
        s->where = true;
        s->bounded |= s->depth == 0;
        return true;
    case SQL_LIMIT:
    case SQL_JOIN:
    case SQL_USING:
        s->bounded |= s->depth == 0;
        return true;
    case SQL_IF:
    case SQL_NOT:
    case SQL_EXISTS:
    case SQL_ONLY:
    case SQL_IGNORE:
    case SQL_QUICK:
    case SQL_LATERAL:
    case SQL_DELAYED:
    case SQL_LOW_PRIORITY:
    case SQL_HIGH_PRIORITY:
    case SQL_IN:
    case SQL_VALUES:
    case SQL_VALUE:
    case SQL_ARRAY:
        return true;
    default:
        return false;
    }
}

/* Words that tell what a statement does to transactions, and those that secrets stand behind. */
static void word_notice(struct sql_scan *s, enum sql_word word)
{
    switch (word) {
    case SQL_TRANSACTION:
    case SQL_CHAIN:
        s->second = word;
        break;
    case SQL_TO:
        s->second = word;
        if (s->verb == SQL_SET) {
            s->text.space = true;
            sql_text_literal(&s->text);
            s->text.muted = true;
        }
        break;
    case SQL_PASSWORD:
    case SQL_USER:
        if ((s->verb == SQL_SET && s->words == 2 && word == SQL_PASSWORD) || s->verb == SQL_START)
            sql_statement_hide(s);
        break;
    case SQL_IDENTIFIED:
        if (sql_words[s->verb].does & SQL_DOES_SECRETS)
            sql_statement_hide(s);
        break;
    default:
        break;
    }
}

/* Where the name that goes on at `p` ends. Sixteen bytes at a time: a branch for each byte, taken at another place in
   every word, is what a digest would spend most of its time on. */
static const uint8_t *name_end(const uint8_t *p, const uint8_t *end)
{
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        __m128i letter = _mm_sub_epi8(_mm_or_si128(v, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
        __m128i digit = _mm_sub_epi8(v, _mm_set1_epi8('0'));
        __m128i in = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter),
                                  _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit));
        in = _mm_or_si128(in,
                          _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('_')), _mm_cmpeq_epi8(v, _mm_set1_epi8('$'))));
        /* the highest bit of each byte: those above 0x7f are letters */
        unsigned out = ~(unsigned)_mm_movemask_epi8(_mm_or_si128(in, v)) & 0xffff;
        if (out)
            return p + __builtin_ctz(out);
    }
    while (p < end && sql_in_name[*p])
        p++;
    return p;
}

void sql_word_scan(struct sql_scan *s)
{
    const uint8_t *begin = s->at, *p = begin;
    p = name_end(p + 1, s->end);
    size_t length = (size_t)(p - begin);
    if (unlikely(length <= 20 && p < s->end && sql_classes[*p] == QUOTE) && sql_prefixed_string(s, p))
        return;
    /* user.password, @from: not the word */
    bool part = !s->text.space && (s->text.last == '.' || s->text.last == '@');
    enum sql_word word = part ? SQL_NAME : sql_word_find(begin, length, s->end);
    if (s->words == 0) {
        verb_seen(s, word, length);
        s->at = s->secret ? s->end : p;
        if (word == SQL_VALUES)
            rows_open(s);
        return;
    }
    s->at = p;
    s->words += s->words < UINT8_MAX;
    struct sql_list *list = sql_list_inner(&s->text);
    if (list && list->rows && list->depth == s->depth && !FIELD_IS(begin, length, "ROW"))
        sql_list_close(&s->text);
    if (s->object)
        object_seen(s, word, length);
    if (word == SQL_NAME) {
        sql_name_seen(s, begin, length);
        return;
    }
    if (!word_seen(s, word))
        sql_name_seen(s, begin, length);
    else
        sql_text_copy(&s->text, begin, length, s->end);
    s->previous = word;
    if (word == SQL_VALUES || word == SQL_VALUE)
        rows_open(s);
    word_notice(s, word);
}
