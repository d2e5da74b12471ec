/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/pgsql.h"

#define UNNAMED 0

/* `message` has everything but its sequence. */
static void request(struct pgsql *s, struct wire_message *m, uint8_t kind, const struct wire_sink *sink)
{
    m->kind = WIRE_REQUEST;
    m->protocol = WIRE_PGSQL;
    m->from = WIRE_CLIENT;
    m->sequence = s->queue.next;
    m->repeats = 1;
    m->bytes = s->asked_bytes;
    m->ttl_ms = -1;
    m->flags |= (s->in_transaction ? WIRE_IN_TRANSACTION : 0) | (s->lost_said ? WIRE_LOST : 0);
    s->lost_said = false;
    s->asked_bytes = 0;
    s->round = ROUND_NOTHING;
    s->described = false;
    if (s->turns.lost[WIRE_SERVER]) {
        queue_clear(&s->queue);
        s->closing = false;
        memset(s->error, 0, sizeof(s->error));
    }
    int place = queue_push(&s->queue);
    if (place != WIRE_QUEUE_NONE)
        s->kinds[place] = kind;
    if (m->flags & WIRE_NO_REPLY)
        queue_pop(&s->queue);
    sink->message(sink->context, m);
}

/* A text that ends in a zero byte, at *at, which moves behind it. False: its end is not there. */
static bool text_take(const struct pgsql_message *m, size_t *at, const uint8_t **text, size_t *length)
{
    const uint8_t *zero = *at < m->held ? memchr(m->contents + *at, 0, m->held - *at) : NULL;
    *text = m->contents + *at;
    *length = zero ? (size_t)(zero - *text) : m->held - *at;
    *at += *length + (zero ? 1 : 0);
    return zero != NULL;
}

/* The number that a statement or a portal of this name is kept by. */
static uint32_t name_number(const uint8_t *name, size_t length)
{
    uint64_t hash = length ? field_hash(name, length) : UNNAMED;
    return (uint32_t)(hash ^ hash >> 32) | (length > 0);
}

static void transaction_follow(struct pgsql *s, enum sql_transaction transaction)
{
    if (transaction != SQL_SAME)
        s->in_transaction = transaction == SQL_BEGINS;
}

static void query(struct pgsql *s, const struct pgsql_message *m, const struct wire_sink *sink)
{
    struct wire_message w = {0};
    struct sql_digest d;
    const uint8_t *text;
    size_t at = 0, length;
    bool whole = text_take(m, &at, &text, &length);
    sql_digest(&d, text, length, whole, SQL_PGSQL, s->escapes);
    sql_describe(&d, &w);
    request(s, &w, KIND_ROUND | KIND_LAST, sink);
    transaction_follow(s, d.transaction);
}

static void parse(struct pgsql *s, const struct pgsql_message *m)
{
    struct sql_digest d;
    const uint8_t *name, *text;
    size_t at = 0, name_length, length;
    if (!text_take(m, &at, &name, &name_length))
        return;
    bool whole = text_take(m, &at, &text, &length);
    sql_digest(&d, text, length, whole, SQL_PGSQL, s->escapes);
    s->round = ROUND_PARSE;
    s->round_statement = name_number(name, name_length);
    statements_put(&s->statements, s->round_statement, &d);
}

static struct pgsql_portal *portal_find(struct pgsql *s, uint32_t portal)
{
    for (size_t i = 0; i < PGSQL_PORTALS; i++)
        if (s->portals[i].portal == portal)
            return &s->portals[i];
    return NULL;
}

static void bind(struct pgsql *s, const struct pgsql_message *m)
{
    const uint8_t *name;
    size_t at = 0, length;
    if (!text_take(m, &at, &name, &length))
        return;
    uint32_t portal = name_number(name, length);
    struct pgsql_portal *p = portal_find(s, portal);
    if (!p) {
        s->portal_next = (uint8_t)(s->portal_next % (PGSQL_PORTALS - 1) + 1);
        p = &s->portals[s->portal_next];
    }
    p->portal = portal;
    text_take(m, &at, &name, &length);
    p->statement = name_number(name, length);
}

static void execute(struct pgsql *s, const struct pgsql_message *m, const struct wire_sink *sink)
{
    struct wire_message w = {.verb = "EXECUTE", .verb_length = 7};
    enum sql_transaction transaction = SQL_SAME;
    const uint8_t *name;
    size_t at = 0, length;
    text_take(m, &at, &name, &length);
    const struct pgsql_portal *p = portal_find(s, name_number(name, length));
    if (p && statements_describe(&s->statements, p->statement, &w, &transaction))
        w.flags |= p->statement != UNNAMED ? WIRE_PREPARED : 0;
    else
        w.flags |= WIRE_PREPARED;
    request(s, &w, KIND_EXECUTE, sink);
    transaction_follow(s, transaction);
    s->executed = true;
}

