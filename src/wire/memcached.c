/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memcached: text and meta commands (memcached_request.c, memcached_reply.c) and the binary protocol
 * (memcached_binary.c).
 *
 * A get of several keys is one request with as many repeats. Quiet requests (noreply, the meta flag q, the binary
 * GETKQ) are reported as WIRE_NO_REPLY: what the server says to them counts among the elements of the next answer, and
 * an error comes as a push. Status of a response: "NOT_FOUND", "NOT_STORED", "EN", …; an error's name with WIRE_FAILED.
 */
#include "base/compiler.h"
#include "wire/fields.h"
#include "wire/frame.h"
#include "wire/memcached_binary.h"
#include "wire/memcached_text.h"
#include "wire/queue.h"
#include "wire/resync.h"

enum mode { MODE_UNKNOWN, MODE_TEXT, MODE_BINARY };

struct in_flight {
    uint8_t what; /* enum memcached_shape, or the opcode */
    bool first;   /* WIRE_FIRST was reported */
};

struct memcached_state {
    uint8_t mode;
    bool answered; /* a response was paired with its request: this is memcached */
    uint8_t last[2];
    struct resync resync[2];
    struct wire_queue queue;
    struct in_flight in_flight[WIRE_PENDING];
    uint8_t resync_line[2][RESYNC_LINE];
    uint64_t elements; /* of the answer under way */
    uint64_t bytes;
    union {
        struct {
            struct memcached_request request;
            struct memcached_reply reply;
        };
        struct frame_head head[2];
    };
};
_Static_assert(sizeof(struct memcached_state) <= WIRE_STATE_SIZE, "state of a conversation");

static void memcached_start(void *state)
{
    (void)state;
}

static enum wire_guess memcached_guess(const uint8_t *bytes, size_t length, enum wire_side from)
{
    if (bytes[0] & 0x80)
        return binary_guess(bytes, length, from);
    return from == WIRE_CLIENT ? memcached_request_guess(bytes, length) : memcached_reply_guess(bytes, length);
}

static struct in_flight *in_flight_oldest(struct memcached_state *s)
{
    int place = queue_front(&s->queue);
    return place == WIRE_QUEUE_NONE ? NULL : &s->in_flight[place];
}

static void request_report(struct memcached_state *s, struct wire_message *m, uint8_t what,
                           const struct wire_sink *sink)
{
    m->sequence = s->queue.next;
    m->flags |= resync_lost_take(&s->resync[WIRE_CLIENT]);
    if (!(m->flags & WIRE_NO_REPLY)) {
        int place = queue_push(&s->queue);
        if (place != WIRE_QUEUE_NONE)
            s->in_flight[place] = (struct in_flight){what, false};
    }
    sink->message(sink->context, m);
}

/* The answer to the oldest request, or, if `asked` is not set, an error that answers a quiet one. */
static void answer_report(struct memcached_state *s, const char *status, bool failed, bool asked,
                          const struct wire_sink *sink)
{
    struct wire_message m = {.kind = asked ? WIRE_RESPONSE : WIRE_PUSH,
                             .protocol = WIRE_MEMCACHED,
                             .from = WIRE_SERVER,
                             .flags = failed ? WIRE_FAILED : 0,
                             .sequence = asked ? s->queue.oldest : 0,
                             .repeats = 1,
                             .status = status,
                             .status_length = strlen(status),
                             .bytes = s->bytes,
                             .elements = s->elements,
                             .ttl_ms = -1};
    s->elements = s->bytes = 0;
    if (asked && !queue_pop(&s->queue))
        return; /* to what was asked before the recording began */
    s->answered |= asked;
    m.flags |= resync_lost_take(&s->resync[WIRE_SERVER]);
    sink->message(sink->context, &m);
}

static void first_report(struct memcached_state *s, const struct wire_sink *sink)
{
    struct in_flight *f = in_flight_oldest(s);
    if (!f || f->first)
        return;
    f->first = true;
    struct wire_message m = {.kind = WIRE_FIRST,
                             .protocol = WIRE_MEMCACHED,
                             .from = WIRE_SERVER,
                             .sequence = s->queue.oldest,
                             .repeats = 1,
                             .ttl_ms = -1};
    sink->message(sink->context, &m);
}

static struct wire_message request_message(void)
{
    return (struct wire_message){
        .kind = WIRE_REQUEST, .protocol = WIRE_MEMCACHED, .from = WIRE_CLIENT, .repeats = 1, .ttl_ms = -1};
}

