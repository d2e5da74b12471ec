/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP/2 (RFC 9113) and what runs on it: gRPC's methods are paths, its statuses trailers.
 *
 * A request is reported when its header block is complete; `bytes` is the block with its frames' headers. A response is
 * reported at its stream's end, `bytes` being all frames of it. A stream that either side resets is a response that
 * failed; `status` says how. Method, path or status that stand in a part of the compression table that is not known
 * leave WIRE_COMPRESSED: "REQUEST" stands for the verb, and nothing is claimed of the rest. Failures as in http.c.
 */
#include <string.h>

#include "wire/http2_fields.h"
#include "wire/http2_frame.h"
#include "wire/http2_status.h"

enum http2_phase { PHASE_PAD_LENGTH, PHASE_SKIP, PHASE_BLOCK, PHASE_PADDING };

struct http2_side {
    struct hpack hpack;
    uint32_t left;        /* of the frame's payload */
    uint32_t block;       /* stream of the header block that has begun; 0: none */
    uint32_t block_bytes; /* of it, with the headers of its frames */
    uint32_t reset;       /* the end of a RST_STREAM frame's payload */
    uint8_t header[HTTP2_HEADER];
    uint8_t header_used;
    uint8_t preface;    /* bytes of the client's preface that are still expected */
    uint8_t phase;      /* enum http2_phase, in frames with a part of a header block */
    uint8_t skip;       /* bytes before it */
    uint8_t padding;    /* and behind it */
    uint8_t block_type; /* of the frame that it began with */
    bool block_ends;    /* the stream ends with it */
    bool lost;          /* bytes are missing before this */
};

enum http2_stream_flags { STREAM_FIRST_DUE = 0x01, STREAM_FIRST_SAID = 0x02 };

struct http2_exchange {
    uint32_t stream;
    uint32_t bytes;    /* of the response */
    uint16_t sequence; /* its last 16 bits */
    uint8_t status;    /* enum http2_status */
    uint8_t flags;     /* enum http2_stream_flags */
};

struct http2 {
    struct http2_side side[2];
    struct http2_request request;   /* whose block has begun */
    struct http2_response response; /* likewise */
    uint32_t next;                  /* sequence */
    uint32_t last;                  /* greatest stream of a request */
    uint8_t exchanges;
    uint8_t due;                                  /* exchanges with STREAM_FIRST_DUE */
    struct http2_exchange exchange[WIRE_PENDING]; /* in order of their requests */
};
_Static_assert(sizeof(struct http2) <= WIRE_STATE_SIZE, "HTTP/2's state fits");

static void message_say(const struct wire_sink *sink, struct wire_message *m, enum wire_side from)
{
    m->protocol = WIRE_HTTP2;
    m->from = from;
    m->ttl_ms = -1;
    sink->message(sink->context, m);
}

static uint32_t lost_flag(struct http2 *h, enum wire_side from)
{
    bool lost = h->side[from].lost;
    h->side[from].lost = false;
    return lost ? WIRE_LOST : 0;
}

/* ---- exchanges in flight ---- */

static struct http2_exchange *exchange_find(struct http2 *h, uint32_t stream)
{
    for (size_t i = h->exchanges; i-- > 0;)
        if (h->exchange[i].stream == stream)
            return &h->exchange[i];
    return NULL;
}

static void exchange_remove(struct http2 *h, struct http2_exchange *e)
{
    size_t i = (size_t)(e - h->exchange);
    h->due = (uint8_t)(h->due - (e->flags & STREAM_FIRST_DUE ? 1 : 0));
    h->exchanges--;
    memmove(e, e + 1, (h->exchanges - i) * sizeof(*e));
}

static void exchange_add(struct http2 *h, uint32_t stream)
{
    if (h->exchanges == WIRE_PENDING)
        exchange_remove(h, &h->exchange[0]);
    h->exchange[h->exchanges++] = (struct http2_exchange){.stream = stream, .sequence = (uint16_t)h->next};
}

static uint32_t exchange_sequence(const struct http2 *h, const struct http2_exchange *e)
{
    return h->next - (uint16_t)(h->next - e->sequence);
}

