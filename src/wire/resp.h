/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RESP, the serialization of Redis: requests and replies, taken from chunks of any size. Both parsers stop after each
 * complete message, and leave its description in their struct until they are called again.
 *
 * Source: https://redis.io/docs/latest/develop/reference/protocol-spec/ (RESP2, RESP3), and for streamed types
 * https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md
 */
#ifndef CPROBE_WIRE_RESP_H
#define CPROBE_WIRE_RESP_H

#include "wire/redis_command.h"

#define RESP_LINE 64
#define RESP_DEPTH 32
#define RESP_STATUS 24

enum resp_result {
    RESP_MORE, /* all bytes are consumed, and the message not complete */
    RESP_DONE, /* it is; call again for the next one */
    RESP_WRONG /* no message looks like this; the bytes behind the last good one are not consumed */
};

struct resp_request {
    uint8_t phase;
    uint8_t line_used;
    uint8_t kept_used;
    uint8_t interest; /* enum redis_interest of the argument under way */
    uint8_t quote;    /* inline commands: the open quote, or 0 */
    uint32_t left;    /* arguments still to come */
    uint32_t count;   /* arguments complete */
    struct redis_command command;
    uint64_t size;    /* of the argument under way */
    uint64_t missing; /* bytes of it still to come */
    uint64_t hash;    /* of what has come */
    uint64_t bytes;   /* of the message */
    uint8_t line[RESP_LINE];
    uint8_t kept[REDIS_KEPT];
};

/* The first element of an array that may be a pub/sub message. */
enum resp_word { RESP_WORD_NONE, RESP_WORD_MESSAGE, RESP_WORD_CONFIRMATION, RESP_WORD_INVALIDATE, RESP_WORD_OTHER };

/* What its caller wants to know of the next reply. */
enum resp_want { RESP_WANT_CURSOR = 1, RESP_WANT_WORD = 2 };

struct resp_reply {
    uint8_t phase;
    uint8_t line_used;
    uint8_t wants; /* enum resp_want; to be set before a reply begins */
    bool begun;
    uint8_t type;    /* of the whole reply, RESP's first byte */
    uint8_t element; /* of the element under way */
    bool capture;    /* its first bytes are kept in `line` */
    bool failed;
    bool nil;
    bool zero;
    uint8_t word; /* enum resp_word */
    uint8_t depth;
    uint8_t status_length;
    uint8_t key_length;
    uint32_t attributes; /* bit n: left[n] counts what is said about the next element, not an element */
    uint32_t index;      /* of the element of the outermost aggregate */
    uint32_t left[RESP_DEPTH];
    uint64_t missing; /* bytes of the bulk string under way */
    uint64_t size;    /* of what of it was captured, with the hash of that */
    uint64_t hash;
    uint64_t bytes;
    uint64_t elements;
    uint64_t cursor;
    uint64_t remaining; /* subscriptions, of a RESP_WORD_CONFIRMATION */
    uint64_t key_size;
    uint64_t key_hash;
    uint8_t line[RESP_LINE];
    uint8_t key[WIRE_KEY_MAX]; /* channel or pattern, of a RESP_WORD_MESSAGE */
    char status[RESP_STATUS];
};

/* `at` is moved behind what was consumed. */
enum resp_result resp_request_next(struct resp_request *r, const uint8_t **at, const uint8_t *end);
enum resp_result resp_reply_next(struct resp_reply *r, const uint8_t **at, const uint8_t *end);

/* Whether the next byte begins a command, or is of an empty line before one. */
static inline bool resp_request_between(const struct resp_request *r)
{
    return r->phase == 0;
}

/* Forgets the message under way. */
void resp_request_drop(struct resp_request *r);
void resp_reply_drop(struct resp_reply *r);

/* Bytes that nobody saw. True: they were inside a value that is of no interest, and the message goes on. */
bool resp_request_gap(struct resp_request *r, uint64_t length);
bool resp_reply_gap(struct resp_reply *r, uint64_t length);

/* Whether a reply's element begins with this byte. */
bool resp_is_type(uint8_t byte);

#define RESP_STREAMED (-2) /* "?": the end is marked */

/*
 * The number between a type byte and "\r\n", or RESP_STREAMED: 1 and `next` behind it, 0: `end` comes first, -1: no
 * such. Tells a wrong byte as soon as it is there, so that a number in parts is judged as a whole one is.
 */
static inline int resp_number(const uint8_t *p, const uint8_t *end, int64_t *value, const uint8_t **next)
{
    const uint8_t *q = p;
    uint64_t v = 0;
    bool minus = false, streamed = false;
    if (q < end && *q == '-') {
        minus = true;
        q++;
    } else if (q < end && *q == '?') {
        streamed = true;
        q++;
    }
    for (; q < end && !streamed && (uint8_t)(*q - '0') <= 9; q++) {
        if (q - p >= 18)
            return -1;
        v = v * 10 + (uint8_t)(*q - '0');
    }
    if (q == end)
        return 0;
    if (*q != '\r' || q == p + minus)
        return -1;
    if (q + 1 == end)
        return 0;
    if (q[1] != '\n')
        return -1;
    *value = streamed ? RESP_STREAMED : minus ? -(int64_t)v : (int64_t)v;
    *next = q + 2;
    return 1;
}

/* Likewise where the beginning may have come in earlier chunks: `line` gathers it. RESP_WRONG consumes no wrong byte.
 */
static inline enum resp_result resp_number_take(uint8_t line[RESP_LINE], uint8_t *used, const uint8_t **at,
                                                const uint8_t *end, int64_t *value)
{
    const uint8_t *next;
    int found = 0;
    if (*used == 0) {
        found = resp_number(*at, end, value, &next);
        if (found != 0) {
            *at = found > 0 ? next : *at;
            return found > 0 ? RESP_DONE : RESP_WRONG;
        }
    }
    while (*at < end && found == 0) {
        line[*used] = **at;
        found = resp_number(line, line + *used + 1, value, &next);
        if (found < 0)
            return RESP_WRONG;
        (*used)++;
        (*at)++;
    }
    if (found == 0)
        return RESP_MORE;
    *used = 0;
    return RESP_DONE;
}

#endif
