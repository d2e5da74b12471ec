/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/statements.h"

#include <string.h>

#define TEXT_KEPT 192 /* bytes of a statement's text, so that one long one does not push out all others */

#define CLOCK_MASK 0x3fff

static int statement_find(const struct statements *s, uint32_t id)
{
    for (int i = 0; i < s->count; i++)
        if (s->list[i].id == id)
            return i;
    return -1;
}

static uint16_t text_offset(const struct statements *s, int index)
{
    uint16_t at = 0;
    for (int i = 0; i < index; i++)
        at = (uint16_t)(at + s->list[i].length);
    return at;
}

static void text_forget(struct statements *s, int index)
{
    uint16_t at = text_offset(s, index), length = s->list[index].length;
    memmove(s->text + at, s->text + at + length, (size_t)(s->text_used - at - length));
    s->text_used = (uint16_t)(s->text_used - length);
    s->list[index].length = s->list[index].table_length = 0;
}

static void statement_forget(struct statements *s, int index)
{
    text_forget(s, index);
    s->count--;
    memmove(&s->list[index], &s->list[index + 1], (size_t)(s->count - index) * sizeof(s->list[0]));
}

/* The one not executed for longest; -1: none. `with_text`: of those that have one. */
static int statement_oldest(const struct statements *s, bool with_text)
{
    int oldest = -1;
    unsigned oldest_age = 0;
    for (int i = 0; i < s->count; i++) {
        unsigned age = (s->clock - s->list[i].used) & CLOCK_MASK;
        if ((s->list[i].length > 0 || !with_text) && (oldest < 0 || age > oldest_age)) {
            oldest = i;
            oldest_age = age;
        }
    }
    return oldest;
}

void statements_put(struct statements *s, uint32_t id, const struct sql_digest *d)
{
    uint8_t length = (uint8_t)(d->length < TEXT_KEPT ? d->length : TEXT_KEPT);
    statements_remove(s, id);
    if (s->count == STATEMENTS_MAX)
        statement_forget(s, statement_oldest(s, false));
    while (s->text_used + length > STATEMENTS_TEXT)
        text_forget(s, statement_oldest(s, true));
    bool table = d->table_length > 0 && d->table_at + d->table_length <= length;
    s->list[s->count++] = (struct statement){
        .id = id,
        .flags = (uint16_t)(d->flags | (d->length > length ? WIRE_TRUNCATED : 0)),
        .used = ++s->clock & CLOCK_MASK,
        .transaction = d->transaction & 3,
        .length = length,
        .verb = d->verb,
        .table_at = table ? (uint8_t)d->table_at : 0,
        .table_length = table ? (uint8_t)d->table_length : 0,
    };
    memcpy(s->text + s->text_used, d->text, length);
    s->text_used = (uint16_t)(s->text_used + length);
}

void statements_rename(struct statements *s, uint32_t id, uint32_t new_id)
{
    if (id == new_id || statement_find(s, id) < 0)
        return;
    statements_remove(s, new_id);
    s->list[statement_find(s, id)].id = new_id;
}

void statements_remove(struct statements *s, uint32_t id)
{
    int index = statement_find(s, id);
    if (index >= 0)
        statement_forget(s, index);
}

bool statements_describe(struct statements *s, uint32_t id, struct wire_message *m, enum sql_transaction *transaction)
{
    int index = statement_find(s, id);
    if (index < 0)
        return false;
    struct statement *st = &s->list[index];
    st->used = ++s->clock & CLOCK_MASK;
    *transaction = (enum sql_transaction)st->transaction;
    m->verb = sql_verb_name(st->verb, &m->verb_length);
    m->text = s->text + text_offset(s, index);
    m->text_length = st->length;
    m->flags |= st->flags;
    m->key = m->text + st->table_at;
    m->key_length = st->table_length < WIRE_KEY_MAX ? st->table_length : WIRE_KEY_MAX;
    return true;
}

uint32_t statements_last(const struct statements *s)
{
    return s->count ? s->list[s->count - 1].id : 0;
}