static void response_say(struct http2 *h, struct http2_exchange *e, enum wire_side from, const char *status,
                         uint32_t flags, const struct wire_sink *sink)
{
    struct wire_message m = {.kind = WIRE_RESPONSE, .sequence = exchange_sequence(h, e), .bytes = e->bytes};
    m.flags = flags | lost_flag(h, from);
    m.status = status;
    m.status_length = strlen(status);
    exchange_remove(h, e);
    message_say(sink, &m, from);
}

static void stream_end(struct http2 *h, uint32_t stream, const struct wire_sink *sink)
{
    struct http2_exchange *e = exchange_find(h, stream);
    char text[HTTP2_STATUS_TEXT + 1];
    if (!e)
        return;
    uint32_t flags = http2_status_failed(e->status) ? WIRE_FAILED : 0;
    size_t length = http2_status_text(e->status, text);
    text[length] = '\0';
    response_say(h, e, WIRE_SERVER, text, flags | (length ? 0 : WIRE_COMPRESSED), sink);
}

static void stream_reset(struct http2 *h, enum wire_side from, uint32_t stream, uint32_t code,
                         const struct wire_sink *sink)
{
    struct http2_exchange *e = exchange_find(h, stream);
    if (e)
        response_say(h, e, from, http2_reset_name(code), WIRE_FAILED, sink);
}

/* At the end of a chunk: of which responses a beginning has come, and no more. */
static void first_say(struct http2 *h, const struct wire_sink *sink)
{
    for (size_t i = 0; i < h->exchanges; i++) {
        struct http2_exchange *e = &h->exchange[i];
        struct wire_message m = {.kind = WIRE_FIRST, .sequence = exchange_sequence(h, e)};
        if (!(e->flags & STREAM_FIRST_DUE))
            continue;
        e->flags = STREAM_FIRST_SAID;
        message_say(sink, &m, WIRE_SERVER);
    }
    h->due = 0;
}

/* ---- header blocks ---- */

static void request_block_end(struct http2 *h, struct http2_side *side, const struct wire_sink *sink)
{
    struct wire_message m = {.kind = WIRE_REQUEST, .sequence = h->next, .repeats = 1, .bytes = side->block_bytes};
    char text[WIRE_TEXT_MAX];
    if (side->block <= h->last)
        return; /* trailers */
    h->last = side->block;
    exchange_add(h, side->block);
    h->next++;
    m.flags = lost_flag(h, WIRE_CLIENT);
    http2_request_fill(&h->request, &m, text);
    message_say(sink, &m, WIRE_CLIENT);
}

static void response_block_end(struct http2 *h, struct http2_side *side, const struct wire_sink *sink)
{
    struct http2_exchange *e = exchange_find(h, side->block);
    const struct http2_response *r = &h->response;
    if (!e || side->block_type != HTTP2_HEADERS || r->status == HTTP2_INTERIM)
        return;
    if (e->status == HTTP2_NONE)
        e->status = r->status ? r->status : HTTP2_STATUS_UNKNOWN;
    if (r->grpc != HTTP2_NONE && !http2_status_failed(e->status))
        e->status = r->grpc;
    if (side->block_ends) {
        stream_end(h, side->block, sink);
    } else if (e->flags == 0) {
        e->flags = STREAM_FIRST_DUE;
        h->due++;
    }
}

static void block_begin(struct http2 *h, enum wire_side from)
{
    struct http2_side *side = &h->side[from];
    side->block = http2_stream(side->header);
    side->block_type = side->header[3];
    side->block_ends = side->header[4] & HTTP2_END_STREAM && side->block_type == HTTP2_HEADERS;
    side->block_bytes = 0;
    if (from == WIRE_CLIENT)
        http2_request_begin(&h->request);
    else
        http2_response_begin(&h->response);
}

