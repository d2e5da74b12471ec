/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP/1.0 and 1.1 (RFC 9110, RFC 9112).
 *
 * A request is reported when its header section is complete, as its answer may come any time from then on; one with a
 * chunked body, whose size nobody knows before, at the body's end or when the answer begins. `bytes` is header section
 * and body; of a response whose body ends with the connection, the header section. Statuses of 400 and above are
 * WIRE_FAILED for whoever reads either end; `status` tells a client's mistake (4xx) from the server's (5xx).
 *
 * Of header fields, Host is reported (WIRE_NAME); those that delimit the message or switch the protocol are obeyed. Of
 * the target, the template of its path is kept, and a hash of all behind the authority.
 *
 * After a switch (CONNECT, Upgrade) nothing is reported; where HTTP/2, TLS or any tunnelled protocol may follow,
 * recognition starts anew with the first chunk behind it.
 */
#include <string.h>

#include "wire/fields.h"
#include "wire/http_line.h"
#include "wire/parser.h"
#include "wire/path.h"
#include "wire/queue.h"

#define LINE_CLIENT WIRE_HEAD
#define LINE_SERVER 128
#define SEARCH_MAX (256 * 1024) /* bytes in which the next message is looked for after a loss */
#define STATUS_LENGTH 3

enum http_step {
    HTTP_START, /* before or in a request line or status line */
    HTTP_FIELDS,
    HTTP_BODY,       /* `left` bytes */
    HTTP_CHUNK_SIZE, /* the line with it */
    HTTP_CHUNK,      /* `left` bytes */
    HTTP_CHUNK_END,  /* the empty line behind it */
    HTTP_TRAILERS,
    HTTP_UNTIL_CLOSE,
    HTTP_OPAQUE, /* another protocol, which is not looked at */
    HTTP_OTHER,  /* another protocol, to be recognised */
};

enum http_side_flags {
    HTTP_LOST = 0x01,    /* bytes are missing before this message */
    HTTP_SEARCH = 0x02,  /* lines that begin no message are skipped */
    HTTP_CHUNKED = 0x04, /* Transfer-Encoding */
    HTTP_CODED = 0x08,   /* Transfer-Encoding without chunked at its end */
    HTTP_SIZED = 0x10,   /* Content-Length */
    HTTP_CUT = 0x20,     /* the line is longer than what is held of it */
    HTTP_EXPECT = 0x40,  /* 100-continue: the body may never be sent */
    HTTP_UPGRADE = 0x80, /* to a protocol that is recognised by itself */
};
#define HTTP_MESSAGE_FLAGS (HTTP_CHUNKED | HTTP_CODED | HTTP_SIZED | HTTP_EXPECT | HTTP_UPGRADE)

struct http_side {
    uint64_t left;  /* of the body, or of its chunk */
    uint64_t bytes; /* of the message, so far */
    uint32_t searched;
    uint16_t used; /* bytes of an unfinished line that are held */
    uint8_t step;
    uint8_t flags;
};

/* What a request in flight is, as far as that decides where its answer ends. */
enum http_method { HTTP_METHOD_ANY, HTTP_METHOD_HEAD, HTTP_METHOD_CONNECT };

struct http {
    struct http_side side[2];
    struct wire_queue queue;
    uint64_t host_hash; /* of the last Host reported */
    uint64_t key_hash;
    uint16_t text_length;
    uint8_t verb_length;
    bool unreported; /* a request whose header section is complete, and which is not reported */
    bool text_cut;
    bool first_said;
    uint16_t status;                  /* of the response that has begun; 0: none */
    uint8_t methods[WIRE_PENDING];    /* enum http_method, by place in the queue */
    char verb[WIRE_VERB_MAX];         /* of the request that has begun */
    char text[WIRE_TEXT_MAX];         /* likewise */
    uint8_t client_line[LINE_CLIENT]; /* the beginning of an unfinished line */
    uint8_t server_line[LINE_SERVER];
};
_Static_assert(sizeof(struct http) <= WIRE_STATE_SIZE, "HTTP's state fits");

