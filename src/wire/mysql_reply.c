/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a MySQL server answers. Of rows only the number is looked at.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html
 * https://mariadb.com/kb/en/result-set-packets/
 */
#include "wire/mysql.h"

#define PACKET_OK 0x00
#define PACKET_INFILE 0xfb
#define PACKET_EOF 0xfe /* also an OK that ends a result set, where EOF is deprecated */
#define PACKET_ERROR 0xff
#define ERROR_PROGRESS 0xffff /* MariaDB tells how far it is in the shape of an error */
#define EOF_LENGTH 5
#define COLUMNS_MAX 4096 /* a table's; of a view or a join too */

bool mysql_number(const struct mysql_packet *p, size_t *at, uint64_t *value)
{
    if (*at >= p->held)
        return false;
    uint8_t first = p->payload[*at];
    size_t size = first < 0xfb ? 0 : first == 0xfc ? 2 : first == 0xfd ? 3 : 8;
    const uint8_t *bytes = p->payload + *at + 1;
    if (first == 0xfb || first == 0xff || p->held - *at - 1 < size)
        return false;
    *value = size == 0 ? first : size == 2 ? field_le16(bytes) : size == 3 ? field_le24(bytes) : field_le64(bytes);
    *at += 1 + size;
    return true;
}

uint16_t mysql_error(const struct mysql_packet *p)
{
    return p->held >= 3 && p->payload[0] == PACKET_ERROR ? field_le16(p->payload + 1) : 0;
}

static void status_learn(struct mysql *s, uint16_t status)
{
    s->in_transaction = status & STATUS_IN_TRANSACTION;
    s->escapes = status & STATUS_NO_BACKSLASH_ESCAPES ? SQL_ESCAPES_NO : SQL_ESCAPES_YES;
}

/* The status in an EOF packet, or in an OK packet whatever its first byte is. */
static uint16_t status_of(struct mysql *s, const struct mysql_packet *p, uint64_t *affected)
{
    size_t at = 1;
    uint64_t insert_id;
    uint16_t status = 0;
    *affected = 0;
    if (p->payload[0] == PACKET_EOF && p->length == EOF_LENGTH && p->held == EOF_LENGTH)
        status = field_le16(p->payload + 3);
    else if (mysql_number(p, &at, affected) && mysql_number(p, &at, &insert_id) && at + 2 <= p->held)
        status = field_le16(p->payload + at);
    else
        return 0;
    status_learn(s, status);
    return status;
}

/* A result is at its end; the reply is, unless another follows. */
static void result_end(struct mysql *s, const struct mysql_packet *p, const struct wire_sink *sink)
{
    uint64_t affected;
    uint16_t status = status_of(s, p, &affected);
    s->reply_rows += affected;
    s->reply = REPLY_BEGIN;
    if (!(status & STATUS_MORE_RESULTS))
        mysql_respond(s, 0, sink);
}

static bool is_eof(const struct mysql_packet *p)
{
    return p->payload[0] == PACKET_EOF && p->length == EOF_LENGTH;
}

/* Ends rows: EOF, or where that is deprecated an OK that looks like it. A row may begin with 0xfe only if its first
   value is longer than a packet. */
static bool ends_rows(const struct mysql *s, const struct mysql_packet *p)
{
    return p->payload[0] == PACKET_EOF && (s->eof == EOF_DEPRECATED ? p->length < MYSQL_PACKET_MAX : p->length < 9);
}

static void definitions_begin(struct mysql *s, uint16_t count, enum mysql_reply reply)
{
    s->definitions = count;
    s->reply = reply;
}

/* One more definition has come; behind the last follows `end`. */
static void definition_count(struct mysql *s, enum mysql_reply end)
{
    if (s->definitions > 0 && --s->definitions == 0)
        s->reply = end;
}

static bool result_begin(struct mysql *s, const struct mysql_packet *p)
{
    size_t at = 0;
    uint64_t columns;
    bool optional = s->capabilities & CLIENT_OPTIONAL_METADATA && !s->mariadb;
    bool follow = !optional || p->payload[at++] != 0;
    if (!mysql_number(p, &at, &columns) || columns == 0 || columns > COLUMNS_MAX)
        return false;
    if (s->cached_metadata && at < p->held)
        follow = p->payload[at++] != 0;
    if (at != p->length && s->eof != EOF_UNKNOWN)
        return false;
    definitions_begin(s, (uint16_t)columns, follow ? REPLY_COLUMNS : REPLY_COLUMNS_END);
    /* In a conversation that began before it was seen, whether definitions are left out is not known. */
    if (s->eof == EOF_UNKNOWN && at + 1 == p->length && p->payload[at] == 0)
        s->reply = REPLY_COLUMNS_END;
    return true;
}

static bool result_packet(struct mysql *s, const struct mysql_packet *p, const struct wire_sink *sink)
{
    switch (p->payload[0]) {
    case PACKET_OK:
        result_end(s, p, sink);
        return true;
    case PACKET_INFILE: /* the client sends a file now; what comes then is OK or an error */
        return true;
    case PACKET_EOF:
        /* Of an earlier reply, where it was not known whether one comes. */
        if (s->eof == EOF_UNKNOWN && is_eof(p) && p->number > 1)
            s->eof = EOF_SENT;
        else
            result_end(s, p, sink);
        return true;
    default:
        return result_begin(s, p);
    }
}

