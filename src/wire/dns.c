/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DNS (RFC 1035, section 4): over UDP each datagram is a message; over TCP two bytes of length stand before it.
 *
 * The question's type is the verb, its name, in lower case, the key; an operation that is no query is its own verb
 * (NOTIFY, UPDATE). Answers are matched by number and name. Every code but NOERROR has failed; an answer that did not
 * fit a datagram has the status "TC".
 */
#include <string.h>

#include "base/compiler.h"
#include "wire/fields.h"
#include "wire/frame.h"
#include "wire/parser.h"

#define HEADER 12
#define PREFIX 2 /* on streams */
#define NAME_MAX_LENGTH 255
#define LABEL_MAX 63
#define CLASS_INTERNET 1
#define CLASS_ANY 255
#define RECORDS_MAX 512 /* of a section, more than fit a message that is looked at by who guesses */
#define VERB_ROOM 12

enum dns_flags {
    FLAG_RESPONSE = 0x8000,
    FLAG_TRUNCATED = 0x0200,
    FLAG_Z = 0x0040, /* must be zero */
};
#define OPCODE(flags) ((flags) >> 11 & 0xf)
#define RCODE(flags) ((flags)&0xf)

enum dns_opcode { OPCODE_QUERY = 0, OPCODE_STATUS = 2, OPCODE_NOTIFY = 4, OPCODE_UPDATE = 5 };

/* https://www.iana.org/assignments/dns-parameters */
static const char *const rcodes[16] = {
    "",        "FORMERR", "SERVFAIL", "NXDOMAIN",  "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
    "NXRRSET", "NOTAUTH", "NOTZONE",  "DSOTYPENI", "RCODE12", "RCODE13", "RCODE14",  "RCODE15",
};

struct dns_pending {
    uint16_t id;
    uint16_t name; /* bits of the name's hash: numbers of several clients of one socket may be the same */
    uint32_t sequence;
};

struct dns {
    uint32_t next; /* sequence */
    uint8_t pending_count;
    bool lost[2];
    struct dns_pending pending[WIRE_PENDING]; /* oldest first */
    struct frame_head head[2];                /* on streams */
};
_Static_assert(sizeof(struct dns) <= WIRE_STATE_SIZE, "DNS's state fits");

/* What the header and the first question say. */
struct dns_message {
    uint16_t id;
    uint16_t flags;
    uint16_t questions;
    uint16_t answers;
    uint16_t type;
    uint16_t class;
    char name[WIRE_KEY_MAX]; /* its first bytes */
    size_t name_length;      /* of all of it */
    uint64_t name_hash;
};

static char printable(uint8_t c)
{
    uint8_t lower = (uint8_t)(c - 'A') < 26 ? c | 0x20 : c;
    return (char)(lower > ' ' && lower < 0x7f ? lower : '?');
}

static void name_put(struct dns_message *m, char c)
{
    if (m->name_length < WIRE_KEY_MAX)
        m->name[m->name_length] = c;
    m->name_length++;
    m->name_hash = field_hash_more(m->name_hash, &c, 1);
}

/* The name at bytes[at]; returns where it ends, 0: it is none, or not all there. A question's name is not compressed.
 */
static size_t name_read(const uint8_t *bytes, size_t held, size_t at, struct dns_message *m)
{
    size_t start = at;
    m->name_hash = FIELD_HASH_START;
    while (at < held) {
        uint8_t label = bytes[at++];
        if (label == 0)
            return at - start <= NAME_MAX_LENGTH ? at : 0;
        if (label > LABEL_MAX || held - at < label || at + label - start > NAME_MAX_LENGTH)
            return 0;
        if (m->name_length > 0)
            name_put(m, '.');
        for (size_t i = 0; i < label; i++)
            name_put(m, printable(bytes[at + i]));
        at += label;
    }
    return 0;
}

/* False: it is no DNS message, or has no question that can be read. */
static bool message_read(const uint8_t *bytes, size_t held, struct dns_message *m)
{
    *m = (struct dns_message){.id = 0};
    if (held < HEADER)
        return false;
    m->id = field_be16(bytes);
    m->flags = field_be16(bytes + 2);
    m->questions = field_be16(bytes + 4);
    m->answers = field_be16(bytes + 6);
    if (m->questions == 0)
        return false;
    size_t at = name_read(bytes, held, HEADER, m);
    if (at == 0 || held - at < 4)
        return false;
    m->type = field_be16(bytes + at);
    m->class = field_be16(bytes + at + 2);
    return true;
}