static void message_say(const struct wire_sink *sink, struct wire_message *m, enum wire_side from)
{
    m->protocol = WIRE_HTTP;
    m->from = from;
    m->ttl_ms = -1;
    sink->message(sink->context, m);
}

static uint32_t lost_flag(struct http_side *side)
{
    uint32_t flag = side->flags & HTTP_LOST ? WIRE_LOST : 0;
    side->flags &= (uint8_t)~HTTP_LOST;
    return flag;
}

static enum http_method method_of(const struct http *h)
{
    if (FIELD_IS(h->verb, h->verb_length, "HEAD"))
        return HTTP_METHOD_HEAD;
    return FIELD_IS(h->verb, h->verb_length, "CONNECT") ? HTTP_METHOD_CONNECT : HTTP_METHOD_ANY;
}

static void request_say(struct http *h, uint64_t bytes, const struct wire_sink *sink)
{
    struct wire_message m = {.kind = WIRE_REQUEST, .sequence = h->queue.next, .repeats = 1, .bytes = bytes};
    m.flags = lost_flag(&h->side[WIRE_CLIENT]) | (h->text_cut ? WIRE_TRUNCATED : 0);
    m.verb = h->verb, m.verb_length = h->verb_length;
    m.text = h->text, m.text_length = h->text_length;
    m.key_hash = h->key_hash;
    h->unreported = false;
    int place = queue_push(&h->queue);
    if (place != WIRE_QUEUE_NONE)
        h->methods[place] = (uint8_t)method_of(h);
    message_say(sink, &m, WIRE_CLIENT);
}

static void response_say(struct http *h, uint64_t bytes, const struct wire_sink *sink)
{
    const char status[STATUS_LENGTH] = {(char)('0' + h->status / 100), (char)('0' + h->status / 10 % 10),
                                        (char)('0' + h->status % 10)};
    struct wire_message m = {.kind = WIRE_RESPONSE, .sequence = h->queue.oldest, .bytes = bytes};
    m.status = status;
    m.status_length = STATUS_LENGTH;
    m.flags = lost_flag(&h->side[WIRE_SERVER]) | (h->status >= 400 ? WIRE_FAILED : 0);
    h->status = 0;
    if (queue_pop(&h->queue))
        message_say(sink, &m, WIRE_SERVER);
}

/* At the end of a chunk in which a response has begun and not ended. */
static void first_say(struct http *h, const struct wire_sink *sink)
{
    struct wire_message m = {.kind = WIRE_FIRST, .sequence = h->queue.oldest};
    h->first_said = true;
    if (queue_count(&h->queue) > 0)
        message_say(sink, &m, WIRE_SERVER);
}

static bool target_take(struct http *h, const uint8_t *target, size_t n, bool cut)
{
    struct path_text text = {h->text, WIRE_TEXT_MAX, 0, cut};
    size_t start = path_start(target, n);
    h->key_hash = 0;
    if (method_of(h) == HTTP_METHOD_CONNECT) {
        if (!path_is_host(target, n))
            return false;
        path_append(&text, target, n);
    } else {
        if (start == n && target[0] != 'h' && target[0] != 'H')
            return false;
        if (!path_template(target + start, n - start, &text))
            return false;
        if (!cut)
            h->key_hash = field_hash(target + start, n - start);
    }
    h->text_length = (uint16_t)text.length;
    h->text_cut = text.cut;
    return true;
}

static bool request_line_take(struct http *h, const uint8_t *line, size_t n)
{
    struct http_request_line parts;
    bool cut = h->side[WIRE_CLIENT].flags & HTTP_CUT;
    if (!http_request_line_split(line, n, cut, &parts))
        return false;
    memcpy(h->verb, line, parts.method);
    h->verb_length = (uint8_t)parts.method;
    return target_take(h, line + parts.target, parts.target_length, cut);
}

/* A final response begins. */
static void response_begin(struct http *h, const struct wire_sink *sink)
{
    const struct http_side *client = &h->side[WIRE_CLIENT];
    if (h->unreported)
        request_say(h, client->bytes, sink);
    /* What older requests were answered with was lost. */
    while (h->side[WIRE_SERVER].flags & HTTP_LOST && queue_count(&h->queue) > 1)
        queue_pop(&h->queue);
    h->first_said = false;
}

