/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PostgreSQL's frontend/backend protocol 3, in parts: pgsql.c (what clients ask), pgsql_reply.c, pgsql_guess.c.
 * https://www.postgresql.org/docs/15/protocol-message-formats.html
 *
 * Messages are {1 byte type, 4 bytes length that counts itself, contents}; a client's first ones have no type.
 */
#ifndef CPROBE_WIRE_PGSQL_H
#define CPROBE_WIRE_PGSQL_H

#include "wire/fields.h"
#include "wire/frame.h"
#include "wire/parser.h"
#include "wire/queue.h"
#include "wire/statements.h"
#include "wire/turns.h"

#define PGSQL_HEADER 5
#define PGSQL_STARTUP_HEADER 4
#define PGSQL_PORTALS 5
#define PGSQL_STATE 5 /* bytes of an error's SQLSTATE */

/* The second word of a message without a type. */
enum pgsql_startup {
    STARTUP_PROTOCOL_3 = 3 << 16,
    STARTUP_CANCEL = 80877102,
    STARTUP_SSL = 80877103,
    STARTUP_GSS = 80877104,
};

/* What answers a request, in the low bits of its place in `kinds`. */
enum pgsql_kind {
    KIND_EXECUTE,  /* CommandComplete, EmptyQueryResponse or PortalSuspended. Also: nothing is known of it */
    KIND_ROUND,    /* ReadyForQuery */
    KIND_SYNC,     /* that too; nothing was asked that an earlier error could have made fail */
    KIND_PARSE,    /* ParseComplete: it was flushed, not synced */
    KIND_DESCRIBE, /* a description, likewise */
    KIND_CLOSE,    /* CloseComplete, likewise */
    KIND_MASK = 0x0f,
    KIND_LAST = 0x80, /* a ReadyForQuery follows before the next request's answer */
};

/* What a client has sent since its last request that is a round trip by itself if nothing is executed. */
enum pgsql_round {
    ROUND_NOTHING,
    ROUND_PARSE,
    ROUND_DESCRIBE,
    ROUND_CLOSE,
};

struct pgsql_portal {
    uint32_t portal; /* hash of its name; 0: the unnamed one */
    uint32_t statement;
};

struct pgsql {
    struct frame_head head[2];
    struct wire_queue queue;
    uint8_t kinds[WIRE_PENDING];
    struct statements statements;               /* by hash of their name; 0: the unnamed one */
    struct pgsql_portal portals[PGSQL_PORTALS]; /* the first is the unnamed one */
    uint64_t asked_bytes;
    uint64_t reply_bytes;
    uint64_t reply_rows; /* as commands completed tell */
    uint32_t rows;       /* seen since then */
    uint32_t round_statement;
    char error[PGSQL_STATE]; /* since the last ReadyForQuery; "": none */
    uint8_t portal_next;
    uint8_t round;      /* enum pgsql_round */
    bool described;     /* a description was asked for since the last request */
    bool executed;      /* since the last Sync */
    bool closing;       /* the next ReadyForQuery belongs to a request that is answered already */
    bool upgrade_asked; /* one byte answers it */
    bool opaque;
    uint8_t escapes; /* enum sql_escapes */
    bool in_transaction;
    bool first_said; /* WIRE_FIRST, of this reply */
    bool lost_said;  /* the next request is the first one after a loss */
    struct wire_turns turns;
};
_Static_assert(sizeof(struct pgsql) <= WIRE_STATE_SIZE, "a conversation's state holds it");

/* A message's contents, of which `held` bytes can be looked at. */
struct pgsql_message {
    const uint8_t *contents;
    size_t held;
    uint64_t length;
    uint8_t type; /* 0: it has none */
};

/* Whether a message of this type, with these contents' length, can be. */
bool pgsql_is_message(enum wire_side from, uint8_t type, uint32_t length);

bool pgsql_server_message(struct pgsql *s, const struct pgsql_message *m, const struct wire_sink *sink);

enum wire_guess pgsql_guess(const uint8_t *bytes, size_t length, enum wire_side from);

#endif