static size_t number_put(char *text, const char *before, uint16_t number)
{
    char digits[5];
    size_t n = 0, i = sizeof(digits);
    for (; before[n]; n++)
        text[n] = before[n];
    do
        digits[--i] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    memcpy(text + n, digits + i, sizeof(digits) - i);
    return n + sizeof(digits) - i;
}

static const char *type_name(uint16_t type)
{
    switch (type) {
#define TYPE(number, name) \
    case number:           \
        return #name;
#include "wire/dns_types.def"
#undef TYPE
    default:
        return NULL;
    }
}

/* Fills text[0..VERB_ROOM) where the verb has no name. */
static const char *verb_of(const struct dns_message *m, char *text, size_t *length)
{
    const char *name = OPCODE(m->flags) == OPCODE_QUERY    ? type_name(m->type)
                       : OPCODE(m->flags) == OPCODE_NOTIFY ? "NOTIFY"
                       : OPCODE(m->flags) == OPCODE_UPDATE ? "UPDATE"
                       : OPCODE(m->flags) == OPCODE_STATUS ? "STATUS"
                                                           : NULL;
    if (name) {
        *length = strlen(name);
        return name;
    }
    if (OPCODE(m->flags) == OPCODE_QUERY)
        *length = number_put(text, "TYPE", m->type);
    else
        *length = number_put(text, "OPCODE", (uint16_t)OPCODE(m->flags));
    return text;
}

static void message_say(struct dns *d, enum wire_side from, struct wire_message *m, const struct wire_sink *sink)
{
    m->protocol = WIRE_DNS;
    m->from = from;
    m->ttl_ms = -1;
    m->flags |= d->lost[from] ? WIRE_LOST : 0;
    d->lost[from] = false;
    sink->message(sink->context, m);
}

static void pending_remove(struct dns *d, size_t i)
{
    d->pending_count--;
    memmove(&d->pending[i], &d->pending[i + 1], (d->pending_count - i) * sizeof(d->pending[0]));
}

static void question_take(struct dns *d, const struct dns_message *q, uint64_t bytes, const struct wire_sink *sink)
{
    char text[VERB_ROOM];
    struct wire_message m = {.kind = WIRE_REQUEST, .sequence = d->next, .repeats = 1, .bytes = bytes};
    m.verb = verb_of(q, text, &m.verb_length);
    m.key = q->name;
    m.key_length = q->name_length < WIRE_KEY_MAX ? q->name_length : WIRE_KEY_MAX;
    m.key_hash = q->name_hash;
    m.flags = q->name_length > WIRE_KEY_MAX ? WIRE_TRUNCATED : 0;
    m.elements = q->questions;
    if (d->pending_count == WIRE_PENDING)
        pending_remove(d, 0);
    d->pending[d->pending_count++] = (struct dns_pending){q->id, (uint16_t)q->name_hash, d->next++};
    message_say(d, WIRE_CLIENT, &m, sink);
}

static void answer_take(struct dns *d, const struct dns_message *a, uint64_t bytes, const struct wire_sink *sink)
{
    struct wire_message m = {.kind = WIRE_RESPONSE, .bytes = bytes, .elements = a->answers};
    uint16_t code = RCODE(a->flags);
    size_t i = d->pending_count;
    while (i-- > 0)
        if (d->pending[i].id == a->id && d->pending[i].name == (uint16_t)a->name_hash)
            break;
    if (i >= d->pending_count)
        return;
    m.sequence = d->pending[i].sequence;
    m.flags = code ? WIRE_FAILED : 0;
    m.status = code == 0 && a->flags & FLAG_TRUNCATED ? "TC" : rcodes[code];
    m.status_length = strlen(m.status);
    pending_remove(d, i);
    message_say(d, WIRE_SERVER, &m, sink);
}