/* Whether the line ends the answer to a request of this shape. */
static bool line_ends(enum memcached_line line, enum memcached_shape shape)
{
    if (line == LINE_VALUE || line == LINE_LIST)
        return false;
    return line != LINE_OTHER || (shape != LINES && shape != CONTAINER);
}

static bool shape_is_meta(enum memcached_shape shape)
{
    return shape == META_GET || shape == META_SET || shape == META_KEY || shape == META_NOOP;
}

/* What is said to a quiet meta command comes before the answer to the next one that is not quiet. */
static bool line_is_for_quiet(const struct memcached_reply *r, enum memcached_shape shape)
{
    bool meta = r->line == LINE_META_VALUE || r->line == LINE_HEAD || r->line == LINE_NOOP;
    if (shape == META_NOOP)
        return r->line != LINE_NOOP && r->line != LINE_FAILED;
    return shape_is_meta(shape) ? r->line == LINE_NOOP : meta;
}

/* Whether memcached answers a request of this shape with a line that begins with none of its words. */
static bool line_fits(const struct memcached_state *s, const struct in_flight *f)
{
    if (s->reply.line != LINE_OTHER)
        return true;
    return f ? f->what == KEY || f->what == PLAIN || f->what == LINES || f->what == CONTAINER : s->answered;
}

/* False: no answer looks like this. */
static bool line_done(struct memcached_state *s, const struct wire_sink *sink)
{
    const struct memcached_reply *r = &s->reply;
    const struct in_flight *f = in_flight_oldest(s);
    enum memcached_shape shape = f ? f->what : PLAIN;
    bool failed = r->line == LINE_FAILED;
    if (!line_fits(s, f))
        return false;
    s->bytes += r->bytes;
    s->elements += r->line == LINE_VALUE || r->line == LINE_META_VALUE || r->line == LINE_LIST ||
                   (r->line == LINE_HEAD && shape == META_GET);
    bool quiet = f ? line_is_for_quiet(r, shape) : failed && queue_count(&s->queue) == 0;
    if (quiet ? failed : line_ends(r->line, shape))
        answer_report(s, memcached_reply_status(r), failed, !quiet, sink);
    return true;
}

static enum memcached_result text_parse(struct memcached_state *s, enum wire_side side, const uint8_t **at,
                                        const uint8_t *end, const struct wire_sink *sink)
{
    enum memcached_result got = MEMCACHED_DONE;
    if (side == WIRE_SERVER) {
        while (*at < end && (got = memcached_reply_next(&s->reply, at, end)) == MEMCACHED_DONE)
            if (!line_done(s, sink))
                return MEMCACHED_WRONG;
        return got;
    }
    while (*at < end && (got = memcached_request_next(&s->request, at, end)) == MEMCACHED_DONE) {
        struct wire_message m = request_message();
        memcached_request_message(&s->request, &m);
        m.flags |= s->request.quiet ? WIRE_NO_REPLY : 0;
        request_report(s, &m, s->request.shape, sink);
    }
    return got;
}

/* Answers come in the order of the requests, of which those that are gone by were not answered. */
static void packet_done(struct memcached_state *s, const struct frame *packet, const struct wire_sink *sink)
{
    bool failed;
    const char *status = binary_status(packet, &failed);
    uint8_t opcode = binary_opcode(packet);
    bool value = !status[0] && packet->length > BINARY_HEADER;
    s->bytes += packet->length;
    s->elements += value;
    if (binary_is_quiet(opcode)) {
        if (status[0] && failed)
            answer_report(s, status, failed, false, sink);
        return;
    }
    if (!binary_is_last(packet))
        return;
    for (const struct in_flight *f; (f = in_flight_oldest(s)) && f->what != opcode;)
        queue_pop(&s->queue);
    answer_report(s, status, failed, true, sink);
}

static uint64_t packet_length(const uint8_t *header, void *side)
{
    return binary_length(header, *(enum wire_side *)side);
}

static enum memcached_result binary_parse(struct memcached_state *s, enum wire_side side, const uint8_t **at,
                                          const uint8_t *end, const struct wire_sink *sink)
{
    struct frame_input in = {*at, (size_t)(end - *at)};
    enum frame_result got;
    struct frame packet;
    while ((got = frame_take(&s->head[side], &in, BINARY_HEADER, packet_length, &side, &packet)) == FRAME_WHOLE) {
        if (side == WIRE_SERVER) {
            packet_done(s, &packet, sink);
            continue;
        }
        struct wire_message m = request_message();
        binary_request_message(&packet, &m);
        request_report(s, &m, binary_opcode(&packet), sink);
    }
    *at = in.at;
    return got == FRAME_WRONG ? MEMCACHED_WRONG : MEMCACHED_MORE;
}

