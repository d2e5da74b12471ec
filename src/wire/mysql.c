/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/mysql.h"

/* Looked up by the command's number; those without a row do not exist. Names are the protocol's, or SQL's word for it.
 */
static const struct mysql_command_row {
    const char *verb;
    uint8_t verb_length;
    uint8_t answer;
} commands[256] = {
#define COMMAND(number, verb, answer) [number] = {verb, sizeof(verb) - 1, answer},
    COMMAND(COM_QUIT, "QUIT", ANSWER_NONE) COMMAND(COM_INIT_DB, "USE", ANSWER_OK)
        COMMAND(COM_QUERY, "QUERY", ANSWER_RESULT) COMMAND(COM_FIELD_LIST, "FIELD LIST", ANSWER_FIELDS)
            COMMAND(0x05, "CREATE DB", ANSWER_OK) COMMAND(0x06, "DROP DB", ANSWER_OK)
                COMMAND(0x07, "REFRESH", ANSWER_OK) COMMAND(0x08, "SHUTDOWN", ANSWER_OK)
                    COMMAND(COM_STATISTICS, "STATISTICS", ANSWER_TEXT) COMMAND(0x0a, "PROCESS INFO", ANSWER_RESULT)
                        COMMAND(0x0c, "KILL", ANSWER_OK) COMMAND(0x0d, "DEBUG", ANSWER_OK)
                            COMMAND(COM_PING, "PING", ANSWER_OK) COMMAND(COM_CHANGE_USER, "CONNECT", ANSWER_LOGIN)
                                COMMAND(0x12, "BINLOG DUMP", ANSWER_TEXT) /* events without end */
    COMMAND(0x15, "REGISTER REPLICA", ANSWER_OK) COMMAND(COM_STMT_PREPARE, "PREPARE", ANSWER_PREPARED)
        COMMAND(COM_STMT_EXECUTE, "EXECUTE", ANSWER_RESULT) COMMAND(COM_STMT_SEND_LONG_DATA, "LONG DATA", ANSWER_NONE)
            COMMAND(COM_STMT_CLOSE, "CLOSE STATEMENT", ANSWER_NONE)
                COMMAND(COM_STMT_RESET, "RESET STATEMENT", ANSWER_OK) COMMAND(0x1b, "SET OPTION", ANSWER_OK)
                    COMMAND(COM_STMT_FETCH, "FETCH", ANSWER_ROWS) COMMAND(0x1e, "BINLOG DUMP", ANSWER_TEXT)
                        COMMAND(COM_RESET_CONNECTION, "RESET CONNECTION", ANSWER_OK)
                            COMMAND(COM_STMT_BULK_EXECUTE, "EXECUTE", ANSWER_RESULT)
#undef COMMAND
};

/* Bytes of a command that stand before its text or its parameters: a statement's number, flags, iterations. */
#define EXECUTE_FIXED 10
#define STATEMENT_LAST UINT32_MAX /* MariaDB: the one prepared last */

void mysql_request(struct mysql *s, struct wire_message *m, enum mysql_answer answer, const struct wire_sink *sink)
{
    bool alone = queue_count(&s->queue) == 0;
    m->kind = WIRE_REQUEST;
    m->protocol = WIRE_MYSQL;
    m->from = WIRE_CLIENT;
    m->sequence = s->queue.next;
    m->repeats = 1;
    m->ttl_ms = -1;
    m->flags |= (answer == ANSWER_NONE ? WIRE_NO_REPLY : 0) | (s->in_transaction ? WIRE_IN_TRANSACTION : 0) |
                (s->lost_said ? WIRE_LOST : 0);
    s->lost_said = false;
    int place = queue_push(&s->queue);
    if (place != WIRE_QUEUE_NONE)
        s->answers[place] = answer;
    if (answer == ANSWER_NONE && alone)
        queue_pop(&s->queue);
    sink->message(sink->context, m);
}

