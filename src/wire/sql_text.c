/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/sql_text.h"

const uint8_t sql_text_glues[256] = {[0] = 1, ['('] = 1, ['['] = 1, [' '] = 1};

void sql_text_copy_long(struct sql_text *t, const uint8_t *token, size_t length)
{
    sql_text_gap(t);
    t->last = (char)token[length - 1];
    if (sql_text_full(t))
        return;
    if (length > (size_t)WIRE_TEXT_MAX - t->used) {
        length = (size_t)WIRE_TEXT_MAX - t->used;
        t->cut = true;
    }
    memcpy(t->out + t->used, token, length);
    t->used = (uint16_t)(t->used + length);
}

/* Whether the sign that was just written belongs to the number that follows: it stands where a value begins. */
static bool sign_is_unary(const struct sql_text *t)
{
    static const char begins[] = {'=', '(', ',', '<', '>'};
    uint16_t before = (uint16_t)(t->used - 1);
    while (before > 0 && t->out[before - 1] == ' ')
        before--;
    return before > 0 && memchr(begins, t->out[before - 1], sizeof(begins)) != NULL;
}

void sql_text_literal(struct sql_text *t)
{
    if (t->last == '?' && t->space) {
        t->space = false;
        return;
    }
    if ((t->last == '-' || t->last == '+') && !t->space && !sql_text_full(t) && t->used > 1 && sign_is_unary(t))
        t->used--;
    sql_text_put(t, '?');
}

void sql_list_open(struct sql_text *t, uint8_t depth, bool rows)
{
    if (t->list_count == SQL_LISTS_MAX || sql_text_full(t))
        return;
    if (rows)
        sql_text_gap(t);
    t->lists[t->list_count++] = (struct sql_list){depth, rows, false, 0, 0, t->used};
}

/* An item has been written. If it is as the one before it, text ends behind that one. */
static void list_item(struct sql_text *t, struct sql_list *list)
{
    uint16_t length = (uint16_t)(t->used - list->item);
    if (sql_text_full(t))
        return;
    if (list->one && length == list->end - list->first &&
        memcmp(t->out + list->item, t->out + list->first, length) == 0) {
        t->used = list->end;
        return;
    }
    list->one = true;
    list->first = list->item;
    list->end = t->used;
}

void sql_list_next(struct sql_text *t)
{
    struct sql_list *list = sql_list_inner(t);
    list_item(t, list);
    t->space = false;
    sql_text_put(t, ',');
    sql_text_put(t, ' ');
    list->item = t->used;
}

void sql_list_close(struct sql_text *t)
{
    list_item(t, sql_list_inner(t));
    t->list_count--;
}

void sql_list_cut(struct sql_text *t)
{
    struct sql_list *list = sql_list_inner(t);
    if (list->one && !t->muted)
        t->used = list->end;
    t->list_count--;
}
