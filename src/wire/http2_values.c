/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/http2_values.h"

#include <string.h>

#include "base/compiler.h"

/* Methods that need no place among the values. */
static const char *const methods[] = {"GET",     "POST",  "PUT",   "DELETE",   "PATCH", "HEAD",
                                      "OPTIONS", "TRACE", "QUERY", "PROPFIND", "PURGE", "REPORT"};

static uint8_t method_find(const uint8_t *value, size_t length)
{
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        if (strlen(methods[i]) == length && memcmp(methods[i], value, length) == 0)
            return (uint8_t)(HTTP2_VALUE_KNOWN + i);
    return HTTP2_VALUE_OTHER;
}

static void value_drop(struct http2_values *v, size_t i, struct hpack *table)
{
    uint8_t unknown = v->value[i].name == HPACK_METHOD ? HTTP2_VALUE_METHOD : HTTP2_VALUE_PATH;
    if (v->value[i].length == 0)
        return;
    for (size_t k = 0; k < HPACK_ENTRIES; k++)
        if (table->entry[k] == i + 1)
            table->entry[k] = unknown;
    v->value[i].length = 0;
}

/* Room for `length` bytes, for which the oldest values go. */
static size_t bytes_take(struct http2_values *v, size_t length, struct hpack *table)
{
    size_t at = v->next_at + length <= HTTP2_VALUE_BYTES ? v->next_at : 0;
    for (size_t i = 0; i < HTTP2_VALUES; i++)
        if (v->value[i].at < at + length && at < (size_t)v->value[i].at + v->value[i].length)
            value_drop(v, i, table);
    v->next_at = (uint16_t)(at + length);
    return at;
}

uint8_t http2_value_keep(struct http2_values *v, enum hpack_name name, const uint8_t *value, size_t length,
                         struct hpack *table)
{
    if (length == 0 || length > HTTP2_VALUE_MAX)
        return name == HPACK_METHOD ? HTTP2_VALUE_METHOD : HTTP2_VALUE_PATH;
    uint8_t method = name == HPACK_METHOD ? method_find(value, length) : HTTP2_VALUE_OTHER;
    if (method != HTTP2_VALUE_OTHER)
        return method;
    for (size_t i = 0; i < HTTP2_VALUES; i++)
        if (v->value[i].length == length && v->value[i].name == name &&
            memcmp(v->bytes + v->value[i].at, value, length) == 0)
            return (uint8_t)(i + 1);
    size_t i = v->next_value;
    value_drop(v, i, table);
    size_t at = bytes_take(v, length, table);
    memcpy(v->bytes + at, value, length);
    v->value[i].at = (uint16_t)at;
    v->value[i].length = (uint8_t)length;
    v->value[i].name = (uint8_t)name;
    v->next_value = (uint8_t)((i + 1) % HTTP2_VALUES);
    return (uint8_t)(i + 1);
}

const uint8_t *http2_value_find(const struct http2_values *v, uint8_t code, enum hpack_name *name, size_t *length)
{
    if (code >= HTTP2_VALUE_KNOWN && code < HTTP2_VALUE_KNOWN + ARRAY_SIZE(methods)) {
        *name = HPACK_METHOD;
        *length = strlen(methods[code - HTTP2_VALUE_KNOWN]);
        return (const uint8_t *)methods[code - HTTP2_VALUE_KNOWN];
    }
    if (code == HTTP2_VALUE_OTHER || code > HTTP2_VALUES || v->value[code - 1].length == 0)
        return NULL;
    *name = (enum hpack_name)v->value[code - 1].name;
    *length = v->value[code - 1].length;
    return v->bytes + v->value[code - 1].at;
}
