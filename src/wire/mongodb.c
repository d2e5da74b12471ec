/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MongoDB's wire protocol (https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/): OP_MSG,
 * OP_COMPRESSED, and of the older messages those that drivers still begin with.
 *
 * A command's name is the verb (log-ins are CONNECT, compressed messages COMPRESSED), its collection the text, its
 * filter's hash the key's. Answers are matched by number, whatever their order. Of an answer, the first WIRE_HEAD bytes
 * are looked at: rows of a larger batch are not counted. A write that the server accepted and did not do (writeErrors)
 * has failed.
 */
#include <string.h>

#include "wire/frame.h"
#include "wire/mongodb_command.h"
#include "wire/parser.h"

#define HEADER 16
#define LENGTH_MAX (49u << 20) /* maxMessageSizeBytes is 48,000,000 */

enum opcode {
    OP_REPLY = 1,
    OP_UPDATE = 2001,
    OP_INSERT = 2002,
    OP_QUERY = 2004,
    OP_GET_MORE = 2005,
    OP_DELETE = 2006,
    OP_KILL_CURSORS = 2007,
    OP_COMPRESSED = 2012,
    OP_MSG = 2013,
};

enum message_flags { MSG_CHECKSUM = 0x1, MSG_MORE_TO_COME = 0x2, MSG_EXHAUST_ALLOWED = 0x10000 };

struct mongodb_pending {
    uint32_t request;
    uint32_t sequence;
    bool cursor; /* its answer says where the iteration goes on */
};

struct mongodb {
    struct frame_head head[2];
    uint64_t database_hash; /* of the last one reported */
    uint32_t next;          /* sequence */
    uint8_t pending_count;
    bool lost[2];
    bool first_said;
    struct mongodb_pending pending[WIRE_PENDING]; /* oldest first */
};
_Static_assert(sizeof(struct mongodb) <= WIRE_STATE_SIZE, "MongoDB's state fits");

static void message_say(struct mongodb *s, enum wire_side from, struct wire_message *m, const struct wire_sink *sink)
{
    m->protocol = WIRE_MONGODB;
    m->from = from;
    m->ttl_ms = -1;
    if (m->kind != WIRE_NAME && m->kind != WIRE_FIRST && s->lost[from]) {
        m->flags |= WIRE_LOST;
        s->lost[from] = false;
    }
    sink->message(sink->context, m);
}

static struct mongodb_pending *pending_find(struct mongodb *s, uint32_t request)
{
    for (size_t i = s->pending_count; i-- > 0;)
        if (s->pending[i].request == request)
            return &s->pending[i];
    return NULL;
}

static void pending_remove(struct mongodb *s, struct mongodb_pending *p)
{
    s->pending_count--;
    memmove(p, p + 1, (size_t)(&s->pending[s->pending_count] - p) * sizeof(*p));
}

static void pending_add(struct mongodb *s, uint32_t request, bool cursor)
{
    if (s->pending_count == WIRE_PENDING)
        pending_remove(s, &s->pending[0]);
    s->pending[s->pending_count++] = (struct mongodb_pending){request, s->next, cursor};
}

static uint32_t opcode_of(const uint8_t *header)
{
    return field_le32(header + 12);
}

static bool opcode_is_known(uint32_t opcode)
{
    return opcode == OP_REPLY || (opcode >= OP_UPDATE && opcode <= OP_KILL_CURSORS) || opcode == OP_COMPRESSED ||
           opcode == OP_MSG;
}

static uint64_t mongodb_length(const uint8_t *header, void *context)
{
    uint32_t length = field_le32(header);
    (void)context;
    return length <= LENGTH_MAX && length >= HEADER + 4 && opcode_is_known(opcode_of(header)) ? length : 0;
}

/* ---- requests ---- */

/* The sections of an OP_MSG behind its flags: one document, and sequences of them. */
static bool sections_read(const uint8_t *at, const uint8_t *end, struct mongodb_command *c)
{
    bool found = false;
    while (end - at >= 5) {
        uint8_t kind = *at++;
        uint32_t size = field_le32(at);
        size_t held = size < (size_t)(end - at) ? size : (size_t)(end - at);
        if (size < 4 || kind > 1)
            break;
        if (kind == 0) {
            found |= mongodb_command_read(at, held, c);
        } else if (found && !c->secret && held > 4) {
            const uint8_t *zero = memchr(at + 4, 0, held - 4);
            if (zero)
                mongodb_statement_read((const char *)at + 4, (size_t)(zero - at - 4), zero + 1,
                                       held - (size_t)(zero + 1 - at), c);
        }
        at += held;
    }
    return found;
}

