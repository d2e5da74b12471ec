/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Redis: commands (redis_command.c) and replies, paired by their order (resp_request.c, resp_reply.c).
 *
 * Status of a response: an error's code ("MOVED", "WRONGTYPE"); "QUEUED" inside MULTI; "NIL" where there is no value
 * (SET NX that did not set, EXEC that was given up); "0" for the number zero (SETNX, DEL). `elements` of a response: of
 * its outermost list, pairs counted once; keys of a step of SCAN; 1 for one value.
 */
#include "base/compiler.h"
#include "wire/fields.h"
#include "wire/parser.h"
#include "wire/queue.h"
#include "wire/resp.h"
#include "wire/resp_quick.h"
#include "wire/resync.h"

enum what {
    WHAT_CURSOR = 0x01,
    WHAT_PAIRS = 0x02,
    WHAT_SUBSCRIBE = 0x04, /* answered by one confirmation for each channel */
    WHAT_MONITOR = 0x08,
    WHAT_FIRST = 0x10, /* WIRE_FIRST was reported */
};

struct in_flight {
    uint8_t what;
    uint8_t reserved;
    uint16_t confirmations; /* still to come */
};

/* What most messages need stands together: with the beginning of `request` (resp.h) within two cache lines. */
struct redis_state {
    struct wire_queue queue;
    struct resync resync[2];
    uint8_t last[2]; /* byte of the side's chunk before */
    bool answered;   /* a response was paired with its request: this is Redis */
    bool opaque;     /* a replica's stream */
    bool in_multi;   /* between MULTI and EXEC */
    bool subscribed; /* arrays may be messages */
    bool monitor;
    uint8_t replies; /* enum redis_replies */
    struct resp_request request;
    struct in_flight in_flight[WIRE_PENDING];
    struct resp_reply reply;
    uint8_t resync_line[2][RESYNC_LINE];
};
_Static_assert(sizeof(struct redis_state) <= WIRE_STATE_SIZE, "state of a conversation");

static void redis_start(void *state)
{
    (void)state;
}

/* CLIENT REPLY: whether the command just complete is not answered. */
static bool replies_are_off(struct redis_state *s)
{
    const struct redis_command *c = &s->request.command;
    uint8_t before = s->replies;
    if (c->shape == REPLY) {
        bool skip_in_vain = c->replies == REDIS_REPLIES_SKIP && before == REDIS_REPLIES_OFF;
        s->replies = skip_in_vain ? before : c->replies;
        return s->replies != REDIS_REPLIES_ON;
    }
    if (before == REDIS_REPLIES_SKIP)
        s->replies = REDIS_REPLIES_ON;
    return before != REDIS_REPLIES_ON;
}

static void in_flight_put(struct redis_state *s)
{
    const struct redis_command *c = &s->request.command;
    int place = queue_push(&s->queue);
    if (place == WIRE_QUEUE_NONE)
        return;
    uint32_t channels = s->request.count - 1;
    s->in_flight[place] = (struct in_flight){
        .what = (uint8_t)((c->flags & WIRE_CURSOR ? WHAT_CURSOR : 0) | (c->reply_pairs ? WHAT_PAIRS : 0) |
                          (c->shape == SUBSCRIBE ? WHAT_SUBSCRIBE : 0) | (c->shape == MONITOR ? WHAT_MONITOR : 0)),
        .confirmations = (uint16_t)(channels == 0           ? 1
                                    : channels < UINT16_MAX ? channels
                                                            : UINT16_MAX),
    };
}

/* What the command changes for those that follow it, answered or not. */
static void connection_change(struct redis_state *s, enum redis_shape shape)
{
    if (shape == MULTI)
        s->in_multi = true;
    else if (shape == EXEC || shape == DISCARD || shape == RESET)
        s->in_multi = false;
    if (shape == RESET) {
        s->monitor = s->subscribed = false;
        s->replies = REDIS_REPLIES_ON;
    }
    s->opaque |= shape == REPLICA;
}

