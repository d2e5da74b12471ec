/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Paths and methods to which later requests may refer by a number (HPACK's dynamic table): the few latest ones, each
 * known by a code of one byte. A value that had to go makes its code one of those that say that it is not known.
 */
#ifndef CPROBE_WIRE_HTTP2_VALUES_H
#define CPROBE_WIRE_HTTP2_VALUES_H

#include "wire/hpack.h"

#define HTTP2_VALUES 15
#define HTTP2_VALUE_BYTES 384
#define HTTP2_VALUE_MAX 254

enum http2_value_code {
    HTTP2_VALUE_OTHER = 0,   /* 1 to HTTP2_VALUES: a value that is kept */
    HTTP2_VALUE_KNOWN = 200, /* and above: a method that everybody knows */
    HTTP2_VALUE_AUTHORITY = 253,
    HTTP2_VALUE_PATH = 254, /* a path that is not kept */
    HTTP2_VALUE_METHOD = 255,
};

/* All zero: nothing is kept. */
struct http2_values {
    struct {
        uint16_t at;
        uint8_t length;
        uint8_t name; /* enum hpack_name */
    } value[HTTP2_VALUES];
    uint8_t next_value;
    uint8_t reserved;
    uint16_t next_at;
    uint8_t bytes[HTTP2_VALUE_BYTES];
};

/* Keeps a value; returns its code. Codes of values that it replaces are changed in `table`. */
uint8_t http2_value_keep(struct http2_values *v, enum hpack_name name, const uint8_t *value, size_t length,
                         struct hpack *table);

/* The bytes of a value that is kept; NULL: it is not. Valid until the next is kept. */
const uint8_t *http2_value_find(const struct http2_values *v, uint8_t code, enum hpack_name *name, size_t *length);

#endif
