/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a PostgreSQL server answers. Requests are answered in order; an error skips what was asked up to the next Sync,
 * and ReadyForQuery answers that.
 * https://www.postgresql.org/docs/15/protocol-flow.html
 */
#include "wire/pgsql.h"

static uint8_t kind_front(const struct pgsql *s)
{
    int place = queue_front(&s->queue);
    return place == WIRE_QUEUE_NONE ? (uint8_t)KIND_EXECUTE : s->kinds[place];
}

static void respond(struct pgsql *s, const struct wire_sink *sink)
{
    bool failed = s->error[0] != '\0' && (kind_front(s) & KIND_MASK) != KIND_SYNC;
    struct wire_message m = {
        .kind = WIRE_RESPONSE,
        .protocol = WIRE_PGSQL,
        .from = WIRE_SERVER,
        .flags = failed ? WIRE_FAILED : 0,
        .sequence = s->queue.oldest,
        .status = s->error,
        .status_length = failed ? sizeof(s->error) : 0,
        .bytes = s->reply_bytes,
        .elements = s->reply_rows,
        .ttl_ms = -1,
    };
    queue_pop(&s->queue);
    s->reply_bytes = s->reply_rows = s->rows = 0;
    s->first_said = false;
    sink->message(sink->context, &m);
}

/* The oldest request is answered before the ReadyForQuery that may belong to it. */
static void respond_early(struct pgsql *s, const struct wire_sink *sink)
{
    s->closing = kind_front(s) & KIND_LAST;
    respond(s, sink);
}

static bool front_is(const struct pgsql *s, enum pgsql_kind kind)
{
    return queue_count(&s->queue) > 0 && (kind_front(s) & KIND_MASK) == kind;
}

/* Answers all up to the next Sync: it, and what an error made the server skip. */
static void ready(struct pgsql *s, const struct pgsql_message *m, const struct wire_sink *sink)
{
    bool last = s->closing;
    while (!last && queue_front(&s->queue) != WIRE_QUEUE_NONE) {
        last = kind_front(s) & KIND_LAST;
        respond(s, sink);
    }
    s->closing = false;
    s->reply_bytes = 0;
    memset(s->error, 0, sizeof(s->error));
    if (queue_count(&s->queue) == 0)
        s->in_transaction = m->contents[0] != 'I';
}

/* The number that ends a command's tag: "INSERT 0 5". */
static void complete(struct pgsql *s, const struct pgsql_message *m, const struct wire_sink *sink)
{
    uint64_t rows = 0;
    if (m->type == 'C' && m->held == m->length && m->held > 1) {
        size_t end = m->held - 1, at = end;
        while (at > 0 && field_is_digit(m->contents[at - 1]))
            at--;
        if (field_decimal(m->contents + at, end - at, &rows))
            s->reply_rows += rows;
    } else if (m->type == 's') {
        s->reply_rows += s->rows;
    }
    s->rows = 0;
    if (front_is(s, KIND_EXECUTE))
        respond_early(s, sink);
}

/* Fields {1 byte kind, text, 0}. */
static void error_read(struct pgsql *s, const struct pgsql_message *m, bool *fatal)
{
    const uint8_t *at = m->contents, *end = at + m->held;
    memcpy(s->error, "XX000", sizeof(s->error)); /* internal error: where the code was not seen */
    *fatal = false;
    while (at < end && *at != 0) {
        const uint8_t *text = at + 1, *zero = text < end ? memchr(text, 0, (size_t)(end - text)) : NULL;
        if (!zero)
            break;
        if (*at == 'C' && zero - text == PGSQL_STATE)
            memcpy(s->error, text, PGSQL_STATE);
        else if (*at == 'V' || *at == 'S')
            *fatal |= FIELD_IS(text, (size_t)(zero - text), "FATAL") || FIELD_IS(text, (size_t)(zero - text), "PANIC");
        at = zero + 1;
    }
}

static void failed(struct pgsql *s, const struct pgsql_message *m, const struct wire_sink *sink)
{
    bool fatal;
    error_read(s, m, &fatal);
    if (queue_count(&s->queue) == 0)
        return;
    int place = queue_front(&s->queue);
    if (front_is(s, KIND_SYNC)) /* a deferred constraint */
        s->kinds[place] = KIND_ROUND | KIND_LAST;
    if (fatal)
        respond(s, sink);
    else if (!front_is(s, KIND_ROUND))
        respond_early(s, sink);
}

/* {process 4, channel, 0, payload, 0} */
static void notified(const struct pgsql_message *m, const struct wire_sink *sink)
{
    const uint8_t *channel = m->contents + 4;
    const uint8_t *zero = m->held > 4 ? memchr(channel, 0, m->held - 4) : NULL;
    if (zero)
        sink->message(sink->context, &(struct wire_message){.kind = WIRE_PUSH,
                                                            .protocol = WIRE_PGSQL,
                                                            .from = WIRE_SERVER,
                                                            .verb = "NOTIFY",
                                                            .verb_length = 6,
                                                            .text = (const char *)channel,
                                                            .text_length = (size_t)(zero - channel) < WIRE_TEXT_MAX
                                                                               ? (size_t)(zero - channel)
                                                                               : WIRE_TEXT_MAX,
                                                            .bytes = m->length + PGSQL_HEADER,
                                                            .ttl_ms = -1});
}

static void parameter_learn(struct pgsql *s, const struct pgsql_message *m)
{
    static const char name[] = "standard_conforming_strings";
    if (m->held > sizeof(name) + 1 && memcmp(m->contents, name, sizeof(name)) == 0)
        s->escapes = m->contents[sizeof(name) + 1] == 'n' ? SQL_ESCAPES_NO : SQL_ESCAPES_YES;
}

/* The client sends data now. A Sync that it has sent already is ignored: it will send another. */
static void copy_in(struct pgsql *s)
{
    int place = queue_front(&s->queue);
    if (place == WIRE_QUEUE_NONE || !front_is(s, KIND_EXECUTE))
        return;
    s->kinds[place] &= (uint8_t)~KIND_LAST;
    s->executed = true;
}

bool pgsql_server_message(struct pgsql *s, const struct pgsql_message *m, const struct wire_sink *sink)
{
    s->reply_bytes += m->length + PGSQL_HEADER;
    switch (m->type) {
    case 'Z':
        ready(s, m, sink);
        break;
    case 'C':
    case 'I':
    case 's':
        complete(s, m, sink);
        break;
    case 'D':
        s->rows++;
        break;
    case 'E':
        failed(s, m, sink);
        break;
    case '1':
        if (front_is(s, KIND_PARSE))
            respond_early(s, sink);
        break;
    case 'T':
    case 'n':
        if (front_is(s, KIND_DESCRIBE))
            respond_early(s, sink);
        break;
    case '3':
        if (front_is(s, KIND_CLOSE))
            respond_early(s, sink);
        break;
    case 'G':
        copy_in(s);
        break;
    case 'W': /* a replica follows from here on, for hours: asking for it is answered */
        if (queue_count(&s->queue) > 0)
            respond_early(s, sink);
        break;
    case 'A':
        notified(m, sink);
        break;
    case 'S':
        parameter_learn(s, m);
        break;
    default:
        break;
    }
    if (queue_count(&s->queue) == 0)
        s->reply_bytes = s->rows = 0;
    return true;
}