static void request_done(struct redis_state *s, const struct wire_sink *sink)
{
    char text[WIRE_TEXT_MAX];
    enum redis_shape shape = s->request.command.shape;
    struct wire_message m = {.kind = WIRE_REQUEST,
                             .protocol = WIRE_REDIS,
                             .from = WIRE_CLIENT,
                             .sequence = s->queue.next,
                             .repeats = 1,
                             .bytes = s->request.bytes};
    m.flags = resync_lost_take(&s->resync[WIRE_CLIENT]) |
              (s->in_multi && shape != EXEC && shape != DISCARD ? WIRE_IN_TRANSACTION : 0);
    redis_command_message(&s->request.command, s->request.count, text, &m);
    if (replies_are_off(s) || shape == REPLICA)
        m.flags |= WIRE_NO_REPLY;
    else
        in_flight_put(s);
    connection_change(s, shape);
    sink->message(sink->context, &m);
}

static struct in_flight *in_flight_oldest(struct redis_state *s)
{
    int place = queue_front(&s->queue);
    return place == WIRE_QUEUE_NONE ? NULL : &s->in_flight[place];
}

/* The outcome that a response's status tells. */
static void status_set(const struct resp_reply *r, struct wire_message *m)
{
    m->status = r->status_length ? r->status : r->nil ? "NIL" : "0";
    m->status_length = r->status_length ? r->status_length : r->nil ? 3 : r->zero;
}

static void response_done(struct redis_state *s, uint64_t elements, const struct wire_sink *sink)
{
    const struct resp_reply *r = &s->reply;
    const struct in_flight *f = in_flight_oldest(s);
    uint8_t what = f ? f->what : 0;
    struct wire_message m = {.kind = WIRE_RESPONSE,
                             .protocol = WIRE_REDIS,
                             .from = WIRE_SERVER,
                             .sequence = s->queue.oldest,
                             .repeats = 1,
                             .bytes = r->bytes,
                             .elements = elements,
                             .ttl_ms = -1};
    if (!queue_pop(&s->queue))
        return; /* the answer to something that was asked before the recording began */
    s->answered = true;
    s->monitor |= what & WHAT_MONITOR && !r->failed;
    m.flags = resync_lost_take(&s->resync[WIRE_SERVER]) | (r->failed ? WIRE_FAILED : 0);
    if (what & WHAT_CURSOR && !r->failed) {
        m.flags |= WIRE_CURSOR;
        m.cursor = r->cursor;
    }
    if (what & WHAT_PAIRS && r->type == '*')
        m.elements /= 2;
    status_set(r, &m);
    sink->message(sink->context, &m);
}

static void push_done(struct redis_state *s, const char *verb, size_t length, const struct wire_sink *sink)
{
    const struct resp_reply *r = &s->reply;
    struct wire_message m = {.kind = WIRE_PUSH,
                             .protocol = WIRE_REDIS,
                             .from = WIRE_SERVER,
                             .repeats = 1,
                             .verb = verb,
                             .verb_length = length,
                             .key = (const char *)r->key,
                             .key_length = r->key_length,
                             .key_hash = r->key_hash,
                             .bytes = r->bytes,
                             .elements = r->elements,
                             .ttl_ms = -1};
    m.flags = resync_lost_take(&s->resync[WIRE_SERVER]) | (r->key_size > r->key_length ? WIRE_TRUNCATED : 0);
    sink->message(sink->context, &m);
}

/* A channel was subscribed to or left. */
static void confirmation_done(struct redis_state *s, const struct wire_sink *sink)
{
    struct in_flight *f = in_flight_oldest(s);
    s->subscribed = s->reply.remaining > 0;
    if (f && f->what & WHAT_SUBSCRIBE && --f->confirmations == 0)
        response_done(s, s->reply.remaining, sink);
}

static void reply_done(struct redis_state *s, const struct wire_sink *sink)
{
    const struct resp_reply *r = &s->reply;
    bool list = r->type == '*' || r->type == '>';
    if (list && r->word == RESP_WORD_MESSAGE) {
        s->subscribed = true;
        push_done(s, "MESSAGE", 7, sink);
    } else if (list && r->word == RESP_WORD_CONFIRMATION) {
        confirmation_done(s, sink);
    } else if (r->type == '>') {
        bool invalidate = r->word == RESP_WORD_INVALIDATE;
        push_done(s, invalidate ? "INVALIDATE" : "PUSH", invalidate ? 10 : 4, sink);
    } else if (s->monitor && r->type == '+' && r->word == RESP_WORD_OTHER) {
        push_done(s, "MONITOR", 7, sink);
    } else {
        response_done(s, r->elements, sink);
    }
}