/* A whole message; who sent it must be who says such things. */
static void message_take(struct dns *d, enum wire_side from, const uint8_t *bytes, size_t held, uint64_t length,
                         const struct wire_sink *sink)
{
    struct dns_message m;
    if (!message_read(bytes, held, &m) || (m.flags & FLAG_RESPONSE) != (from == WIRE_SERVER ? FLAG_RESPONSE : 0))
        return;
    if (from == WIRE_CLIENT)
        question_take(d, &m, length, sink);
    else
        answer_take(d, &m, length, sink);
}

static bool datagram_feed(void *state, enum wire_side from, const uint8_t *bytes, size_t length,
                          const struct wire_sink *sink)
{
    message_take(state, from, bytes, length < WIRE_HEAD ? length : WIRE_HEAD, length, sink);
    return true;
}

static void dns_start(void *state)
{
    (void)state;
}

static void datagram_gap(void *state, enum wire_side from, uint64_t length)
{
    (void)length;
    ((struct dns *)state)->lost[from] = true;
}

/* A header without what nobody says, one question for something that exists, and as many records as have room. */
static bool message_is_likely(const uint8_t *bytes, size_t length, enum wire_side from)
{
    struct dns_message m;
    if (!message_read(bytes, length, &m))
        return false;
    if (m.questions != 1 || (m.class != CLASS_INTERNET && m.class != CLASS_ANY) || !type_name(m.type))
        return false;
    if (OPCODE(m.flags) != OPCODE_QUERY || m.flags & FLAG_Z)
        return false;
    if ((m.flags & FLAG_RESPONSE) != (from == WIRE_SERVER ? FLAG_RESPONSE : 0))
        return false;
    if (from == WIRE_CLIENT && (m.answers != 0 || RCODE(m.flags) != 0 || field_be16(bytes + 8) != 0))
        return false;
    return m.answers <= RECORDS_MAX && field_be16(bytes + 8) <= RECORDS_MAX && field_be16(bytes + 10) <= RECORDS_MAX;
}

static enum wire_guess datagram_guess(const uint8_t *bytes, size_t length, enum wire_side from)
{
    return message_is_likely(bytes, length, from) ? WIRE_GUESS_YES : WIRE_GUESS_NO;
}

/* ---- on streams (section 4.2.2) ---- */

static uint64_t stream_length(const uint8_t *prefix, void *context)
{
    uint16_t length = field_be16(prefix);
    (void)context;
    return length >= HEADER ? (uint64_t)PREFIX + length : 0;
}

static bool stream_feed(void *state, enum wire_side from, const uint8_t *bytes, size_t length,
                        const struct wire_sink *sink)
{
    struct dns *d = state;
    struct frame_input in = {bytes, length};
    struct frame f;
    enum frame_result got;
    while ((got = frame_take(&d->head[from], &in, PREFIX, stream_length, NULL, &f)) == FRAME_WHOLE)
        message_take(d, from, f.bytes + PREFIX, f.held - PREFIX, f.length, sink);
    return got != FRAME_WRONG;
}

static void stream_gap(void *state, enum wire_side from, uint64_t length)
{
    struct dns *d = state;
    if (!frame_skip(&d->head[from], PREFIX, length))
        d->lost[from] = true;
}

static enum wire_guess stream_guess(const uint8_t *bytes, size_t length, enum wire_side from)
{
    if (length < PREFIX)
        return WIRE_GUESS_MORE;
    uint64_t whole = stream_length(bytes, NULL);
    if (whole == 0 || (from == WIRE_CLIENT && whole > WIRE_HEAD))
        return WIRE_GUESS_NO;
    if (length > PREFIX && message_is_likely(bytes + PREFIX, length - PREFIX, from))
        return WIRE_GUESS_YES;
    if (length >= PREFIX + 6 && field_be16(bytes + PREFIX + 4) != 1)
        return WIRE_GUESS_NO;
    /* No more than the end of the question may be missing. */
    return length < whole && length < PREFIX + HEADER + NAME_MAX_LENGTH + 4 ? WIRE_GUESS_MORE : WIRE_GUESS_NO;
}

static const struct wire_parser stream_parser = {
    .guess = stream_guess, .start = dns_start, .feed = stream_feed, .gap = stream_gap};
const struct wire_parser dns_parser = {.guess = datagram_guess,
                                       .start = dns_start,
                                       .feed = datagram_feed,
                                       .gap = datagram_gap,
                                       .datagrams = true,
                                       .on_streams = &stream_parser};