static bool status_line_take(struct http *h, const uint8_t *line, size_t n, const struct wire_sink *sink)
{
    h->status = http_status_of(line, n);
    if (h->status >= 200 || h->status == 101)
        response_begin(h, sink);
    return h->status != 0;
}

static void host_take(struct http *h, const uint8_t *value, size_t n, const struct wire_sink *sink)
{
    struct wire_message m = {.kind = WIRE_NAME, .text = (const char *)value, .text_length = n};
    if (n > WIRE_TEXT_MAX || !path_is_host(value, n))
        return;
    uint64_t hash = field_hash(value, n);
    if (hash == h->host_hash)
        return;
    h->host_hash = hash;
    message_say(sink, &m, WIRE_CLIENT);
}

/* False: it contradicts another one, or is no number: where the message ends cannot be known. */
static bool length_take(struct http_side *side, const uint8_t *value, size_t n)
{
    uint64_t length;
    if (!field_decimal(value, n, &length) || length > HTTP_BODY_MAX)
        return false;
    if (side->flags & HTTP_SIZED && side->left != length)
        return false;
    side->left = length;
    side->flags |= HTTP_SIZED;
    return true;
}

static bool field_take(struct http *h, enum wire_side from, const uint8_t *line, size_t n, const struct wire_sink *sink)
{
    struct http_side *side = &h->side[from];
    const uint8_t *value;
    switch (line[0] | 0x20) {
    case 'c':
        if (!HTTP_FIELD_IS(line, n, "CONTENT-LENGTH:"))
            return true;
        value = http_value_of(line, &n, sizeof("CONTENT-LENGTH:") - 1);
        return length_take(side, value, n);
    case 't':
        if (!HTTP_FIELD_IS(line, n, "TRANSFER-ENCODING:"))
            return true;
        value = http_value_of(line, &n, sizeof("TRANSFER-ENCODING:") - 1);
        side->flags &= (uint8_t) ~(HTTP_CHUNKED | HTTP_CODED);
        side->flags |= http_list_ends(value, n, "CHUNKED", 7) ? HTTP_CHUNKED : HTTP_CODED;
        return true;
    case 'h':
        if (from == WIRE_CLIENT && HTTP_FIELD_IS(line, n, "HOST:") && !(side->flags & HTTP_CUT)) {
            value = http_value_of(line, &n, sizeof("HOST:") - 1);
            host_take(h, value, n, sink);
        }
        return true;
    case 'e':
        if (HTTP_FIELD_IS(line, n, "EXPECT:"))
            side->flags |= HTTP_EXPECT;
        return true;
    case 'u':
        if (from == WIRE_SERVER && HTTP_FIELD_IS(line, n, "UPGRADE:")) {
            value = http_value_of(line, &n, sizeof("UPGRADE:") - 1);
            if (FIELD_IS(value, n, "H2C") || (n >= 4 && field_same(value, "TLS/", 4)))
                side->flags |= HTTP_UPGRADE;
        }
        return true;
    default:
        return true;
    }
}

static void message_next(struct http_side *side)
{
    side->step = HTTP_START;
    side->flags &= (uint8_t)~HTTP_MESSAGE_FLAGS;
    side->bytes = 0;
    side->left = 0;
}

static bool request_fields_end(struct http *h, const struct wire_sink *sink)
{
    struct http_side *side = &h->side[WIRE_CLIENT];
    if (side->flags & HTTP_CODED)
        return false;
    if (side->flags & HTTP_CHUNKED) {
        h->unreported = true;
        side->step = HTTP_CHUNK_SIZE;
        return true;
    }
    request_say(h, side->bytes + side->left, sink);
    if (side->left > 0)
        side->step = HTTP_BODY;
    else
        message_next(side);
    return true;
}

/* What follows is not HTTP, on both sides. */
static void http_leave(struct http *h, enum http_step step)
{
    h->side[WIRE_CLIENT].step = h->side[WIRE_SERVER].step = (uint8_t)step;
    h->side[WIRE_CLIENT].used = h->side[WIRE_SERVER].used = 0;
}