static void reply_expect(struct redis_state *s)
{
    const struct in_flight *f = in_flight_oldest(s);
    bool cursor = f && f->what & WHAT_CURSOR;
    /* What comes unasked may be a message to somebody who subscribed before the recording began. */
    bool word = s->subscribed || (f && f->what & WHAT_SUBSCRIBE) || queue_count(&s->queue) == 0;
    s->reply.wants = (uint8_t)((cursor ? RESP_WANT_CURSOR : 0) | (word ? RESP_WANT_WORD : 0));
}

/* The end of a chunk: the oldest request's answer has begun in it. */
static void first_report(struct redis_state *s, const struct wire_sink *sink)
{
    struct in_flight *f = in_flight_oldest(s);
    if (!f || f->what & WHAT_FIRST || s->reply.type == 0 || s->reply.type == '>' || s->reply.wants & RESP_WANT_WORD)
        return;
    f->what |= WHAT_FIRST;
    struct wire_message m = {.kind = WIRE_FIRST,
                             .protocol = WIRE_REDIS,
                             .from = WIRE_SERVER,
                             .sequence = s->queue.oldest,
                             .repeats = 1,
                             .ttl_ms = -1};
    sink->message(sink->context, &m);
}

/* Commands that can be read at once, as far as they go. */
static HOT void requests_quick(struct redis_state *s, const uint8_t **at, const uint8_t *end,
                               const struct wire_sink *sink)
{
    struct resync *l = &s->resync[WIRE_CLIENT];
    struct resp_quick_request q;
    const uint8_t *next;
    if (!resp_request_between(&s->request) || l->lost || s->replies != REDIS_REPLIES_ON)
        return;
    struct wire_message m = {
        .kind = WIRE_REQUEST, .protocol = WIRE_REDIS, .from = WIRE_CLIENT, .repeats = 1, .ttl_ms = -1};
    while ((next = resp_quick_request(&s->request.command, *at, end, &q))) {
        m.sequence = s->queue.next;
        m.verb = m.text = q.row->name;
        m.verb_length = q.row->length;
        m.key = (const char *)q.key;
        m.key_length = q.key_size < WIRE_KEY_MAX ? q.key_size : WIRE_KEY_MAX;
        /* Most keys are never asked for their hash, which takes longer than all the rest. */
        bool later = q.key_size - 1 < WIRE_KEY_MAX;
        m.key_hash = q.key && !later ? field_hash(q.key, q.key_size) : 0;
        m.flags = WIRE_CONSTANT_VERB | (later ? WIRE_HASH_LATER : 0) | (q.row->flags & ~REDIS_REPLY_PAIRS) |
                  (s->in_multi ? WIRE_IN_TRANSACTION : 0) | (q.key_size > WIRE_KEY_MAX ? WIRE_TRUNCATED : 0);
        m.elements = redis_elements(q.row->keys, q.row->key, q.count);
        m.bytes = (uint64_t)(next - *at);
        int place = queue_push(&s->queue);
        if (likely(place != WIRE_QUEUE_NONE))
            s->in_flight[place] =
                (struct in_flight){.what = q.row->flags & REDIS_REPLY_PAIRS ? WHAT_PAIRS : 0, .confirmations = 1};
        l->rejected = 0;
        *at = next;
        sink->message(sink->context, &m);
    }
}

/* Likewise replies to what was asked. */
static HOT void replies_quick(struct redis_state *s, const uint8_t **at, const uint8_t *end,
                              const struct wire_sink *sink)
{
    struct resync *l = &s->resync[WIRE_SERVER];
    struct resp_quick_reply q;
    const uint8_t *next;
    if (s->reply.begun || l->lost || s->subscribed || s->monitor)
        return;
    struct wire_message m = {
        .kind = WIRE_RESPONSE, .protocol = WIRE_REDIS, .from = WIRE_SERVER, .repeats = 1, .ttl_ms = -1};
    while (queue_count(&s->queue) > 0) {
        const struct in_flight *f = in_flight_oldest(s);
        if ((f && f->what & ~WHAT_PAIRS) || !(next = resp_quick_reply(*at, end, &q)))
            break;
        m.sequence = s->queue.oldest;
        m.bytes = (uint64_t)(next - *at);
        m.elements = !q.nil;
        m.status = q.nil ? "NIL" : "0";
        m.status_length = q.nil ? 3 : q.zero;
        queue_pop(&s->queue);
        s->answered = true;
        l->rejected = 0;
        *at = next;
        sink->message(sink->context, &m);
    }
}

