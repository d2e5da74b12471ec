/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of a digest while it is written: bounded, white space as single spaces, items of a list that are alike kept
 * once. Used by sql.c only.
 */
#ifndef CPROBE_WIRE_SQL_TEXT_H
#define CPROBE_WIRE_SQL_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
#include "wire/wire.h"

#define SQL_LISTS_MAX 4

/* A list whose items are folded. Positions are in the text. */
struct sql_list {
    uint8_t depth; /* of the commas between its items */
    bool rows;     /* VALUES (…), (…): nothing but commas stands between items, and no parenthesis around them */
    bool one;      /* an item is there to compare with: */
    uint16_t first;
    uint16_t end;
    uint16_t item; /* where the item that is being written began */
};

struct sql_text {
    char *out; /* WIRE_TEXT_MAX + 16 bytes */
    uint16_t used;
    bool cut;   /* something did not fit */
    bool muted; /* nothing is written: what comes is left out */
    bool space; /* there was white space since the last token */
    char last;  /* last byte of the last token, whether it was written or not; 0: none */
    uint8_t list_count;
    struct sql_list lists[SQL_LISTS_MAX];
};

static inline bool sql_text_full(const struct sql_text *t)
{
    return t->cut || t->muted;
}

static ALWAYS_INLINE void sql_text_byte(struct sql_text *t, char c)
{
    if (t->used < WIRE_TEXT_MAX && !sql_text_full(t))
        t->out[t->used++] = c;
    else
        t->cut |= !t->muted;
}

/* Behind these, and before anything, white space means nothing. */
extern const uint8_t sql_text_glues[256];

static ALWAYS_INLINE bool sql_text_gapes(const struct sql_text *t)
{
    return t->space & !sql_text_glues[(uint8_t)t->last];
}

static ALWAYS_INLINE void sql_text_gap(struct sql_text *t)
{
    if (sql_text_gapes(t))
        sql_text_byte(t, ' ');
    t->space = false;
}

/* Whether so many bytes can be written without a look at each. */
static ALWAYS_INLINE bool sql_text_fits(const struct sql_text *t, size_t length)
{
    return likely(t->used + length <= WIRE_TEXT_MAX && !sql_text_full(t));
}

/* A token of one byte. */
static ALWAYS_INLINE void sql_text_put(struct sql_text *t, char c)
{
    if (sql_text_fits(t, 2)) { /* a branch for the space would be taken as often as not */
        size_t gap = sql_text_gapes(t);
        char *out = t->out + t->used;
        *out = ' ';
        out[gap] = c;
        t->used = (uint16_t)(t->used + gap + 1);
        t->space = false;
    } else {
        sql_text_gap(t);
        sql_text_byte(t, c);
    }
    t->last = c;
}

/* A token that may not fit, or is long. */
void sql_text_copy_long(struct sql_text *t, const uint8_t *token, size_t length);

/* A token. `end`: source bytes before it may be read. */
static ALWAYS_INLINE void sql_text_copy(struct sql_text *t, const uint8_t *token, size_t length, const uint8_t *end)
{
    if (likely(length <= 16 && end - token >= 16) && sql_text_fits(t, length + 1)) {
        size_t gap = sql_text_gapes(t);
        char *out = t->out + t->used;
        *out = ' ';
        memcpy(out + gap, token, 16);
        t->used = (uint16_t)(t->used + gap + length);
        t->space = false;
        t->last = (char)token[length - 1];
    } else {
        sql_text_copy_long(t, token, length);
    }
}

/* A literal or a placeholder. Of several in a row, as strings that the server joins, one is written. */
void sql_text_literal(struct sql_text *t);

/* A list begins here, at the next token. */
void sql_list_open(struct sql_text *t, uint8_t depth, bool rows);

/* A comma between items of the innermost list. */
void sql_list_next(struct sql_text *t);

/* The innermost list is at its end. */
void sql_list_close(struct sql_text *t);

/* The statement was cut inside the innermost list: an item that is not whole goes. */
void sql_list_cut(struct sql_text *t);

static inline struct sql_list *sql_list_inner(struct sql_text *t)
{
    return t->list_count ? &t->lists[t->list_count - 1] : NULL;
}

#endif
