/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames of HTTP/2 (RFC 9113, sections 4 and 6; first RFC 7540), and how the protocol is recognised by them. */
#ifndef CPROBE_WIRE_HTTP2_FRAME_H
#define CPROBE_WIRE_HTTP2_FRAME_H

#include "wire/fields.h"
#include "wire/parser.h"

#define HTTP2_HEADER 9
#define HTTP2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define HTTP2_PREFACE_LENGTH (sizeof(HTTP2_PREFACE) - 1)

enum http2_type {
    HTTP2_DATA = 0,
    HTTP2_HEADERS = 1,
    HTTP2_PRIORITY = 2,
    HTTP2_RST_STREAM = 3,
    HTTP2_SETTINGS = 4,
    HTTP2_PUSH_PROMISE = 5,
    HTTP2_PING = 6,
    HTTP2_GOAWAY = 7,
    HTTP2_WINDOW_UPDATE = 8,
    HTTP2_CONTINUATION = 9,
    HTTP2_TYPES = 10,
};

enum http2_flag {
    HTTP2_END_STREAM = 0x01, /* also ACK */
    HTTP2_END_HEADERS = 0x04,
    HTTP2_PADDED = 0x08,
    HTTP2_PRIORITIZED = 0x20,
};

static inline uint32_t http2_length(const uint8_t *header)
{
    return field_be24(header);
}

static inline uint32_t http2_stream(const uint8_t *header)
{
    return field_be32(header + 5) & 0x7fffffff;
}

/* Whether a frame may begin with these HTTP2_HEADER bytes. Types that extensions define are sound. */
bool http2_frame_is_sound(const uint8_t *header);

enum wire_guess http2_guess(const uint8_t *bytes, size_t length, enum wire_side from);

#endif