/* Parses what is whole. RESP_WRONG: `at` is where it stopped making sense. */
static HOT inline enum resp_result side_parse(struct redis_state *s, enum wire_side side, const uint8_t **at,
                                              const uint8_t *end, const struct wire_sink *sink)
{
    enum resp_result got = RESP_DONE;
    if (side == WIRE_CLIENT) {
        while (got == RESP_DONE && *at < end && !s->opaque) {
            requests_quick(s, at, end, sink);
            if (*at < end && (got = resp_request_next(&s->request, at, end)) == RESP_DONE)
                request_done(s, sink);
        }
        return got;
    }
    while (*at < end) {
        replies_quick(s, at, end, sink);
        if (*at == end)
            break;
        if (!s->reply.begun)
            reply_expect(s);
        if ((got = resp_reply_next(&s->reply, at, end)) != RESP_DONE)
            break;
        reply_done(s, sink);
    }
    return got;
}

/* Something is missing, or makes no sense. Where it is of the server, what was asked and not answered is forgotten, as
   answers may be missing. Where it is of the client, what was asked before is answered before all that is missing. */
static void side_lose(struct redis_state *s, enum wire_side side, bool at_start)
{
    resync_begin(&s->resync[side], true, at_start);
    if (side == WIRE_CLIENT)
        resp_request_drop(&s->request);
    else
        resp_reply_drop(&s->reply);
    if (side == WIRE_SERVER)
        queue_clear(&s->queue);
    s->in_multi = false;
}

static enum wire_guess redis_guess(const uint8_t *bytes, size_t length, enum wire_side from);

/* False: this is not Redis. */
static COLD bool side_recover(struct redis_state *s, enum wire_side side, const uint8_t **at, const uint8_t *end,
                              const struct wire_sink *sink)
{
    struct resync *l = &s->resync[side];
    if (!resync_find(l, s->resync_line[side], redis_guess, side, at, end))
        return !resync_failed(l);
    uint8_t line[RESYNC_LINE];
    const uint8_t *p = line;
    size_t used = resync_end(l);
    memcpy(line, s->resync_line[side], used);
    /* What a guess says yes to is the beginning of a message, or a whole one. */
    return side_parse(s, side, &p, line + used, sink) != RESP_WRONG;
}

static HOT bool redis_feed(void *state, enum wire_side from, const uint8_t *bytes, size_t length,
                           const struct wire_sink *sink)
{
    struct redis_state *s = state;
    struct resync *l = &s->resync[from];
    const uint8_t *at = bytes, *end = bytes + length;
    if (likely(!l->on && !s->opaque)) { /* mostly that is all */
        if (from == WIRE_CLIENT)
            requests_quick(s, &at, end, sink);
        else
            replies_quick(s, &at, end, sink);
    }
    while (at < end && !s->opaque) {
        if (unlikely(l->on)) {
            if (!side_recover(s, from, &at, end, sink))
                return false;
        } else if (side_parse(s, from, &at, end, sink) == RESP_WRONG) {
            if (!s->answered)
                return false;
            side_lose(s, from, (at > bytes ? at[-1] : s->last[from]) == '\n');
        }
    }
    s->last[from] = end[-1];
    if (from == WIRE_SERVER && s->reply.begun && !s->opaque)
        first_report(s, sink);
    return true;
}

static void redis_gap(void *state, enum wire_side from, uint64_t length)
{
    struct redis_state *s = state;
    bool inside = !s->resync[from].on &&
                  (from == WIRE_CLIENT ? resp_request_gap(&s->request, length) : resp_reply_gap(&s->reply, length));
    if (!inside && !s->opaque)
        side_lose(s, from, true);
}

/* "*2\r\n$3\r\nGET\r\n": an array, whose first element is a word. */
static enum wire_guess request_guess(const uint8_t *bytes, size_t length)
{
    const uint8_t *p = bytes + 1, *end = bytes + length;
    int64_t count, size;
    int found = resp_number(p, end, &count, &p);
    if (found > 0 && (count < 1 || count > 1 << 20))
        return WIRE_GUESS_NO;
    if (found <= 0 || p == end)
        return found < 0 ? WIRE_GUESS_NO : WIRE_GUESS_MORE;
    if (*p++ != '$')
        return WIRE_GUESS_NO;
    found = resp_number(p, end, &size, &p);
    if (found <= 0)
        return found < 0 ? WIRE_GUESS_NO : WIRE_GUESS_MORE;
    if (size < 2 || size > WIRE_VERB_MAX)
        return WIRE_GUESS_NO;
    for (int64_t i = 0; i < size; i++, p++) {
        if (p == end)
            return WIRE_GUESS_MORE;
        if (!field_is_letter(*p) && !(i > 0 && (*p == '.' || *p == '_' || *p == '-')))
            return WIRE_GUESS_NO;
    }
    if (!FIELD_BEGINS(p, (size_t)(end - p), "\r\n"))
        return WIRE_GUESS_NO;
    return end - p >= 2 ? WIRE_GUESS_YES : WIRE_GUESS_MORE;
}