static bool block_end(struct http2 *h, enum wire_side from, const struct wire_sink *sink)
{
    struct http2_side *side = &h->side[from];
    if (!(side->header[4] & HTTP2_END_HEADERS))
        return true;
    if (!hpack_is_complete(&side->hpack))
        return false;
    if (from == WIRE_CLIENT)
        request_block_end(h, side, sink);
    else
        response_block_end(h, side, sink);
    side->block = 0;
    return true;
}

/* ---- frames ---- */

/* A frame's header is complete; false: no frame begins so. */
static bool frame_begin(struct http2 *h, enum wire_side from)
{
    struct http2_side *side = &h->side[from];
    uint8_t type = side->header[3], flags = side->header[4];
    uint32_t stream = http2_stream(side->header);
    side->left = http2_length(side->header);
    if (!http2_frame_is_sound(side->header))
        return false;
    /* Within a header block there is nothing else (section 4.3). */
    if (side->block ? type != HTTP2_CONTINUATION || stream != side->block : type == HTTP2_CONTINUATION)
        return false;
    if (type != HTTP2_HEADERS && type != HTTP2_PUSH_PROMISE && type != HTTP2_CONTINUATION)
        return true;
    if (type != HTTP2_CONTINUATION)
        block_begin(h, from);
    bool padded = flags & HTTP2_PADDED && type != HTTP2_CONTINUATION;
    side->phase = padded ? PHASE_PAD_LENGTH : PHASE_SKIP;
    side->padding = 0;
    side->skip = 0;
    if (type == HTTP2_PUSH_PROMISE)
        side->skip = 4;
    else if (type == HTTP2_HEADERS && flags & HTTP2_PRIORITIZED)
        side->skip = 5;
    return side->left >= (uint32_t)side->skip + padded;
}

/* Part of a payload that holds a part of a header block; returns how much was taken, 0: it is wrong. */
static size_t block_take(struct http2 *h, enum wire_side from, const uint8_t *bytes, size_t n,
                         const struct wire_sink *sink)
{
    struct http2_side *side = &h->side[from];
    struct http2_block block = {&h->request, &h->response, &side->hpack, sink};
    if (side->phase == PHASE_PAD_LENGTH) {
        side->padding = bytes[0];
        side->phase = PHASE_SKIP;
        return side->left - 1 >= (uint32_t)side->padding + side->skip ? 1 : 0;
    }
    if (side->phase == PHASE_SKIP && side->skip > 0) {
        n = n < side->skip ? n : side->skip;
        side->skip = (uint8_t)(side->skip - n);
        return n;
    }
    side->phase = side->left > side->padding ? PHASE_BLOCK : PHASE_PADDING;
    if (side->phase == PHASE_PADDING)
        return n;
    n = n < side->left - side->padding ? n : side->left - side->padding;
    const struct hpack_reader *reader = from == WIRE_CLIENT ? &http2_request_reader : &http2_response_reader;
    return hpack_decode(&side->hpack, bytes, n, reader, &block) ? n : 0;
}

static void bytes_count(struct http2 *h, enum wire_side from, uint32_t stream, uint32_t bytes)
{
    struct http2_exchange *e = from == WIRE_SERVER ? exchange_find(h, stream) : NULL;
    if (e && __builtin_add_overflow(e->bytes, bytes, &e->bytes))
        e->bytes = UINT32_MAX;
}

static bool frame_end(struct http2 *h, enum wire_side from, const struct wire_sink *sink)
{
    struct http2_side *side = &h->side[from];
    uint32_t stream = http2_stream(side->header);
    uint32_t bytes = HTTP2_HEADER + http2_length(side->header);
    side->header_used = 0;
    switch (side->header[3]) {
    case HTTP2_DATA:
        bytes_count(h, from, stream, bytes);
        if (from == WIRE_SERVER && side->header[4] & HTTP2_END_STREAM)
            stream_end(h, stream, sink);
        return true;
    case HTTP2_HEADERS:
    case HTTP2_PUSH_PROMISE:
    case HTTP2_CONTINUATION:
        bytes_count(h, from, side->block_type == HTTP2_HEADERS ? stream : 0, bytes);
        side->block_bytes += bytes;
        return block_end(h, from, sink);
    case HTTP2_RST_STREAM:
        stream_reset(h, from, stream, side->reset, sink);
        return true;
    default:
        return true;
    }
}