static void verb_set(struct mongodb_command *c, const char *verb, size_t length)
{
    memcpy(c->verb, verb, length);
    c->verb_length = length;
}
#define VERB_SET(c, literal) verb_set((c), literal, sizeof(literal) - 1)

/* A message older than OP_MSG: flags or nothing, "database.collection", and what depends on its kind. */
static bool legacy_read(const struct frame *f, struct mongodb_command *c, bool *no_reply)
{
    uint32_t opcode = opcode_of(f->bytes);
    const uint8_t *name = f->bytes + HEADER + 4, *end = f->bytes + f->held;
    if (opcode == OP_KILL_CURSORS) {
        VERB_SET(c, "KILLCURSORS");
        *no_reply = true;
        return true;
    }
    const uint8_t *zero = memchr(name, 0, (size_t)(end - name));
    const uint8_t *dot = zero ? memchr(name, '.', (size_t)(zero - name)) : NULL;
    if (!dot)
        return false;
    c->database = (const char *)name;
    c->database_length = (size_t)(dot - name);
    c->collection = (const char *)dot + 1;
    c->collection_length = (size_t)(zero - dot - 1);
    if (opcode == OP_QUERY && c->collection_length == 4 && memcmp(c->collection, "$cmd", 4) == 0) {
        c->collection_length = 0;
        return end - zero > 9 && mongodb_command_read(zero + 9, (size_t)(end - zero - 9), c);
    }
    if (opcode == OP_QUERY)
        VERB_SET(c, "QUERY");
    else if (opcode == OP_GET_MORE)
        VERB_SET(c, "GETMORE");
    else if (opcode == OP_INSERT)
        VERB_SET(c, "INSERT");
    else if (opcode == OP_UPDATE)
        VERB_SET(c, "UPDATE");
    else
        VERB_SET(c, "DELETE");
    *no_reply = opcode != OP_QUERY && opcode != OP_GET_MORE;
    c->flags |= *no_reply ? WIRE_WRITE : 0;
    return true;
}

/* False: it is no request. */
static bool request_read(const struct frame *f, struct mongodb_command *c, bool *no_reply)
{
    uint32_t opcode = opcode_of(f->bytes);
    if (opcode == OP_COMPRESSED) {
        VERB_SET(c, "COMPRESSED");
        c->flags = WIRE_COMPRESSED;
        return true;
    }
    if (opcode != OP_MSG)
        return opcode != OP_REPLY && legacy_read(f, c, no_reply);
    uint32_t flags = field_le32(f->bytes + HEADER);
    const uint8_t *end = f->bytes + f->held;
    if (flags & MSG_CHECKSUM && f->held == f->length && f->length >= HEADER + 8)
        end -= 4;
    *no_reply = flags & MSG_MORE_TO_COME;
    return sections_read(f->bytes + HEADER + 4, end, c);
}

/* The database, when it is not the one reported before: of commands on collections, as every driver asks `admin`
 * things. */
static void database_say(struct mongodb *s, const struct mongodb_command *c, const struct wire_sink *sink)
{
    struct wire_message m = {.kind = WIRE_NAME, .text = c->database, .text_length = c->database_length};
    if (c->database_length == 0 || c->database_length > WIRE_TEXT_MAX || c->collection_length == 0)
        return;
    uint64_t hash = field_hash(c->database, c->database_length);
    if (hash == s->database_hash)
        return;
    s->database_hash = hash;
    message_say(s, WIRE_CLIENT, &m, sink);
}

static void request_take(struct mongodb *s, const struct frame *f, const struct wire_sink *sink)
{
    struct mongodb_command c = {.flags = 0};
    struct wire_message m = {.kind = WIRE_REQUEST, .repeats = 1, .bytes = f->length};
    bool no_reply = false;
    if (!request_read(f, &c, &no_reply))
        return;
    database_say(s, &c, sink);
    m.sequence = s->next;
    m.flags = c.flags | (no_reply ? WIRE_NO_REPLY : 0) | (c.collection_length > WIRE_TEXT_MAX ? WIRE_TRUNCATED : 0);
    m.verb = c.verb;
    m.verb_length = c.verb_length;
    m.text = c.collection;
    m.text_length = c.collection_length < WIRE_TEXT_MAX ? c.collection_length : WIRE_TEXT_MAX;
    m.key_hash = c.filter_hash;
    m.elements = c.elements;
    m.cursor = c.cursor;
    if (!no_reply)
        pending_add(s, field_le32(f->bytes + 4), c.flags & WIRE_CURSOR);
    s->next++;
    message_say(s, WIRE_CLIENT, &m, sink);
}