void mysql_respond(struct mysql *s, uint16_t error, const struct wire_sink *sink)
{
    char status[5];
    size_t at = sizeof(status);
    for (uint16_t e = error; e > 0; e /= 10)
        status[--at] = (char)('0' + e % 10);
    struct wire_message m = {
        .kind = WIRE_RESPONSE,
        .protocol = WIRE_MYSQL,
        .from = WIRE_SERVER,
        .flags = error ? WIRE_FAILED : 0,
        .sequence = s->queue.oldest,
        .status = status + at,
        .status_length = sizeof(status) - at,
        .bytes = s->reply_bytes,
        .elements = s->reply_rows,
        .ttl_ms = -1,
    };
    do
        queue_pop(&s->queue);
    while (queue_front(&s->queue) != WIRE_QUEUE_NONE && mysql_answer_front(s) == ANSWER_NONE);
    s->reply_bytes = s->reply_rows = 0;
    s->first_said = false;
    sink->message(sink->context, &m);
}

void mysql_name(const uint8_t *name, size_t length, const struct wire_sink *sink)
{
    struct wire_message m = {.kind = WIRE_NAME, .protocol = WIRE_MYSQL, .from = WIRE_CLIENT, .ttl_ms = -1};
    m.text = (const char *)name;
    m.text_length = length < WIRE_KEY_MAX ? length : WIRE_KEY_MAX;
    sink->message(sink->context, &m);
}

/* Where the statement of a COM_QUERY begins. With query attributes numbers of parameters stand before it, and their
   values too if there are any: then it is not looked for. */
static size_t query_text_at(const struct mysql *s, const struct mysql_packet *p)
{
    bool maybe = s->capabilities & CLIENT_QUERY_ATTRIBUTES || s->capabilities == 0;
    if (!maybe || p->held < 3 || p->payload[2] != 1)
        return 1;
    return p->payload[1] == 0 ? 3 : p->held;
}

static void digest_describe(struct mysql *s, const struct sql_digest *d, struct wire_message *m)
{
    sql_describe(d, m);
    s->in_transaction = d->transaction == SQL_SAME ? s->in_transaction : d->transaction == SQL_BEGINS;
}

static void command_query(struct mysql *s, const struct mysql_packet *p, struct wire_message *m,
                          const struct wire_sink *sink)
{
    struct sql_digest d;
    size_t at = query_text_at(s, p);
    bool before = s->in_transaction;
    if (at < p->held) {
        sql_digest(&d, p->payload + at, p->held - at, p->held == p->length, SQL_MYSQL, s->escapes);
        digest_describe(s, &d, m);
    }
    bool after = s->in_transaction;
    s->in_transaction = before;
    mysql_request(s, m, ANSWER_RESULT, sink);
    s->in_transaction = after;
}

static void command_prepare(struct mysql *s, const struct mysql_packet *p, struct wire_message *m,
                            const struct wire_sink *sink)
{
    struct sql_digest d;
    sql_digest(&d, p->payload + 1, p->held - 1, p->held == p->length, SQL_MYSQL, s->escapes);
    statements_put(&s->statements, s->queue.next | UINT32_C(0x80000000), &d);
    m->text = d.text;
    m->text_length = d.length;
    m->flags = d.flags & WIRE_TRUNCATED;
    mysql_request(s, m, ANSWER_PREPARED, sink);
}

/* Execution, fetch, reset and so on of a prepared statement. */
static void command_statement(struct mysql *s, const struct mysql_packet *p, struct wire_message *m,
                              const struct wire_sink *sink)
{
    uint8_t command = p->payload[0];
    uint32_t id = field_le32(p->payload + 1);
    struct wire_message known = *m;
    enum sql_transaction transaction;
    if (id == STATEMENT_LAST)
        id = statements_last(&s->statements);
    if (statements_describe(&s->statements, id, &known, &transaction)) {
        if (command == COM_STMT_EXECUTE || command == COM_STMT_BULK_EXECUTE) {
            *m = known;
        } else {
            m->text = known.text;
            m->text_length = known.text_length;
        }
    }
    m->flags |= WIRE_PREPARED;
    mysql_request(s, m, (enum mysql_answer)commands[command].answer, sink);
    if (command == COM_STMT_CLOSE)
        statements_remove(&s->statements, id);
}

