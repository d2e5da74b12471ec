/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statuses of HTTP/2 responses in one byte, so that a table of header fields can hold them. */
#ifndef CPROBE_WIRE_HTTP2_STATUS_H
#define CPROBE_WIRE_HTTP2_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http2_status {
    HTTP2_NONE = 0,   /* no status was said */
    HTTP2_STATUS = 1, /* 200; up to 549 */
    HTTP2_GRPC = 201, /* grpc-status 0, OK; up to 16 */
    HTTP2_GRPC_LAST = 217,
    HTTP2_INTERIM = 250,        /* 1xx */
    HTTP2_GRPC_UNKNOWN = 254,   /* a grpc-status of which the value is not known */
    HTTP2_STATUS_UNKNOWN = 255, /* likewise a status */
};

uint8_t http2_status_encode(const uint8_t *value, size_t length);
uint8_t http2_grpc_encode(const uint8_t *value, size_t length);

static inline bool http2_is_grpc(uint8_t code)
{
    return (code >= HTTP2_GRPC && code <= HTTP2_GRPC_LAST) || code == HTTP2_GRPC_UNKNOWN;
}

/* Whether it is an error: 400 and above; a grpc-status other than 0. */
bool http2_status_failed(uint8_t code);

/* "404", "NOT_FOUND" (gRPC); returns the length, 0 where the value is not known. */
#define HTTP2_STATUS_TEXT 24
size_t http2_status_text(uint8_t code, char *text);

/* "CANCEL": why a stream was reset (RFC 9113, section 7). Static; "" for codes that have no name. */
const char *http2_reset_name(uint32_t code);

#endif