/* Some of a frame's payload; returns how much, 0: it is wrong. */
static size_t payload_take(struct http2 *h, enum wire_side from, const uint8_t *bytes, size_t n,
                           const struct wire_sink *sink)
{
    struct http2_side *side = &h->side[from];
    n = n < side->left ? n : side->left;
    switch (side->header[3]) {
    case HTTP2_HEADERS:
    case HTTP2_PUSH_PROMISE:
    case HTTP2_CONTINUATION:
        n = block_take(h, from, bytes, n, sink);
        break;
    case HTTP2_RST_STREAM:
        for (size_t i = 0; i < n; i++)
            side->reset = side->reset << 8 | bytes[i];
        break;
    default:
        break;
    }
    side->left -= (uint32_t)n;
    return n;
}

static bool frames_take(struct http2 *h, enum wire_side from, const uint8_t *at, const uint8_t *end,
                        const struct wire_sink *sink)
{
    struct http2_side *side = &h->side[from];
    while (at < end) {
        if (side->header_used < HTTP2_HEADER) {
            size_t n = HTTP2_HEADER - side->header_used;
            if (n > (size_t)(end - at))
                n = (size_t)(end - at);
            memcpy(side->header + side->header_used, at, n);
            side->header_used = (uint8_t)(side->header_used + n);
            at += n;
            if (side->header_used < HTTP2_HEADER)
                return true;
            if (!frame_begin(h, from))
                return false;
        } else {
            size_t n = payload_take(h, from, at, (size_t)(end - at), sink);
            if (n == 0)
                return false;
            at += n;
        }
        if (side->left == 0 && !frame_end(h, from, sink))
            return false;
    }
    return true;
}

/* A client that is heard from its beginning says the preface first; returns how much of it, 0: it says another thing.
 */
static size_t preface_take(struct http2_side *side, const uint8_t *bytes, size_t n)
{
    size_t said = HTTP2_PREFACE_LENGTH - side->preface;
    if (side->preface == HTTP2_PREFACE_LENGTH && bytes[0] != (uint8_t)HTTP2_PREFACE[0])
        side->preface = 0;
    n = n < side->preface ? n : side->preface;
    if (memcmp(bytes, HTTP2_PREFACE + said, n) != 0)
        return 0;
    side->preface = (uint8_t)(side->preface - n);
    return n;
}

static bool http2_feed(void *state, enum wire_side from, const uint8_t *bytes, size_t length,
                       const struct wire_sink *sink)
{
    struct http2 *h = state;
    struct http2_side *side = &h->side[from];
    const uint8_t *at = bytes, *end = bytes + length;
    if (side->preface > 0) {
        at += preface_take(side, bytes, length);
        if (at == bytes && side->preface > 0)
            return false;
    }
    for (int other = 0; other < 2; other++) {
        /* The end of a frame that nobody saw. */
        struct http2_side *s = &h->side[other];
        if (s->header_used == HTTP2_HEADER && s->left == 0 && !frame_end(h, other, sink))
            return false;
    }
    if (!frames_take(h, from, at, end, sink))
        return false;
    if (h->due > 0)
        first_say(h, sink);
    return true;
}

static void http2_start(void *state)
{
    ((struct http2 *)state)->side[WIRE_CLIENT].preface = HTTP2_PREFACE_LENGTH;
}

static void http2_gap(void *state, enum wire_side from, uint64_t length)
{
    struct http2 *h = state;
    struct http2_side *side = &h->side[from];
    bool inside = side->header_used == HTTP2_HEADER && side->header[3] == HTTP2_DATA;
    if (inside && length > 0 && length <= side->left) {
        side->left -= (uint32_t)length;
        return;
    }
    side->preface = 0;
    side->header_used = 0;
    side->left = 0;
    side->block = 0;
    side->lost = true;
    hpack_reset(&side->hpack);
}

const struct wire_parser http2_parser = {
    .guess = http2_guess, .start = http2_start, .feed = http2_feed, .gap = http2_gap};
