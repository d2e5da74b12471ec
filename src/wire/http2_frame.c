/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/http2_frame.h"

#include <string.h>

/* In the middle of a conversation nothing is believed that only few connections say. */
#define GUESS_LENGTH (1u << 14) /* SETTINGS_MAX_FRAME_SIZE unless agreed otherwise */
#define GUESS_STREAM (1u << 24)

/* What section 6 says of each type: stream, payload length, flags. */
enum stream_rule { STREAM_NONE, STREAM_SOME, STREAM_ANY };
static const struct {
    uint8_t stream; /* enum stream_rule */
    uint8_t flags;
    uint8_t least;    /* of the payload */
    uint8_t most;     /* 0: any */
    uint8_t multiple; /* its length is a multiple of this; 0: of nothing */
} rules[HTTP2_TYPES] = {
    [HTTP2_DATA] = {STREAM_SOME, HTTP2_END_STREAM | HTTP2_PADDED, 0, 0, 0},
    [HTTP2_HEADERS] = {STREAM_SOME, HTTP2_END_STREAM | HTTP2_END_HEADERS | HTTP2_PADDED | HTTP2_PRIORITIZED, 1, 0, 0},
    [HTTP2_PRIORITY] = {STREAM_SOME, 0, 5, 5, 0},
    [HTTP2_RST_STREAM] = {STREAM_SOME, 0, 4, 4, 0},
    [HTTP2_SETTINGS] = {STREAM_NONE, HTTP2_END_STREAM, 0, 0, 6},
    [HTTP2_PUSH_PROMISE] = {STREAM_SOME, HTTP2_END_HEADERS | HTTP2_PADDED, 4, 0, 0},
    [HTTP2_PING] = {STREAM_NONE, HTTP2_END_STREAM, 8, 8, 0},
    [HTTP2_GOAWAY] = {STREAM_NONE, 0, 8, 0, 0},
    [HTTP2_WINDOW_UPDATE] = {STREAM_ANY, 0, 4, 4, 0},
    [HTTP2_CONTINUATION] = {STREAM_SOME, HTTP2_END_HEADERS, 0, 0, 0},
};

bool http2_frame_is_sound(const uint8_t *header)
{
    uint32_t length = http2_length(header), stream = http2_stream(header);
    uint8_t type = header[3];
    if (type >= HTTP2_TYPES)
        return true;
    if (rules[type].stream != STREAM_ANY && (stream != 0) != (rules[type].stream == STREAM_SOME))
        return false;
    if (length < rules[type].least || (rules[type].most && length > rules[type].most))
        return false;
    return rules[type].multiple == 0 || length % rules[type].multiple == 0;
}

/* Strictly: no extension, flag or size that is possible but unlikely. `n`: bytes of the header that are there. */
static bool frame_is_likely(const uint8_t *header, size_t n)
{
    uint8_t whole[HTTP2_HEADER] = {0};
    memcpy(whole, header, n < HTTP2_HEADER ? n : HTTP2_HEADER);
    if ((n > 3 && whole[3] >= HTTP2_TYPES) || whole[0] != 0 || whole[1] > GUESS_LENGTH >> 8)
        return false;
    if (n > 4 && whole[4] & ~rules[whole[3]].flags)
        return false;
    if (n < HTTP2_HEADER)
        return true;
    if (http2_length(whole) == 0 && whole[3] != HTTP2_SETTINGS && !(whole[3] == HTTP2_DATA && whole[4] == 1))
        return false;
    if (whole[3] == HTTP2_SETTINGS && whole[4] == HTTP2_END_STREAM && http2_length(whole) > 0)
        return false;
    return !(whole[5] & 0x80) && http2_stream(whole) < GUESS_STREAM && http2_length(whole) <= GUESS_LENGTH &&
           http2_frame_is_sound(whole);
}

enum wire_guess http2_guess(const uint8_t *bytes, size_t length, enum wire_side from)
{
    size_t at = 0;
    if (from == WIRE_CLIENT && FIELD_BEGINS(bytes, length, HTTP2_PREFACE))
        return length >= HTTP2_PREFACE_LENGTH ? WIRE_GUESS_YES : WIRE_GUESS_MORE;
    while (at < length) {
        if (!frame_is_likely(bytes + at, length - at))
            return WIRE_GUESS_NO;
        if (length - at < HTTP2_HEADER || length - at - HTTP2_HEADER < http2_length(bytes + at))
            return at > 0 ? WIRE_GUESS_YES : WIRE_GUESS_MORE;
        at += HTTP2_HEADER + http2_length(bytes + at);
    }
    return WIRE_GUESS_YES;
}