/* A statement or a portal is described or closed. */
static void named(struct pgsql *s, const struct pgsql_message *m)
{
    const uint8_t *name;
    size_t at = 1, length;
    bool whole = text_take(m, &at, &name, &length);
    if (m->type == 'D') {
        s->described = true;
        s->round = s->round == ROUND_NOTHING ? ROUND_DESCRIBE : s->round;
    } else {
        s->round = s->round == ROUND_NOTHING ? ROUND_CLOSE : s->round;
        if (whole && m->contents[0] == 'S')
            statements_remove(&s->statements, name_number(name, length));
    }
}

/* What was sent without executing anything is waited for as well. */
static void round_request(struct pgsql *s, uint8_t kind, const struct wire_sink *sink)
{
    static const char *const verbs[] = {"SYNC", "PREPARE", "DESCRIBE", "CLOSE"};
    static const uint8_t lengths[] = {4, 7, 8, 5};
    struct wire_message w = {0}, known = {0};
    enum sql_transaction transaction;
    if (s->round == ROUND_PARSE && statements_describe(&s->statements, s->round_statement, &known, &transaction)) {
        w.text = known.text;
        w.text_length = known.text_length;
        w.flags = known.flags & WIRE_TRUNCATED;
    }
    w.verb = verbs[s->round];
    w.verb_length = lengths[s->round];
    request(s, &w, kind, sink);
}

static void synced(struct pgsql *s, const struct wire_sink *sink)
{
    uint32_t last = s->queue.next - 1;
    if (s->executed && s->round == ROUND_NOTHING && queue_count(&s->queue) > 0) {
        if (s->queue.known >> last % WIRE_PENDING & 1)
            s->kinds[last % WIRE_PENDING] |= KIND_LAST;
        s->asked_bytes = 0;
    } else {
        round_request(s, (s->round == ROUND_NOTHING ? KIND_SYNC : KIND_ROUND) | KIND_LAST, sink);
    }
    s->executed = false;
}

static void flushed(struct pgsql *s, const struct wire_sink *sink)
{
    if (s->round == ROUND_NOTHING)
        return;
    uint8_t kind = s->described ? KIND_DESCRIBE : s->round == ROUND_PARSE ? KIND_PARSE : KIND_CLOSE;
    round_request(s, kind, sink);
    s->executed = true;
}

static void short_request(struct pgsql *s, const char *verb, size_t length, bool replied, const struct wire_sink *sink)
{
    struct wire_message w = {.verb = verb, .verb_length = length, .flags = replied ? 0 : WIRE_NO_REPLY};
    request(s, &w, KIND_ROUND | KIND_LAST, sink);
}

/* {name, 0, value, 0} …: the database's name is kept, the user's is not. */
static void database_say(const struct pgsql_message *m, const struct wire_sink *sink)
{
    const uint8_t *name, *value;
    size_t at = 4, name_length, length;
    while (text_take(m, &at, &name, &name_length) && name_length > 0 && text_take(m, &at, &value, &length)) {
        if (name_length != 8 || memcmp(name, "database", 8) != 0)
            continue;
        struct wire_message w = {.kind = WIRE_NAME, .protocol = WIRE_PGSQL, .from = WIRE_CLIENT, .ttl_ms = -1};
        w.text = (const char *)value;
        w.text_length = length < WIRE_KEY_MAX ? length : WIRE_KEY_MAX;
        sink->message(sink->context, &w);
        return;
    }
}

static bool startup(struct pgsql *s, const struct pgsql_message *m, const struct wire_sink *sink)
{
    uint32_t code = field_be32(m->contents);
    switch (code) {
    case STARTUP_SSL:
    case STARTUP_GSS:
        s->upgrade_asked = true;
        s->asked_bytes = 0;
        return true;
    case STARTUP_CANCEL:
        short_request(s, "CANCEL", 6, false, sink);
        return true;
    default:
        if (code >> 16 != STARTUP_PROTOCOL_3 >> 16)
            return false;
        short_request(s, "CONNECT", 7, true, sink);
        database_say(m, sink);
        return true;
    }
}

static bool client_message(struct pgsql *s, const struct pgsql_message *m, const struct wire_sink *sink)
{
    /* If the recording begins in the middle, what the server has said so far may be the rest of anything. */
    if (s->queue.next == 0 && m->type != 0)
        frame_drop(&s->head[WIRE_SERVER]);
    s->asked_bytes += m->length + (m->type ? PGSQL_HEADER : PGSQL_STARTUP_HEADER);
    switch (m->type) {
    case 0:
        return startup(s, m, sink);
    case 'Q':
        query(s, m, sink);
        break;
    case 'P':
        parse(s, m);
        break;
    case 'B':
        bind(s, m);
        break;
    case 'E':
        execute(s, m, sink);
        break;
    case 'D':
    case 'C':
        named(s, m);
        break;
    case 'S':
        synced(s, sink);
        break;
    case 'H':
        flushed(s, sink);
        break;
    case 'F':
        short_request(s, "FUNCTION", 8, true, sink);
        break;
    case 'X':
        short_request(s, "QUIT", 4, false, sink);
        break;
    default: /* data of a COPY, passwords */
        s->asked_bytes = 0;
    }
    return true;
}