/* How long a command's payload is at least. */
static size_t command_length(uint8_t command)
{
    switch (command) {
    case COM_STMT_EXECUTE:
        return EXECUTE_FIXED;
    case COM_STMT_BULK_EXECUTE:
    case COM_STMT_SEND_LONG_DATA:
        return 7;
    case COM_STMT_CLOSE:
    case COM_STMT_RESET:
    case COM_STMT_FETCH:
        return 5;
    default:
        return 1;
    }
}

static bool command_packet(struct mysql *s, const struct mysql_packet *p, const struct wire_sink *sink)
{
    const struct mysql_command_row *row = &commands[p->payload[0]];
    struct wire_message m = {.verb = row->verb, .verb_length = row->verb_length, .bytes = p->length + MYSQL_HEADER};
    if (row->answer == ANSWER_INVALID || p->held < command_length(p->payload[0]))
        return false;
    if (s->turns.lost[WIRE_SERVER]) {
        queue_clear(&s->queue);
        s->reply = REPLY_BEGIN;
        s->reply_bytes = s->reply_rows = 0;
    }
    switch (p->payload[0]) {
    case COM_QUERY:
        command_query(s, p, &m, sink);
        break;
    case COM_STMT_PREPARE:
        command_prepare(s, p, &m, sink);
        break;
    case COM_STMT_EXECUTE:
    case COM_STMT_BULK_EXECUTE:
    case COM_STMT_FETCH:
    case COM_STMT_RESET:
    case COM_STMT_CLOSE:
    case COM_STMT_SEND_LONG_DATA:
        command_statement(s, p, &m, sink);
        break;
    default:
        mysql_request(s, &m, (enum mysql_answer)row->answer, sink);
        if (p->payload[0] == COM_INIT_DB)
            mysql_name(p->payload + 1, p->held - 1, sink);
        else if (p->payload[0] == COM_CHANGE_USER)
            mysql_change_user(s, p, sink);
    }
    return true;
}

static bool client_packet(struct mysql *s, const struct mysql_packet *p, const struct wire_sink *sink)
{
    if (s->phase == PHASE_LOGIN || (s->phase == PHASE_NEW && p->number != 0))
        return mysql_login_client(s, p, sink);
    /* The recording begins in the middle: what the server has said so far may be the rest of anything. */
    if (s->phase == PHASE_NEW)
        frame_drop(&s->head[WIRE_SERVER]);
    s->phase = PHASE_COMMANDS;
    /* A file for LOAD DATA, an answer to a challenge, the rest of a command longer than a packet. */
    if (p->number != 0)
        return queue_count(&s->queue) > 0;
    return p->held > 0 && command_packet(s, p, sink);
}

static bool server_packet(struct mysql *s, const struct mysql_packet *p, const struct wire_sink *sink)
{
    bool rest = s->goes_on;
    s->goes_on = p->length == MYSQL_PACKET_MAX;
    s->reply_bytes += p->length + MYSQL_HEADER;
    if (rest)
        return true;
    if (s->phase == PHASE_NEW && !mysql_greeting(s, p)) {
        s->phase = PHASE_COMMANDS;
        turns_lose(&s->turns, WIRE_SERVER);
    }
    if (queue_count(&s->queue) == 0) {
        s->reply_bytes = 0;
        return true;
    }
    bool right = mysql_reply(s, p, sink);
    if (s->phase == PHASE_LOGIN && queue_count(&s->queue) == 0)
        s->phase = s->capabilities & (CLIENT_COMPRESS | CLIENT_ZSTD) ? PHASE_COMPRESSED : PHASE_COMMANDS;
    return right;
}

/*
 * Compressed packets: {3 bytes length, 1 byte number, 3 bytes length before compression}, the latter 0 for those that
 * are too short to be worth it. What was asked in the others is not known, nor where answers end: the first packet
 * counts.
 */