static inline enum memcached_result side_parse(struct memcached_state *s, enum wire_side side, const uint8_t **at,
                                               const uint8_t *end, const struct wire_sink *sink)
{
    if (unlikely(s->mode == MODE_UNKNOWN))
        s->mode = **at & 0x80 ? MODE_BINARY : MODE_TEXT;
    return s->mode == MODE_TEXT ? text_parse(s, side, at, end, sink) : binary_parse(s, side, at, end, sink);
}

/* Forgets what a side was saying, and what was asked and not answered, as answers may be missing. A client's lines that
   are missing are answered after all that was asked before them, which is kept. */
static void side_lose(struct memcached_state *s, enum wire_side side, bool at_start)
{
    resync_begin(&s->resync[side], s->mode == MODE_TEXT, at_start);
    if (s->mode == MODE_BINARY)
        frame_drop(&s->head[side]);
    else if (side == WIRE_CLIENT)
        memset(&s->request, 0, sizeof(s->request));
    else
        memset(&s->reply, 0, sizeof(s->reply));
    if (side == WIRE_CLIENT && s->mode == MODE_TEXT)
        return;
    queue_clear(&s->queue);
    s->elements = s->bytes = 0;
}

/* Bytes that make no sense. The beginning of a packet that came in earlier chunks is looked at again. */
static void side_wrong(struct memcached_state *s, enum wire_side side, bool at_start)
{
    struct frame_head *h = &s->head[side];
    size_t used = s->mode == MODE_BINARY ? h->used : 0;
    struct resync *r = &s->resync[side];
    uint8_t seen[BINARY_HEADER];
    used = used < sizeof(seen) ? used : sizeof(seen);
    memcpy(seen, h->bytes, used);
    side_lose(s, side, at_start);
    memcpy(s->resync_line[side], seen, used);
    r->used = (uint8_t)used;
}

/* False: this is not memcached. */
static COLD bool side_recover(struct memcached_state *s, enum wire_side side, const uint8_t **at, const uint8_t *end,
                              const struct wire_sink *sink)
{
    struct resync *r = &s->resync[side];
    if (!resync_find(r, s->resync_line[side], memcached_guess, side, at, end))
        return !resync_failed(r);
    uint8_t line[RESYNC_LINE];
    const uint8_t *p = line;
    size_t used = resync_end(r);
    memcpy(line, s->resync_line[side], used);
    return side_parse(s, side, &p, line + used, sink) != MEMCACHED_WRONG;
}

static HOT bool memcached_feed(void *state, enum wire_side from, const uint8_t *bytes, size_t length,
                               const struct wire_sink *sink)
{
    struct memcached_state *s = state;
    const uint8_t *at = bytes, *end = bytes + length;
    while (at < end) {
        if (unlikely(s->resync[from].on)) {
            if (!side_recover(s, from, &at, end, sink))
                return false;
        } else if (side_parse(s, from, &at, end, sink) == MEMCACHED_WRONG) {
            if (!s->answered)
                return false;
            side_wrong(s, from, (at > bytes ? at[-1] : s->last[from]) == '\n');
        }
    }
    s->last[from] = end[-1];
    bool begun = s->bytes > 0 || (s->mode == MODE_TEXT ? s->reply.begun : frame_begun(&s->head[WIRE_SERVER]));
    if (from == WIRE_SERVER && begun)
        first_report(s, sink);
    return true;
}

static void memcached_gap(void *state, enum wire_side from, uint64_t length)
{
    struct memcached_state *s = state;
    bool inside = false;
    if (s->mode == MODE_BINARY)
        inside = frame_skip(&s->head[from], BINARY_HEADER, length);
    else if (s->mode == MODE_TEXT)
        inside =
            from == WIRE_CLIENT ? memcached_request_gap(&s->request, length) : memcached_reply_gap(&s->reply, length);
    if (s->mode != MODE_UNKNOWN && (s->resync[from].on || !inside))
        side_lose(s, from, true);
}

const struct wire_parser memcached_parser = {
    .guess = memcached_guess, .start = memcached_start, .feed = memcached_feed, .gap = memcached_gap};
