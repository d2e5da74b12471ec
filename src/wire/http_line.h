/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lines that HTTP/1.x messages consist of (RFC 9110, RFC 9112), without their line ends. `cut`: `n` is less than
 * the line's length. Pure functions.
 */
#ifndef CPROBE_WIRE_HTTP_LINE_H
#define CPROBE_WIRE_HTTP_LINE_H

#include "wire/parser.h"

/* A request line's parts: the method is its first `method` bytes. */
struct http_request_line {
    size_t method;
    size_t target;        /* where the target begins */
    size_t target_length; /* of a cut line, what there is of it */
};

/* False: it is none. */
bool http_request_line_split(const uint8_t *line, size_t n, bool cut, struct http_request_line *parts);

/* The status that a status line says; 0: it is none. */
uint16_t http_status_of(const uint8_t *line, size_t n);

/* The size that a chunk's first line says ("1a3f;name=value"); false: it is none, or absurd. */
bool http_chunk_size_of(const uint8_t *line, size_t n, uint64_t *size);

/* Whether a body may be this long. */
#define HTTP_BODY_MAX (UINT64_C(1) << 56)

/* Whether a field line is one of the field `upper`, a literal that ends in its colon. */
#define HTTP_FIELD_IS(line, n, upper) ((n) >= sizeof(upper) - 1 && field_same((line), (upper), sizeof(upper) - 1))

/* The value of a field line whose name and colon are `name` bytes, without blanks around it; `*n` becomes its length.
 */
const uint8_t *http_value_of(const uint8_t *line, size_t *n, size_t name);

/* Whether the last of a comma-separated list is `upper`, which is `length` long. */
bool http_list_ends(const uint8_t *value, size_t n, const char *upper, size_t length);

enum wire_guess http_guess(const uint8_t *bytes, size_t length, enum wire_side from);

#endif