/* Commands that people and health checks send as a line. They may be another protocol's: the answer will tell. */
static enum wire_guess inline_guess(const uint8_t *bytes, size_t length)
{
    static const char *const words[] = {"PING\r\n", "PING\n", "INFO\r\n", "INFO\n", "QUIT\r\n", "QUIT\n",
                                        "INFO ",    "GET ",   "SET ",     "KEYS ",  "AUTH ",    "SELECT "};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t n = 0;
        while (n < length && words[i][n] && field_upper(bytes[n]) == words[i][n])
            n++;
        if (n == length || !words[i][n])
            return WIRE_GUESS_MORE;
    }
    return WIRE_GUESS_NO;
}

/* Answers that other protocols do not give. "-ERR" is POP3's too, as is "+OK" with words behind. */
static enum wire_guess line_guess(const uint8_t *bytes, size_t length)
{
    static const char *const lines[] = {
        "+OK\r\n",       "+PONG\r\n",    "+QUEUED\r\n", "+RESET\r\n",  "+FULLRESYNC ", "+CONTINUE",   "-MOVED ",
        "-ASK ",         "-LOADING ",    "-NOAUTH ",    "-NOSCRIPT ",  "-WRONGTYPE ",  "-EXECABORT ", "-READONLY ",
        "-CLUSTERDOWN ", "-MASTERDOWN ", "-MISCONF ",   "-OOM ",       "-BUSY ",       "-NOPERM ",    "-CROSSSLOT ",
        "-WRONGPASS ",   "-TRYAGAIN ",   "-BUSYKEY ",   "-BUSYGROUP ", "-NOGROUP ",    "-NOPROTO "};
    bool more = false;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        size_t n = strlen(lines[i]), here = length < n ? length : n;
        if (memcmp(bytes, lines[i], here) == 0) {
            if (here == n)
                return WIRE_GUESS_YES;
            more = true;
        }
    }
    return more ? WIRE_GUESS_MORE : WIRE_GUESS_NO;
}

/* A string, a number, or a list whose first element follows. */
static enum wire_guess number_guess(const uint8_t *bytes, size_t length)
{
    const uint8_t *p = bytes + 1, *end = bytes + length;
    int64_t value;
    int found = resp_number(p, end, &value, &p);
    if (found <= 0)
        return found < 0 ? WIRE_GUESS_NO : WIRE_GUESS_MORE;
    if (bytes[0] == ':')
        return value == RESP_STREAMED ? WIRE_GUESS_NO : WIRE_GUESS_YES;
    if (value < RESP_STREAMED || (value < 0 && bytes[0] == '>'))
        return WIRE_GUESS_NO;
    if (value == -1 || bytes[0] == '$' || value == 0)
        return WIRE_GUESS_YES;
    if (p == end)
        return WIRE_GUESS_MORE;
    return resp_is_type(*p) ? WIRE_GUESS_YES : WIRE_GUESS_NO;
}

static enum wire_guess redis_guess(const uint8_t *bytes, size_t length, enum wire_side from)
{
    if (from == WIRE_CLIENT)
        return bytes[0] == '*' ? request_guess(bytes, length) : inline_guess(bytes, length);
    switch (bytes[0]) {
    case '+':
    case '-':
        return line_guess(bytes, length);
    case '$':
    case '*':
    case ':':
    case '%':
    case '~':
    case '>':
        return number_guess(bytes, length);
    case '_':
        return !FIELD_BEGINS(bytes, length, "_\r\n") ? WIRE_GUESS_NO : length < 3 ? WIRE_GUESS_MORE : WIRE_GUESS_YES;
    default:
        return WIRE_GUESS_NO;
    }
}

const struct wire_parser redis_parser = {
    .guess = redis_guess, .start = redis_start, .feed = redis_feed, .gap = redis_gap};