/* ---- answers ---- */

static void reply_read(const struct frame *f, struct mongodb_reply *r)
{
    const uint8_t *end = f->bytes + f->held;
    const uint8_t *document = f->bytes + HEADER + (opcode_of(f->bytes) == OP_MSG ? 5 : 20);
    if (opcode_of(f->bytes) == OP_COMPRESSED || document >= end)
        return;
    mongodb_reply_read(document, (size_t)(end - document), r);
}

static void response_take(struct mongodb *s, const struct frame *f, const struct wire_sink *sink)
{
    struct mongodb_reply r = {.failed = false};
    struct wire_message m = {.kind = WIRE_RESPONSE, .bytes = f->length};
    struct mongodb_pending *p = pending_find(s, field_le32(f->bytes + 8));
    s->first_said = false;
    if (!p)
        return;
    reply_read(f, &r);
    m.sequence = p->sequence;
    m.flags = r.failed ? WIRE_FAILED : 0;
    m.flags |= opcode_of(f->bytes) == OP_COMPRESSED ? WIRE_COMPRESSED : 0;
    m.flags |= r.has_cursor && (p->cursor || r.cursor != 0) ? WIRE_CURSOR : 0;
    m.cursor = r.cursor;
    m.elements = r.elements;
    m.status = r.status;
    m.status_length = r.failed ? r.status_length : 0;
    pending_remove(s, p);
    message_say(s, WIRE_SERVER, &m, sink);
}

/* At the end of a chunk: an answer has begun and not ended. */
static void first_say(struct mongodb *s, const struct wire_sink *sink)
{
    const struct frame_head *h = &s->head[WIRE_SERVER];
    struct wire_message m = {.kind = WIRE_FIRST};
    if (h->used < HEADER || s->first_said)
        return;
    const struct mongodb_pending *p = pending_find(s, field_le32(h->bytes + 8));
    s->first_said = true;
    if (!p)
        return;
    m.sequence = p->sequence;
    message_say(s, WIRE_SERVER, &m, sink);
}

static bool mongodb_feed(void *state, enum wire_side from, const uint8_t *bytes, size_t length,
                         const struct wire_sink *sink)
{
    struct mongodb *s = state;
    struct frame_input in = {bytes, length};
    struct frame f;
    enum frame_result got;
    while ((got = frame_take(&s->head[from], &in, HEADER, mongodb_length, NULL, &f)) == FRAME_WHOLE) {
        if (from == WIRE_CLIENT)
            request_take(s, &f, sink);
        else
            response_take(s, &f, sink);
    }
    if (from == WIRE_SERVER)
        first_say(s, sink);
    return got != FRAME_WRONG;
}

static void mongodb_start(void *state)
{
    (void)state;
}

static void mongodb_gap(void *state, enum wire_side from, uint64_t length)
{
    struct mongodb *s = state;
    if (!frame_skip(&s->head[from], HEADER, length))
        s->lost[from] = true;
}

/* An OP_MSG with flags that exist, a section, and a document in it that begins as one; others by their header alone. */
static enum wire_guess mongodb_guess(const uint8_t *bytes, size_t length, enum wire_side from)
{
    if (length < HEADER) {
        if (length >= 4 && (field_le32(bytes) > LENGTH_MAX || field_le32(bytes) < HEADER + 4))
            return WIRE_GUESS_NO;
        return WIRE_GUESS_MORE;
    }
    uint64_t whole = mongodb_length(bytes, NULL);
    uint32_t opcode = opcode_of(bytes);
    if (whole == 0)
        return WIRE_GUESS_NO;
    if (opcode == OP_COMPRESSED)
        return WIRE_GUESS_YES;
    if (opcode != OP_MSG)
        return (opcode == OP_REPLY) == (from == WIRE_SERVER) ? WIRE_GUESS_YES : WIRE_GUESS_NO;
    if (length < HEADER + 4 + 1 + 4 + 1)
        return WIRE_GUESS_MORE;
    uint32_t flags = field_le32(bytes + HEADER), size = field_le32(bytes + HEADER + 5);
    if (flags & ~(uint32_t)(MSG_CHECKSUM | MSG_MORE_TO_COME | MSG_EXHAUST_ALLOWED) || bytes[HEADER + 4] > 1)
        return WIRE_GUESS_NO;
    return size >= BSON_EMPTY && size <= whole - HEADER - 5 ? WIRE_GUESS_YES : WIRE_GUESS_NO;
}

const struct wire_parser mongodb_parser = {
    .guess = mongodb_guess, .start = mongodb_start, .feed = mongodb_feed, .gap = mongodb_gap};
