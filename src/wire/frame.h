/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages that say at their beginning how long they are (MySQL, PostgreSQL, MongoDB, AMQP, HTTP/2, TLS, memcached's
 * binary protocol), taken from chunks of any size. One that is whole in the caller's chunk is looked at there; of
 * others the first WIRE_HEAD bytes are gathered, and the rest is counted.
 *
 *     struct frame_input in = {bytes, length};
 *     while ((got = frame_take(&state->head[from], &in, HEADER, header_length, &frame)) == FRAME_WHOLE)
 *         ...
 */
#ifndef CPROBE_WIRE_FRAME_H
#define CPROBE_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
#include "wire/wire.h"

/* What is left of the caller's chunk. */
struct frame_input {
    const uint8_t *at;
    size_t left;
};

/* One side's unfinished message. All zero: none. */
struct frame_head {
    uint64_t missing; /* of the message, once its length is known (`used` is at least the header's size) */
    uint32_t used;    /* bytes of it that are in `bytes` */
    uint32_t reserved;
    uint64_t length; /* of the whole message */
    uint8_t bytes[WIRE_HEAD];
};

/* A complete message. `held` of its bytes can be looked at: all, or the first WIRE_HEAD. Valid until the next call. */
struct frame {
    const uint8_t *bytes;
    size_t held;
    uint64_t length;
};

enum frame_result {
    FRAME_MORE,  /* all input is consumed, and the message not complete */
    FRAME_WHOLE, /* `frame` is filled; call again for the next one */
    FRAME_WRONG, /* no message begins like this; nothing of it was consumed, or only its first bytes in earlier chunks
                  */
};

/*
 * How long the message that begins with `header` is, header included; less than the header's size: no message begins
 * so. `context` as given to frame_take.
 */
typedef uint64_t frame_length(const uint8_t *header, void *context);

/* Whether a message of this side has begun and not ended. */
static inline bool frame_begun(const struct frame_head *h)
{
    return h->used > 0;
}

static inline void frame_drop(struct frame_head *h)
{
    h->used = 0;
    h->missing = 0;
}

/* Bytes that nobody saw. True: they were inside a message, whose rest goes on; false: it is lost, and dropped. */
static inline bool frame_skip(struct frame_head *h, size_t header, uint64_t length)
{
    if (h->used >= header && h->used >= (h->length < WIRE_HEAD ? h->length : WIRE_HEAD) && length > 0 &&
        length <= h->missing) {
        h->missing -= length;
        return true;
    }
    frame_drop(h);
    return false;
}

static inline void frame_gather(struct frame_head *h, struct frame_input *in, size_t up_to)
{
    size_t n = up_to - h->used < in->left ? up_to - h->used : in->left;
    memcpy(h->bytes + h->used, in->at, n);
    h->used += (uint32_t)n;
    in->at += n;
    in->left -= n;
}

static inline enum frame_result frame_done(struct frame_head *h, struct frame *frame)
{
    *frame = (struct frame){h->bytes, h->used, h->length};
    frame_drop(h);
    return FRAME_WHOLE;
}

static inline enum frame_result frame_take_rest(struct frame_head *h, struct frame_input *in, struct frame *frame)
{
    size_t want = h->length < WIRE_HEAD ? (size_t)h->length : WIRE_HEAD;
    uint32_t before = h->used;
    frame_gather(h, in, want);
    h->missing -= h->used - before;
    uint64_t behind = h->missing < in->left ? h->missing : in->left;
    if (h->used == want) {
        in->at += behind;
        in->left -= behind;
        h->missing -= behind;
    }
    return h->missing == 0 ? frame_done(h, frame) : FRAME_MORE;
}

/* The next complete message. `header`: bytes from which its length follows, at most WIRE_HEAD. */
static ALWAYS_INLINE enum frame_result frame_take(struct frame_head *h, struct frame_input *in, size_t header,
                                                  frame_length *length_of, void *context, struct frame *frame)
{
    if (h->used == 0 && in->left >= header) {
        uint64_t length = length_of(in->at, context);
        if (length < header)
            return FRAME_WRONG;
        if (length <= in->left) {
            *frame = (struct frame){in->at, length < WIRE_HEAD ? (size_t)length : WIRE_HEAD, length};
            in->at += length;
            in->left -= length;
            return FRAME_WHOLE;
        }
    }
    if (in->left == 0)
        return FRAME_MORE;
    if (h->used < header) {
        frame_gather(h, in, header);
        if (h->used < header)
            return FRAME_MORE;
        h->length = length_of(h->bytes, context);
        if (h->length < header)
            return FRAME_WRONG;
        h->missing = h->length - header;
    }
    return frame_take_rest(h, in, frame);
}

#endif
