/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is common in RESP, read straight from a chunk that has all of it: a command of few, short arguments none of
 * which but the key is looked at, and a reply that is one line or one short string. What is not that common, whole or
 * well-formed is left to resp_request.c and resp_reply.c, which tell the same of it; so nothing is remembered here.
 */
#ifndef CPROBE_WIRE_RESP_QUICK_H
#define CPROBE_WIRE_RESP_QUICK_H

#include "base/compiler.h"
#include "wire/redis_command.h"

struct resp_quick_request {
    const struct redis_row *row;
    const uint8_t *key; /* NULL: none */
    uint32_t key_size;
    uint32_t count;
};

struct resp_quick_reply {
    bool nil;
    bool zero;
};

static inline bool quick_line_ends(const uint8_t *p)
{
    return p[0] == '\r' && p[1] == '\n';
}

/* The string whose length begins at `p`, at most three digits: where it begins, or NULL. Its end is there too. */
static ALWAYS_INLINE const uint8_t *quick_string(const uint8_t *p, const uint8_t *end, uint32_t *size)
{
    if (end - p < 5 || (uint8_t)(*p - '0') > 9)
        return NULL;
    uint32_t n = (uint32_t)*p++ - '0';
    for (int i = 0; i < 2 && (uint8_t)(*p - '0') <= 9; i++)
        n = n * 10 + *p++ - '0';
    if (!quick_line_ends(p) || end - p < (ptrdiff_t)n + 4 || !quick_line_ends(p + 2 + n))
        return NULL;
    *size = n;
    return p + 2;
}

/* Behind the command that begins at `p`; NULL: to be read the long way. */
static ALWAYS_INLINE const uint8_t *resp_quick_request(const struct redis_command *memo, const uint8_t *p,
                                                       const uint8_t *end, struct resp_quick_request *q)
{
    uint32_t size;
    if (end - p < 16 || p[0] != '*' || (uint8_t)(p[1] - '1') > 8 || !quick_line_ends(p + 2) || p[4] != '$')
        return NULL;
    q->count = (uint32_t)p[1] - '0';
    p = quick_string(p + 5, end, &size);
    if (!p || end - p < 8 || !(q->row = redis_row_known(memo, p, size)) ||
        !(q->row->shape == PLAIN || (q->row->shape == SET && q->count == 3)))
        return NULL;
    q->key = NULL;
    q->key_size = 0;
    p += size + 2;
    for (uint32_t i = 1; i < q->count; i++) {
        if (p == end || *p != '$' || !(p = quick_string(p + 1, end, &size)))
            return NULL;
        if (i == q->row->key) {
            q->key = p;
            q->key_size = size;
        }
        p += size + 2;
    }
    return p;
}

/* Behind the reply that begins at `p`; NULL: to be read the long way. */
static ALWAYS_INLINE const uint8_t *resp_quick_reply(const uint8_t *p, const uint8_t *end, struct resp_quick_reply *q)
{
    uint32_t size;
    q->nil = q->zero = false;
    if (end - p < 4)
        return NULL;
    if (*p == '+')
        return end - p >= 5 && p[1] == 'O' && p[2] == 'K' && quick_line_ends(p + 3) ? p + 5 : NULL;
    if (*p == ':') {
        const uint8_t *digit = p + 1;
        while (digit < end && (uint8_t)(*digit - '0') <= 9)
            digit++;
        q->zero = digit == p + 2 && p[1] == '0';
        return digit > p + 1 && end - digit >= 2 && quick_line_ends(digit) ? digit + 2 : NULL;
    }
    if (*p != '$')
        return NULL;
    if (p[1] == '-') {
        q->nil = end - p >= 5 && p[2] == '1' && quick_line_ends(p + 3);
        return q->nil ? p + 5 : NULL;
    }
    p = quick_string(p + 1, end, &size);
    return p ? p + size + 2 : NULL;
}

#endif