/* A client that was told not to send the body that it announced sends the next request, or the body all the same. */
static void expectation_end(struct http_side *client)
{
    if (!(client->flags & HTTP_EXPECT) || client->step < HTTP_BODY)
        return;
    message_next(client);
    client->flags |= HTTP_SEARCH;
    client->searched = 0;
}

static void body_end(struct http *h, enum wire_side from, const struct wire_sink *sink)
{
    struct http_side *side = &h->side[from];
    if (from == WIRE_SERVER)
        response_say(h, side->bytes, sink);
    else if (h->unreported)
        request_say(h, side->bytes, sink);
    message_next(side);
}

/* A body of no bytes ends at once; one whose last bytes nobody saw, as soon as anything is said. */
static void body_end_if(struct http *h, enum wire_side from, const struct wire_sink *sink)
{
    if (h->side[from].step == HTTP_BODY && h->side[from].left == 0)
        body_end(h, from, sink);
}

static bool response_fields_end(struct http *h, const struct wire_sink *sink)
{
    struct http_side *side = &h->side[WIRE_SERVER];
    int place = queue_front(&h->queue);
    enum http_method method = place == WIRE_QUEUE_NONE ? HTTP_METHOD_ANY : h->methods[place];
    uint16_t status = h->status;
    if (status == 101 || (method == HTTP_METHOD_CONNECT && status / 100 == 2)) {
        response_say(h, side->bytes, sink);
        http_leave(h, status != 101 || side->flags & HTTP_UPGRADE ? HTTP_OTHER : HTTP_OPAQUE);
        return true;
    }
    if (status < 200) {
        h->side[WIRE_CLIENT].flags &= (uint8_t) ~(status == 100 ? HTTP_EXPECT : 0);
        h->status = 0;
        message_next(side);
        return true;
    }
    expectation_end(&h->side[WIRE_CLIENT]);
    if (method == HTTP_METHOD_HEAD || status == 204 || status == 304) {
        response_say(h, side->bytes, sink);
        message_next(side);
    } else if (side->flags & HTTP_CHUNKED) {
        side->step = HTTP_CHUNK_SIZE;
    } else if (side->flags & HTTP_SIZED && !(side->flags & HTTP_CODED)) {
        side->step = HTTP_BODY;
        body_end_if(h, WIRE_SERVER, sink);
    } else {
        response_say(h, side->bytes, sink);
        side->step = HTTP_UNTIL_CLOSE;
    }
    return true;
}

static bool start_line_take(struct http *h, enum wire_side from, const uint8_t *line, size_t n,
                            const struct wire_sink *sink)
{
    struct http_side *side = &h->side[from];
    uint64_t bytes = side->bytes;
    if (n == 0 && !(side->flags & HTTP_CUT)) {
        side->bytes = 0; /* empty lines between messages belong to none (RFC 9112, section 2.2) */
        return true;
    }
    if (from == WIRE_CLIENT && h->unreported)
        request_say(h, 0, sink); /* its end was lost */
    if (from == WIRE_CLIENT ? request_line_take(h, line, n) : status_line_take(h, line, n, sink)) {
        side->flags &= (uint8_t)~HTTP_SEARCH;
        side->step = HTTP_FIELDS;
        return true;
    }
    side->bytes = 0;
    side->searched += (uint32_t)(bytes < SEARCH_MAX ? bytes : SEARCH_MAX);
    return side->flags & HTTP_SEARCH && side->searched < SEARCH_MAX;
}

static bool line_parse(struct http *h, enum wire_side from, const uint8_t *line, size_t n, const struct wire_sink *sink)
{
    struct http_side *side = &h->side[from];
    bool empty = n == 0 && !(side->flags & HTTP_CUT);
    switch ((enum http_step)side->step) {
    case HTTP_START:
        return start_line_take(h, from, line, n, sink);
    case HTTP_FIELDS:
        if (!empty)
            return field_take(h, from, line, n, sink);
        return from == WIRE_CLIENT ? request_fields_end(h, sink) : response_fields_end(h, sink);
    case HTTP_CHUNK_SIZE:
        if (!http_chunk_size_of(line, n, &side->left))
            return false;
        side->step = side->left ? HTTP_CHUNK : HTTP_TRAILERS;
        return true;
    case HTTP_CHUNK_END:
        side->step = HTTP_CHUNK_SIZE;
        return empty;
    default: /* HTTP_TRAILERS */
        if (empty)
            body_end(h, from, sink);
        return true;
    }
}