static void row_packet(struct mysql *s, const struct mysql_packet *p, const struct wire_sink *sink)
{
    if (ends_rows(s, p))
        result_end(s, p, sink);
    else
        s->reply_rows++;
}

/* Behind the column definitions: EOF, or the first row, or the end of no rows at all. */
static void columns_end(struct mysql *s, const struct mysql_packet *p, const struct wire_sink *sink)
{
    uint64_t affected;
    s->reply = REPLY_ROWS;
    if (s->eof == EOF_UNKNOWN)
        s->eof = is_eof(p) ? EOF_SENT : EOF_DEPRECATED;
    if (s->eof == EOF_DEPRECATED) {
        row_packet(s, p, sink);
    } else if (status_of(s, p, &affected) & STATUS_CURSOR) {
        /* rows are fetched by commands of their own */
        s->reply = REPLY_BEGIN;
        mysql_respond(s, 0, sink);
    }
}

static void prepared_end(struct mysql *s, const struct wire_sink *sink)
{
    s->reply = REPLY_BEGIN;
    mysql_respond(s, 0, sink);
}

/* All parameters, or all columns, of a prepared statement were defined. */
static void prepared_go_on(struct mysql *s, const struct wire_sink *sink)
{
    if (s->columns > 0) {
        definitions_begin(s, s->columns, REPLY_PREPARED);
        s->columns = 0;
    } else {
        prepared_end(s, sink);
    }
}

/* OK 1, statement 4, columns 2, parameters 2, filler 1, warnings 2. */
static bool prepared_packet(struct mysql *s, const struct mysql_packet *p, const struct wire_sink *sink)
{
    if (p->payload[0] != PACKET_OK || p->held < 12)
        return false;
    uint32_t pending = s->queue.oldest | UINT32_C(0x80000000);
    statements_rename(&s->statements, pending, field_le32(p->payload + 1));
    s->columns = field_le16(p->payload + 5);
    uint16_t parameters = field_le16(p->payload + 7);
    if (parameters > 0)
        definitions_begin(s, parameters, REPLY_PARAMETERS);
    else
        prepared_go_on(s, sink);
    return true;
}

/* Behind definitions of a prepared statement, where an EOF may stand. */
static void prepared_definition(struct mysql *s, const struct mysql_packet *p, const struct wire_sink *sink)
{
    bool parameters = s->reply == REPLY_PARAMETERS || s->reply == REPLY_PARAMETERS_END;
    if (s->definitions > 0) {
        definition_count(s, parameters ? REPLY_PARAMETERS_END : REPLY_PREPARED_END);
        /* Where it is not known whether an EOF follows the last, the reply is taken to be over. */
        if (s->definitions == 0 && (s->eof == EOF_DEPRECATED || (s->eof == EOF_UNKNOWN && s->columns == 0)))
            prepared_go_on(s, sink);
        return;
    }
    bool eof = is_eof(p);
    if (s->eof == EOF_UNKNOWN)
        s->eof = eof ? EOF_SENT : EOF_DEPRECATED;
    prepared_go_on(s, sink);
    if (!eof && s->reply == REPLY_PREPARED)
        definition_count(s, REPLY_PREPARED_END);
}

static bool first_packet(struct mysql *s, const struct mysql_packet *p, const struct wire_sink *sink)
{
    switch (mysql_answer_front(s)) {
    case ANSWER_PREPARED:
        return prepared_packet(s, p, sink);
    case ANSWER_ROWS:
        s->reply = REPLY_ROWS;
        row_packet(s, p, sink);
        return true;
    case ANSWER_FIELDS:
        s->reply = REPLY_FIELDS;
        row_packet(s, p, sink);
        return true;
    case ANSWER_TEXT:
        mysql_respond(s, 0, sink);
        return true;
    case ANSWER_LOGIN:
        if (p->payload[0] == PACKET_OK)
            result_end(s, p, sink);
        return true;
    case ANSWER_OK:
        result_end(s, p, sink);
        return true;
    default:
        return result_packet(s, p, sink);
    }
}

bool mysql_reply(struct mysql *s, const struct mysql_packet *p, const struct wire_sink *sink)
{
    if (p->held == 0)
        return false;
    if (p->payload[0] == PACKET_ERROR && p->held >= 3) {
        if (mysql_error(p) == ERROR_PROGRESS)
            return true;
        if (mysql_answer_front(s) == ANSWER_PREPARED)
            statements_remove(&s->statements, s->queue.oldest | UINT32_C(0x80000000));
        s->reply = REPLY_BEGIN;
        mysql_respond(s, mysql_error(p), sink);
        return true;
    }
    switch (s->reply) {
    case REPLY_COLUMNS:
        definition_count(s, REPLY_COLUMNS_END);
        return true;
    case REPLY_COLUMNS_END:
        columns_end(s, p, sink);
        return true;
    case REPLY_ROWS:
    case REPLY_FIELDS:
        row_packet(s, p, sink);
        return true;
    case REPLY_PARAMETERS:
    case REPLY_PARAMETERS_END:
    case REPLY_PREPARED:
    case REPLY_PREPARED_END:
        prepared_definition(s, p, sink);
        return true;
    default:
        return first_packet(s, p, sink);
    }
}
