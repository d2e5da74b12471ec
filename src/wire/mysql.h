/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The MySQL and MariaDB client/server protocol, in parts: mysql.c (commands), mysql_login.c, mysql_reply.c.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html,
 * https://mariadb.com/kb/en/clientserver-protocol/
 *
 * Packets are {3 bytes length, 1 byte number within the exchange, payload}. A command's first packet has number 0.
 */
#ifndef CPROBE_WIRE_MYSQL_H
#define CPROBE_WIRE_MYSQL_H

#include "wire/fields.h"
#include "wire/frame.h"
#include "wire/parser.h"
#include "wire/queue.h"
#include "wire/statements.h"
#include "wire/turns.h"

#define MYSQL_HEADER 4
#define MYSQL_COMPRESSED_HEADER 7
#define MYSQL_PACKET_MAX 0xffffff /* a packet this long goes on in the next one */

/* Commands: include/mysql_com.h of the server. */
enum mysql_command {
    COM_QUIT = 0x01,
    COM_INIT_DB = 0x02,
    COM_QUERY = 0x03,
    COM_FIELD_LIST = 0x04,
    COM_STATISTICS = 0x09,
    COM_PING = 0x0e,
    COM_CHANGE_USER = 0x11,
    COM_STMT_PREPARE = 0x16,
    COM_STMT_EXECUTE = 0x17,
    COM_STMT_SEND_LONG_DATA = 0x18,
    COM_STMT_CLOSE = 0x19,
    COM_STMT_RESET = 0x1a,
    COM_STMT_FETCH = 0x1c,
    COM_RESET_CONNECTION = 0x1f,
    COM_STMT_BULK_EXECUTE = 0xfa, /* MariaDB */
};

/* What answers a command. */
enum mysql_answer {
    ANSWER_INVALID, /* no such command */
    ANSWER_NONE,
    ANSWER_OK,       /* OK, EOF or error */
    ANSWER_RESULT,   /* that, or result sets */
    ANSWER_PREPARED, /* a statement's number, definitions of its parameters and columns */
    ANSWER_FIELDS,   /* column definitions */
    ANSWER_ROWS,     /* rows without column definitions */
    ANSWER_TEXT,     /* one packet */
    ANSWER_LOGIN,    /* any number of challenges, then OK or error */
};

enum mysql_capability {
    CLIENT_LONG_PASSWORD = 1 << 0, /* MariaDB's servers leave it out to say that they have capabilities beyond 32 */
    CLIENT_CONNECT_WITH_DB = 1 << 3,
    CLIENT_COMPRESS = 1 << 5,
    CLIENT_PROTOCOL_41 = 1 << 9,
    CLIENT_SSL = 1 << 11,
    CLIENT_SECURE_CONNECTION = 1 << 15,
    CLIENT_PLUGIN_AUTH_LENENC = 1 << 21,
    CLIENT_DEPRECATE_EOF = 1 << 24,
    CLIENT_OPTIONAL_METADATA = 1 << 25,
    CLIENT_ZSTD = 1 << 26,
    CLIENT_QUERY_ATTRIBUTES = 1 << 27,
};
#define MARIADB_CACHE_METADATA (1 << 4) /* of the capabilities beyond 32 */

enum mysql_status {
    STATUS_IN_TRANSACTION = 0x0001,
    STATUS_MORE_RESULTS = 0x0008,
    STATUS_CURSOR = 0x0040,
    STATUS_NO_BACKSLASH_ESCAPES = 0x0200,
};

enum mysql_phase {
    PHASE_NEW,
    PHASE_LOGIN,
    PHASE_COMMANDS,
    PHASE_COMPRESSED,
    PHASE_OPAQUE,
};

enum mysql_reply {
    REPLY_BEGIN,       /* the next packet begins a reply, or the next result of one */
    REPLY_COLUMNS,     /* `definitions` of them to come */
    REPLY_COLUMNS_END, /* the EOF behind them, if there is one */
    REPLY_ROWS,
    REPLY_FIELDS,
    REPLY_PARAMETERS, /* of a prepared statement: `definitions` to come, then `columns` */
    REPLY_PARAMETERS_END,
    REPLY_PREPARED, /* its columns */
    REPLY_PREPARED_END,
};

/* Whether definitions end in an EOF packet. */
enum mysql_eof {
    EOF_UNKNOWN,
    EOF_SENT,
    EOF_DEPRECATED,
};

struct mysql {
    struct frame_head head[2];
    struct wire_queue queue;
    uint8_t answers[WIRE_PENDING]; /* enum mysql_answer */
    struct statements statements;
    uint64_t reply_bytes;
    uint64_t reply_rows;
    uint32_t capabilities;
    uint16_t definitions;
    uint16_t columns;
    uint8_t phase;
    uint8_t reply;
    uint8_t eof;
    uint8_t escapes;      /* enum sql_escapes */
    bool mariadb;         /* capabilities beyond 32 were said */
    bool cached_metadata; /* column definitions may be left out, which a byte says */
    bool in_transaction;
    bool goes_on;    /* the server's last packet was MYSQL_PACKET_MAX long */
    bool first_said; /* WIRE_FIRST, of this reply */
    bool lost_said;  /* the next request is the first one after a loss */
    struct wire_turns turns;
};
_Static_assert(sizeof(struct mysql) <= WIRE_STATE_SIZE, "a conversation's state holds it");

/* One payload, of which `held` bytes can be looked at. */
struct mysql_packet {
    const uint8_t *payload;
    size_t held;
    uint64_t length;
    uint8_t number;
};

/* A number as the protocol writes it ("length-encoded integer") at *at, which moves behind it. False: not there. */
bool mysql_number(const struct mysql_packet *p, size_t *at, uint64_t *value);

/* A request was seen; `m` has everything but its sequence. */
void mysql_request(struct mysql *s, struct wire_message *m, enum mysql_answer answer, const struct wire_sink *sink);

/* The oldest request is answered. `error`: 0 for success. */
void mysql_respond(struct mysql *s, uint16_t error, const struct wire_sink *sink);

/* The other side's name: a database. */
void mysql_name(const uint8_t *name, size_t length, const struct wire_sink *sink);

/* Log-in, both sides. False: this is no log-in. */
bool mysql_login_client(struct mysql *s, const struct mysql_packet *p, const struct wire_sink *sink);
bool mysql_is_response(const uint8_t *payload, size_t held);
bool mysql_greeting(struct mysql *s, const struct mysql_packet *p);
void mysql_change_user(const struct mysql *s, const struct mysql_packet *p, const struct wire_sink *sink);

/* A packet of the server in answer to the oldest request. False: it makes no sense. */
bool mysql_reply(struct mysql *s, const struct mysql_packet *p, const struct wire_sink *sink);

enum wire_guess mysql_guess(const uint8_t *bytes, size_t length, enum wire_side from);

/* Error code of an error packet; 0: it is none. */
uint16_t mysql_error(const struct mysql_packet *p);

static inline enum mysql_answer mysql_answer_front(const struct mysql *s)
{
    int place = queue_front(&s->queue);
    return place == WIRE_QUEUE_NONE ? ANSWER_RESULT : (enum mysql_answer)s->answers[place];
}

#endif