static bool compressed_packet(struct mysql *s, enum wire_side from, const struct frame *f, const struct wire_sink *sink)
{
    bool plain = field_le24(f->bytes + 4) == 0 && f->held >= MYSQL_COMPRESSED_HEADER + MYSQL_HEADER + 1;
    const uint8_t *inner = f->bytes + MYSQL_COMPRESSED_HEADER;
    struct mysql_packet p = {inner + MYSQL_HEADER, 0, 0, 0};
    if (plain) {
        p.length = field_le24(inner);
        p.held = f->held - MYSQL_COMPRESSED_HEADER - MYSQL_HEADER;
        p.held = p.length < p.held ? (size_t)p.length : p.held;
        p.number = inner[3];
    }
    if (from == WIRE_SERVER) {
        s->reply_bytes = f->length;
        if (queue_count(&s->queue) > 0)
            mysql_respond(s, plain ? mysql_error(&p) : 0, sink);
        return true;
    }
    if (plain && p.number == 0 && p.held > 0)
        return command_packet(s, &p, sink);
    struct wire_message m = {.verb = "QUERY", .verb_length = 5, .flags = WIRE_COMPRESSED, .bytes = f->length};
    if (f->bytes[3] == 0)
        mysql_request(s, &m, ANSWER_RESULT, sink);
    return true;
}

static uint64_t plain_length(const uint8_t *header, void *context)
{
    (void)context;
    return field_le24(header) + MYSQL_HEADER;
}

static uint64_t compressed_length(const uint8_t *header, void *context)
{
    (void)context;
    return field_le24(header) + MYSQL_COMPRESSED_HEADER;
}

/* The next packet in `in`, and what it says. */
static bool packet_take(struct mysql *s, enum wire_side from, struct frame_input *in, const struct wire_sink *sink,
                        bool *right)
{
    struct frame f;
    struct frame_head *head = &s->head[from];
    if (s->phase == PHASE_COMPRESSED) {
        if (frame_take(head, in, MYSQL_COMPRESSED_HEADER, compressed_length, NULL, &f) != FRAME_WHOLE)
            return false;
        *right = compressed_packet(s, from, &f, sink);
        return *right;
    }
    if (frame_take(head, in, MYSQL_HEADER, plain_length, NULL, &f) != FRAME_WHOLE)
        return false;
    struct mysql_packet p = {f.bytes + MYSQL_HEADER, f.held - MYSQL_HEADER, f.length - MYSQL_HEADER, f.bytes[3]};
    *right = from == WIRE_CLIENT ? client_packet(s, &p, sink) : server_packet(s, &p, sink);
    return *right && !s->turns.lost[from];
}

static void first_say(struct mysql *s, const struct wire_sink *sink)
{
    if (s->first_said || queue_count(&s->queue) == 0 || (s->reply_bytes == 0 && !frame_begun(&s->head[WIRE_SERVER])))
        return;
    s->first_said = true;
    sink->message(sink->context, &(struct wire_message){.kind = WIRE_FIRST,
                                                        .protocol = WIRE_MYSQL,
                                                        .from = WIRE_SERVER,
                                                        .sequence = s->queue.oldest,
                                                        .ttl_ms = -1});
}

static void mysql_start(void *state)
{
    (void)state;
}

static bool mysql_feed(void *state, enum wire_side from, const uint8_t *bytes, size_t length,
                       const struct wire_sink *sink)
{
    struct mysql *s = state;
    struct frame_input in = {bytes, length};
    bool right = true;
    if (unlikely(!turns_understood(&s->turns, from)))
        return true;
    while (in.left > 0 && s->phase != PHASE_OPAQUE && packet_take(s, from, &in, sink, &right))
        ;
    if (from == WIRE_SERVER)
        first_say(s, sink);
    return right;
}

static void mysql_gap(void *state, enum wire_side from, uint64_t length)
{
    struct mysql *s = state;
    size_t header = s->phase == PHASE_COMPRESSED ? MYSQL_COMPRESSED_HEADER : MYSQL_HEADER;
    if (frame_skip(&s->head[from], header, length))
        return;
    frame_drop(&s->head[!from]);
    turns_lose(&s->turns, from);
    s->lost_said = true;
    s->goes_on = false;
}

const struct wire_parser mysql_parser = {
    .guess = mysql_guess, .start = mysql_start, .feed = mysql_feed, .gap = mysql_gap};