static uint64_t client_length(const uint8_t *header, void *context)
{
    (void)context;
    uint32_t length = field_be32(header + 1);
    return pgsql_is_message(WIRE_CLIENT, header[0], length) ? (uint64_t)length + 1 : 0;
}

static uint64_t server_length(const uint8_t *header, void *context)
{
    (void)context;
    uint32_t length = field_be32(header + 1);
    return pgsql_is_message(WIRE_SERVER, header[0], length) ? (uint64_t)length + 1 : 0;
}

static uint64_t startup_length(const uint8_t *header, void *context)
{
    (void)context;
    uint32_t length = field_be32(header);
    return length >= 8 && length <= 10000 ? length : 0;
}

static bool message_take(struct pgsql *s, enum wire_side from, struct frame_input *in, const struct wire_sink *sink,
                         bool *right)
{
    struct frame_head *head = &s->head[from];
    struct frame f;
    uint8_t first = frame_begun(head) ? head->bytes[0] : *in->at;
    bool typed = from == WIRE_SERVER || first != 0;
    enum frame_result result;
    if (typed)
        result = frame_take(head, in, PGSQL_HEADER, from == WIRE_SERVER ? server_length : client_length, NULL, &f);
    else
        result = frame_take(head, in, PGSQL_STARTUP_HEADER, startup_length, NULL, &f);
    *right = result != FRAME_WRONG;
    if (result != FRAME_WHOLE)
        return false;
    size_t header = typed ? PGSQL_HEADER : PGSQL_STARTUP_HEADER;
    struct pgsql_message m = {f.bytes + header, f.held - header, f.length - header, typed ? f.bytes[0] : 0};
    *right = from == WIRE_SERVER ? pgsql_server_message(s, &m, sink) : client_message(s, &m, sink);
    return *right;
}

/* The byte that answers a request for TLS or GSS encryption. An error message may come instead. */
static void upgrade_answer(struct pgsql *s, struct frame_input *in, const struct wire_sink *sink)
{
    uint8_t answer = *in->at;
    s->upgrade_asked = false;
    if (answer == 'E')
        return;
    in->at++;
    in->left--;
    s->opaque = answer != 'N';
    if (answer == 'S')
        sink->message(
            sink->context,
            &(struct wire_message){.kind = WIRE_UPGRADE, .protocol = WIRE_PGSQL, .from = WIRE_SERVER, .ttl_ms = -1});
}

static void first_say(struct pgsql *s, const struct wire_sink *sink)
{
    if (s->first_said || queue_count(&s->queue) == 0 || (s->reply_bytes == 0 && !frame_begun(&s->head[WIRE_SERVER])))
        return;
    s->first_said = true;
    sink->message(sink->context, &(struct wire_message){.kind = WIRE_FIRST,
                                                        .protocol = WIRE_PGSQL,
                                                        .from = WIRE_SERVER,
                                                        .sequence = s->queue.oldest,
                                                        .ttl_ms = -1});
}

static void pgsql_start(void *state)
{
    (void)state;
}

static bool pgsql_feed(void *state, enum wire_side from, const uint8_t *bytes, size_t length,
                       const struct wire_sink *sink)
{
    struct pgsql *s = state;
    struct frame_input in = {bytes, length};
    bool right = true;
    if (s->opaque || unlikely(!turns_understood(&s->turns, from)))
        return true;
    if (unlikely(s->upgrade_asked) && from == WIRE_SERVER)
        upgrade_answer(s, &in, sink);
    while (in.left > 0 && !s->opaque && message_take(s, from, &in, sink, &right))
        ;
    if (from == WIRE_SERVER && !s->opaque)
        first_say(s, sink);
    return right;
}

static void pgsql_gap(void *state, enum wire_side from, uint64_t length)
{
    struct pgsql *s = state;
    if (frame_skip(&s->head[from], PGSQL_HEADER, length))
        return;
    frame_drop(&s->head[!from]);
    turns_lose(&s->turns, from);
    s->lost_said = true;
    s->asked_bytes = s->reply_bytes = s->reply_rows = s->rows = 0;
    s->round = ROUND_NOTHING;
    s->executed = s->described = s->first_said = false;
}

const struct wire_parser pgsql_parser = {
    .guess = pgsql_guess, .start = pgsql_start, .feed = pgsql_feed, .gap = pgsql_gap};