/* One line, or what there is of it; false: this is not HTTP. */
static bool line_take(struct http *h, enum wire_side from, const uint8_t **at, const uint8_t *end,
                      const struct wire_sink *sink)
{
    struct http_side *side = &h->side[from];
    uint8_t *held = from == WIRE_CLIENT ? h->client_line : h->server_line;
    size_t most = from == WIRE_CLIENT ? LINE_CLIENT : LINE_SERVER;
    const uint8_t *newline = memchr(*at, '\n', (size_t)(end - *at));
    const uint8_t *line = *at;
    size_t n = (size_t)((newline ? newline : end) - *at);
    side->bytes += n + (newline != NULL);
    *at = newline ? newline + 1 : end;
    if (side->used > 0 || !newline) {
        size_t room = most - side->used, copied = n < room ? n : room;
        memcpy(held + side->used, line, copied);
        side->used = (uint16_t)(side->used + copied);
        side->flags |= copied < n ? HTTP_CUT : 0;
        line = held;
        n = side->used;
    }
    if (!newline)
        return true;
    if (n > most) {
        n = most;
        side->flags |= HTTP_CUT;
    }
    if (n > 0 && line[n - 1] == '\r' && !(side->flags & HTTP_CUT))
        n--;
    side->used = 0;
    bool right = line_parse(h, from, line, n, sink);
    side->flags &= (uint8_t)~HTTP_CUT;
    return right;
}

static void body_take(struct http *h, enum wire_side from, const uint8_t **at, const uint8_t *end,
                      const struct wire_sink *sink)
{
    struct http_side *side = &h->side[from];
    uint64_t n = (uint64_t)(end - *at) < side->left ? (uint64_t)(end - *at) : side->left;
    *at += n;
    side->left -= n;
    side->bytes += n;
    side->flags &= (uint8_t)~HTTP_EXPECT;
    if (side->left > 0)
        return;
    if (side->step == HTTP_CHUNK)
        side->step = HTTP_CHUNK_END;
    else
        body_end(h, from, sink);
}

static bool http_feed(void *state, enum wire_side from, const uint8_t *bytes, size_t length,
                      const struct wire_sink *sink)
{
    struct http *h = state;
    struct http_side *side = &h->side[from];
    const uint8_t *at = bytes, *end = bytes + length;
    if (side->step == HTTP_OTHER)
        return false;
    body_end_if(h, WIRE_CLIENT, sink);
    body_end_if(h, WIRE_SERVER, sink);
    while (at < end && side->step < HTTP_UNTIL_CLOSE) {
        if (side->step == HTTP_BODY || side->step == HTTP_CHUNK)
            body_take(h, from, &at, end, sink);
        else if (!line_take(h, from, &at, end, sink))
            return false;
    }
    if (from == WIRE_SERVER && h->status >= 200 && !h->first_said)
        first_say(h, sink);
    return true;
}

static void http_start(void *state)
{
    (void)state;
}

static void http_gap(void *state, enum wire_side from, uint64_t length)
{
    struct http *h = state;
    struct http_side *side = &h->side[from];
    if (side->step >= HTTP_UNTIL_CLOSE)
        return;
    if ((side->step == HTTP_BODY || side->step == HTTP_CHUNK) && length > 0 && length <= side->left) {
        side->left -= length;
        side->bytes += length;
        if (side->step == HTTP_CHUNK && side->left == 0)
            side->step = HTTP_CHUNK_END;
        return;
    }
    if (from == WIRE_SERVER)
        h->status = 0;
    message_next(side);
    side->used = 0;
    side->searched = 0;
    side->flags = HTTP_LOST | HTTP_SEARCH;
}

const struct wire_parser http_parser = {.guess = http_guess, .start = http_start, .feed = http_feed, .gap = http_gap};
