/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Digests of arbitrary text, in both dialects: within their bounds, and the same for a copy with nothing behind it.
 * What stands in quotes that both sides agree on never comes out: the input is also put into a string of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/sql.h"

#define MARK "\1planted\2"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool holds)
{
    if (!holds)
        abort();
}

static void digest(const uint8_t *text, size_t length, bool whole, enum sql_dialect dialect, enum sql_escapes escapes)
{
    struct sql_digest d;
    uint8_t *copy = malloc(length ? length : 1);
    memcpy(copy, text, length);
    sql_digest(&d, copy, length, whole, dialect, escapes);
    need(d.length <= WIRE_TEXT_MAX && d.table_at + d.table_length <= d.length);
    need(!d.lock || (d.lock >= copy && d.lock + d.lock_length <= copy + length));
    need(!memmem(d.text, d.length, MARK, sizeof(MARK) - 1));
    free(copy);
}

/* A string literal that holds MARK, then the input, as a statement's beginning. */
static void literal_first(const uint8_t *data, size_t size)
{
    static const char begin[] = "SELECT '" MARK "', ";
    uint8_t text[WIRE_HEAD];
    size_t n = sizeof(begin) - 1, more = size < sizeof(text) - n ? size : sizeof(text) - n;
    memcpy(text, begin, n);
    memcpy(text + n, data, more);
    for (int dialect = SQL_MYSQL; dialect <= SQL_PGSQL; dialect++)
        for (int escapes = SQL_ESCAPES_UNKNOWN; escapes <= SQL_ESCAPES_NO; escapes++)
            digest(text, n + more, true, (enum sql_dialect)dialect, (enum sql_escapes)escapes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || memmem(data, size, MARK, sizeof(MARK) - 1))
        return 0;
    digest(data + 1, size - 1, data[0] & 1, data[0] & 2 ? SQL_MYSQL : SQL_PGSQL, (enum sql_escapes)(data[0] / 4 % 3));
    literal_first(data + 1, size - 1);
    return 0;
}
