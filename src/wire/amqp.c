/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AMQP 0-9-1 (https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf).
 *
 * Requests and their answers are matched within a channel. A method with content (publish, deliver, get-ok, return) is
 * reported with its last body frame, `bytes` being all its frames. A publish is answered only where the channel
 * confirms (https://www.rabbitmq.com/docs/confirms#publisher-confirms), and that was seen. `text` is an exchange or a
 * queue, of messages exchange/routing-key, with {} for identifiers. The log-in's arguments are not looked at; the
 * virtual host is reported as WIRE_NAME.
 */
#include <string.h>

#include "wire/amqp_method.h"
#include "wire/fields.h"
#include "wire/frame.h"
#include "wire/parser.h"

#define PROTOCOL_HEADER "AMQP\0\0\x09\x01"
#define PROTOCOL_HEADER_LENGTH 8
#define FRAME_HEADER 7
#define FRAME_END 0xce
#define FRAME_SIZE_MAX (1u << 26)
#define METHOD_HEADER 4
#define CONTENT_HEADER 14
#define GUESS_MAX 900 /* a frame that is longer is not waited for */
#define TEXT_ROOM 120
#define CONFIRMING 16 /* channels in confirm mode that are told apart */
#define BASIC 60
#define BASIC_GET_OK 71
#define BASIC_GET_EMPTY 72
#define BASIC_ACK 80
#define BASIC_NACK 120
#define CONFIRM 85
#define CONNECTION 10
#define CHANNEL 20

enum frame_type { FRAME_METHOD = 1, FRAME_CONTENT = 2, FRAME_BODY = 3, FRAME_HEARTBEAT = 8 };

/* A message whose content is not complete. */
struct amqp_content {
    uint64_t left; /* of the body, once `sized` */
    uint64_t bytes;
    uint32_t sequence; /* of the request that it answers */
    uint32_t flags;
    uint16_t channel;
    uint16_t status;
    uint8_t method; /* index in amqp_methods.def */
    uint8_t text_length;
    bool active;
    bool sized;
    bool cut;
    bool first_said;
    char text[TEXT_ROOM];
};

struct amqp_pending {
    uint16_t channel;
    uint8_t class_id;
    uint8_t reply;     /* method that answers it */
    uint16_t sequence; /* its last 16 bits */
    uint16_t tag;      /* likewise, of a publish's delivery tag */
};

struct amqp {
    struct frame_head head[2];
    struct amqp_content content[2];
    uint32_t next; /* sequence */
    uint8_t pending_count;
    bool lost[2];
    struct {
        uint16_t channel; /* 0: none */
        uint16_t tag;     /* of the latest publish, its last 16 bits */
    } confirming[CONFIRMING];
    struct amqp_pending pending[WIRE_PENDING]; /* oldest first */
};
_Static_assert(sizeof(struct amqp) <= WIRE_STATE_SIZE, "AMQP's state fits");

/* One frame on its way through. */
struct amqp_call {
    struct amqp *a;
    const struct wire_sink *sink;
    enum wire_side from;
    uint16_t channel;
    uint64_t bytes;
};

static void message_say(const struct amqp_call *c, struct wire_message *m)
{
    m->protocol = WIRE_AMQP;
    m->from = c->from;
    m->ttl_ms = -1;
    if (m->kind != WIRE_NAME && m->kind != WIRE_FIRST) {
        m->flags |= c->a->lost[c->from] ? WIRE_LOST : 0;
        c->a->lost[c->from] = false;
    }
    c->sink->message(c->sink->context, m);
}

static void response_say(const struct amqp_call *c, uint32_t sequence, uint64_t bytes, uint64_t elements,
                         const char *status, uint32_t flags)
{
    struct wire_message m = {.kind = WIRE_RESPONSE, .sequence = sequence, .bytes = bytes, .elements = elements};
    m.flags = flags;
    m.status = status;
    m.status_length = strlen(status);
    message_say(c, &m);
}

/* ---- requests in flight ---- */

static uint32_t pending_sequence(const struct amqp *a, size_t i)
{
    return a->next - (uint16_t)(a->next - a->pending[i].sequence);
}

static void pending_remove(struct amqp *a, size_t i)
{
    a->pending_count--;
    memmove(&a->pending[i], &a->pending[i + 1], (a->pending_count - i) * sizeof(a->pending[0]));
}

static void pending_add(struct amqp *a, struct amqp_pending p)
{
    if (a->pending_count == WIRE_PENDING)
        pending_remove(a, 0);
    p.sequence = (uint16_t)a->next;
    a->pending[a->pending_count++] = p;
}

/* The oldest that `reply` answers, WIRE_PENDING: none; its sequence is put into *sequence, and it is not pending. */
static bool pending_take(struct amqp *a, uint16_t channel, uint8_t class_id, uint8_t reply, uint32_t *sequence)
{
    for (size_t i = 0; i < a->pending_count; i++) {
        const struct amqp_pending *p = &a->pending[i];
        if (p->channel != channel || p->class_id != class_id || p->reply != reply)
            continue;
        *sequence = pending_sequence(a, i);
        pending_remove(a, i);
        return true;
    }
    return false;
}

/* ---- publisher confirms ---- */

static uint16_t *confirming_find(struct amqp *a, uint16_t channel)
{
    for (size_t i = 0; channel != 0 && i < CONFIRMING; i++)
        if (a->confirming[i].channel == channel)
            return &a->confirming[i].tag;
    return NULL;
}

static void confirming_end(struct amqp *a, uint16_t channel)
{
    for (size_t i = 0; i < CONFIRMING; i++)
        if (a->confirming[i].channel == channel || channel == 0)
            a->confirming[i].channel = 0;
}

static void confirming_begin(struct amqp *a, uint16_t channel)
{
    for (size_t i = 0; i < CONFIRMING; i++) {
        if (a->confirming[i].channel != 0)
            continue;
        a->confirming[i].channel = channel;
        a->confirming[i].tag = 0;
        return;
    }
}

/* basic.ack and basic.nack of the server: delivery tag, and whether it is that of the last of several. */
static void confirms_take(const struct amqp_call *c, const uint8_t *arguments, size_t length, bool failed)
{
    struct amqp *a = c->a;
    uint64_t bytes = c->bytes;
    if (length < 9)
        return;
    uint16_t tag = field_be16(arguments + 6);
    bool several = arguments[8] & 1, all = several && field_be64(arguments) == 0;
    for (size_t i = 0; i < a->pending_count;) {
        const struct amqp_pending *p = &a->pending[i];
        uint16_t behind = (uint16_t)(tag - p->tag);
        if (p->channel != c->channel || p->reply != BASIC_ACK || p->class_id != BASIC ||
            !(all || behind == 0 || (several && behind < 0x8000))) {
            i++;
            continue;
        }
        uint32_t sequence = pending_sequence(a, i);
        pending_remove(a, i);
        response_say(c, sequence, bytes, 0, failed ? "NACK" : "", failed ? WIRE_FAILED : 0);
        bytes = 0; /* one frame for all of them */
    }
}

/* ---- what methods are reported as ---- */

static const char *status_text(uint16_t status, char text[6])
{
    char *at = text + 5;
    *at = '\0';
    for (; status > 0; status /= 10)
        *--at = (char)('0' + status % 10);
    return at;
}

static void request_say(const struct amqp_call *c, const struct amqp_method *method, struct wire_message *m,
                        bool no_reply)
{
    struct amqp *a = c->a;
    uint16_t *tag = method->kind == AMQP_SEND && method->reply == 0 ? confirming_find(a, c->channel) : NULL;
    struct amqp_pending p = {c->channel, method->class_id, method->reply, 0, 0};
    bool publish = m->flags & WIRE_WRITE && method->kind == AMQP_SEND;
    if (publish && tag) {
        p.reply = BASIC_ACK;
        p.tag = ++*tag;
    } else if (no_reply || method->kind == AMQP_SEND) {
        m->flags |= WIRE_NO_REPLY;
    }
    m->kind = WIRE_REQUEST;
    m->verb = method->verb;
    m->verb_length = strlen(method->verb);
    m->sequence = a->next;
    m->repeats = 1;
    if (!(m->flags & WIRE_NO_REPLY))
        pending_add(a, p);
    a->next++;
    message_say(c, m);
}

static void push_say(const struct amqp_call *c, const struct amqp_method *method, struct wire_message *m,
                     uint16_t status)
{
    char text[6];
    m->kind = WIRE_PUSH;
    m->verb = method->verb;
    m->verb_length = strlen(method->verb);
    m->status = status_text(status, text);
    m->status_length = strlen(m->status);
    message_say(c, m);
}

/* The server closes a channel, or with channel 0 the connection: nothing on it is answered any more. */
static void close_take(const struct amqp_call *c, uint16_t status)
{
    struct amqp *a = c->a;
    char text[6];
    const char *name = status_text(status, text);
    for (size_t i = 0; i < a->pending_count;) {
        if (c->channel != 0 && a->pending[i].channel != c->channel) {
            i++;
            continue;
        }
        uint32_t sequence = pending_sequence(a, i);
        pending_remove(a, i);
        response_say(c, sequence, 0, 0, name, WIRE_FAILED);
    }
    confirming_end(a, c->channel);
}

/* ---- contents ---- */

static void content_say(struct amqp *a, enum wire_side from, const struct wire_sink *sink)
{
    struct amqp_content *t = &a->content[from];
    const struct amqp_method *method = amqp_method_at(t->method);
    const struct amqp_call c = {a, sink, from, t->channel, t->bytes};
    struct wire_message m = {.bytes = t->bytes, .flags = t->flags, .text = t->text, .text_length = t->text_length};
    m.flags |= t->cut ? WIRE_TRUNCATED : 0;
    t->active = false;
    if (method->kind == AMQP_REPLY)
        response_say(&c, t->sequence, t->bytes, 1, "", 0);
    else if (from == WIRE_CLIENT)
        request_say(&c, method, &m, false);
    else
        push_say(&c, method, &m, t->status);
}

static void content_begin(const struct amqp_call *c, int method, const struct amqp_arguments *arguments,
                          uint32_t sequence)
{
    struct amqp_content *t = &c->a->content[c->from];
    /* Of contents that alternate on several channels, the bytes up to there are counted. */
    if (t->active)
        content_say(c->a, c->from, c->sink);
    *t = (struct amqp_content){.bytes = c->bytes, .sequence = sequence, .flags = amqp_method_at(method)->flags};
    t->channel = c->channel;
    t->status = arguments->status;
    t->method = (uint8_t)method;
    t->active = true;
    t->cut = arguments->text.cut;
    t->text_length = (uint8_t)arguments->text.length;
    memcpy(t->text, arguments->text.text, arguments->text.length);
}

static void content_take(const struct amqp_call *c, const struct frame *f)
{
    struct amqp_content *t = &c->a->content[c->from];
    uint64_t size = f->length - FRAME_HEADER - 1;
    if (!t->active || t->channel != c->channel)
        return;
    t->bytes += c->bytes;
    if (f->bytes[0] == FRAME_CONTENT) {
        t->left = field_be64(f->bytes + FRAME_HEADER + 4);
        t->sized = true;
    } else {
        t->left -= size < t->left ? size : t->left;
    }
    if (t->sized && t->left == 0)
        content_say(c->a, c->from, c->sink);
}

/* ---- methods ---- */

static void method_of_client(const struct amqp_call *c, int index, const struct amqp_arguments *a)
{
    const struct amqp_method *method = amqp_method_at(index);
    struct wire_message m = {.bytes = c->bytes, .flags = method->flags, .text = a->text.text};
    struct wire_message name = {.kind = WIRE_NAME, .text = (const char *)a->vhost, .text_length = a->vhost_length};
    if (method->kind > AMQP_SEND)
        return;
    if (a->vhost_length > 0)
        message_say(c, &name);
    if (a->content) {
        content_begin(c, index, a, 0);
        return;
    }
    m.text_length = a->text.length;
    m.flags |= a->text.cut ? WIRE_TRUNCATED : 0;
    if (method->class_id == CONFIRM)
        confirming_begin(c->a, c->channel);
    else if (method->class_id <= CHANNEL && a->status)
        confirming_end(c->a, c->channel); /* close */
    request_say(c, method, &m, a->no_wait);
}

static void method_of_server(const struct amqp_call *c, int index, const struct amqp_arguments *a,
                             const uint8_t *arguments, size_t length)
{
    const struct amqp_method *method = amqp_method_at(index);
    struct wire_message m = {.bytes = c->bytes, .flags = method->flags, .text = a->text.text};
    uint32_t sequence = 0;
    uint8_t reply = method->method_id == BASIC_GET_EMPTY ? BASIC_GET_OK : method->method_id;
    m.text_length = a->text.length;
    m.flags |= a->text.cut ? WIRE_TRUNCATED : 0;
    if (method->kind == AMQP_REPLY) {
        if (!pending_take(c->a, c->channel, method->class_id, reply, &sequence))
            return;
        if (a->content)
            content_begin(c, index, a, sequence);
        else
            response_say(c, sequence, c->bytes, a->elements, "", 0);
    } else if (method->kind == AMQP_SEND) {
        if (method->method_id == BASIC_ACK || method->method_id == BASIC_NACK)
            confirms_take(c, arguments, length, method->method_id == BASIC_NACK);
    } else if (a->content) {
        content_begin(c, index, a, 0);
    } else if (method->kind != AMQP_SILENT) {
        if (a->status) {
            m.flags |= a->status >= 300 ? WIRE_FAILED : 0;
            close_take(c, a->status);
        }
        push_say(c, method, &m, a->status);
    }
}

static void method_take(const struct amqp_call *c, const struct frame *f)
{
    const uint8_t *at = f->bytes + FRAME_HEADER;
    size_t there = f->held - FRAME_HEADER - METHOD_HEADER - (f->held == f->length);
    char text[TEXT_ROOM];
    struct amqp_arguments a = {.text = {text, sizeof(text), 0, false}};
    int index = amqp_method_find(field_be16(at), field_be16(at + 2));
    if (index < 0)
        return;
    const uint8_t *arguments = at + METHOD_HEADER;
    amqp_arguments_read(amqp_method_at(index), arguments, there, &a);
    if (c->from == WIRE_CLIENT)
        method_of_client(c, index, &a);
    else
        method_of_server(c, index, &a, arguments, there);
}

/* ---- frames ---- */

static uint64_t amqp_frame_length(const uint8_t *header, void *context)
{
    uint32_t size = field_be32(header + 3);
    (void)context;
    if (memcmp(header, PROTOCOL_HEADER, FRAME_HEADER) == 0)
        return PROTOCOL_HEADER_LENGTH;
    if (size > FRAME_SIZE_MAX)
        return 0;
    switch (header[0]) {
    case FRAME_METHOD:
        return size >= METHOD_HEADER ? FRAME_HEADER + (uint64_t)size + 1 : 0;
    case FRAME_CONTENT:
        return size >= CONTENT_HEADER ? FRAME_HEADER + (uint64_t)size + 1 : 0;
    case FRAME_BODY:
        return FRAME_HEADER + (uint64_t)size + 1;
    case FRAME_HEARTBEAT:
        return size == 0 ? FRAME_HEADER + 1 : 0;
    default:
        return 0;
    }
}

static bool frame_parse(struct amqp *a, enum wire_side from, const struct frame *f, const struct wire_sink *sink)
{
    const struct amqp_call c = {a, sink, from, field_be16(f->bytes + 1), f->length};
    if (f->bytes[0] == PROTOCOL_HEADER[0])
        return true;
    if (f->held == f->length && f->bytes[f->length - 1] != FRAME_END)
        return false;
    if (f->bytes[0] == FRAME_METHOD)
        method_take(&c, f);
    else if (f->bytes[0] != FRAME_HEARTBEAT)
        content_take(&c, f);
    return true;
}

/* At the end of a chunk: a message that was asked for has begun to come. */
static void first_say(struct amqp *a, const struct wire_sink *sink)
{
    struct amqp_content *t = &a->content[WIRE_SERVER];
    const struct amqp_call c = {a, sink, WIRE_SERVER, t->channel, 0};
    struct wire_message m = {.kind = WIRE_FIRST, .sequence = t->sequence};
    if (!t->active || t->first_said || amqp_method_at(t->method)->kind != AMQP_REPLY)
        return;
    t->first_said = true;
    message_say(&c, &m);
}

static bool amqp_feed(void *state, enum wire_side from, const uint8_t *bytes, size_t length,
                      const struct wire_sink *sink)
{
    struct amqp *a = state;
    struct frame_input in = {bytes, length};
    struct frame f;
    enum frame_result got;
    while ((got = frame_take(&a->head[from], &in, FRAME_HEADER, amqp_frame_length, NULL, &f)) == FRAME_WHOLE)
        if (!frame_parse(a, from, &f, sink))
            return false;
    if (from == WIRE_SERVER)
        first_say(a, sink);
    return got != FRAME_WRONG;
}

static void amqp_start(void *state)
{
    (void)state;
}

static void amqp_gap(void *state, enum wire_side from, uint64_t length)
{
    struct amqp *a = state;
    if (frame_skip(&a->head[from], FRAME_HEADER, length))
        return;
    a->lost[from] = true;
    a->content[from].active = false;
}

/* Any frame: type, size and, where it is all there, its end; a method that exists. */
static enum wire_guess amqp_guess(const uint8_t *bytes, size_t length, enum wire_side from)
{
    if (from == WIRE_CLIENT && FIELD_BEGINS(bytes, length, PROTOCOL_HEADER))
        return length >= PROTOCOL_HEADER_LENGTH ? WIRE_GUESS_YES : WIRE_GUESS_MORE;
    if (bytes[0] < FRAME_METHOD || (bytes[0] > FRAME_BODY && bytes[0] != FRAME_HEARTBEAT))
        return WIRE_GUESS_NO;
    if (length < FRAME_HEADER)
        return length > 4 && field_be16(bytes + 3) != 0 ? WIRE_GUESS_NO : WIRE_GUESS_MORE;
    uint64_t whole = amqp_frame_length(bytes, NULL);
    if (whole == 0 || whole > GUESS_MAX)
        return WIRE_GUESS_NO;
    if (bytes[0] == FRAME_METHOD && length >= FRAME_HEADER + METHOD_HEADER &&
        amqp_method_find(field_be16(bytes + FRAME_HEADER), field_be16(bytes + FRAME_HEADER + 2)) < 0)
        return WIRE_GUESS_NO;
    if (bytes[0] == FRAME_CONTENT && length >= FRAME_HEADER + 4 && field_be32(bytes + FRAME_HEADER) != BASIC << 16)
        return WIRE_GUESS_NO;
    if (length < whole)
        return WIRE_GUESS_MORE;
    return bytes[whole - 1] == FRAME_END ? WIRE_GUESS_YES : WIRE_GUESS_NO;
}

const struct wire_parser amqp_parser = {.guess = amqp_guess, .start = amqp_start, .feed = amqp_feed, .gap = amqp_gap};
