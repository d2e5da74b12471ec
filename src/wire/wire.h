/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is said on a connection: bytes in, messages out.
 *
 * A conversation is one connection, both directions, seen from one end of it. It is fed every chunk that was sent or
 * received, of any size, in order; whole messages are reported to a sink as soon as they are complete. It allocates
 * nothing, keeps at most WIRE_HEAD bytes of a message, skips what lies behind, and looks at no clock. After a gap, or
 * bytes that make no sense, it finds the next message by itself.
 *
 * What it reports is fit to be kept: verbs, keys, sizes, statements without literals. Never a value, a password or a
 * bind parameter: a parser that is not sure what a piece of text is leaves it out.
 *
 * Not thread-safe: one thread at a time per conversation. Async-signal-safe.
 */
#ifndef CPROBE_WIRE_WIRE_H
#define CPROBE_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_HEAD 512     /* bytes of a message that are looked at */
#define WIRE_KEY_MAX 64   /* bytes of a key that are kept */
#define WIRE_VERB_MAX 24  /* "GET", "SELECT", "CONFIG SET" */
#define WIRE_TEXT_MAX 256 /* statement digest, path template */
#define WIRE_PENDING 64   /* requests in flight that are told apart; of those beyond, only counts are right */
#define WIRE_STATE_SIZE 2048

enum wire_protocol {
    WIRE_UNKNOWN = 0,
#define PROTOCOL(ID, number, name) WIRE_##ID = number,
#include "wire/protocols.def"
#undef PROTOCOL
    WIRE_PROTOCOLS = 16 /* greater than every number */
};

/* Who sent the bytes. */
enum wire_side { WIRE_CLIENT = 0, WIRE_SERVER = 1 };

enum wire_kind {
    WIRE_REQUEST = 1,  /* something asked; answered by a WIRE_RESPONSE with the same sequence, unless WIRE_NO_REPLY */
    WIRE_RESPONSE = 2, /* the answer to it is complete */
    WIRE_FIRST = 3, /* its first byte has come; at most once a request, and only where it did not come with the rest */
    WIRE_PUSH = 4,  /* the server speaks unasked (pub/sub message, delivery, notification) */
    WIRE_UPGRADE = 5, /* what follows is TLS on both sides: the conversation goes on inside it */
    WIRE_NAME = 6,    /* what the other side is: `text` is a server name (TLS SNI; key_hash: of the client's random), a
                         database or a virtual host */
};

enum wire_flags {
    WIRE_FAILED = 0x0001,         /* response: an error; `status` says which */
    WIRE_NO_REPLY = 0x0002,       /* request: none will come */
    WIRE_TRUNCATED = 0x0004,      /* `text` or `key` is cut */
    WIRE_PREPARED = 0x0008,       /* request: executes a statement prepared before; `text` is that statement's digest */
    WIRE_IN_TRANSACTION = 0x0010, /* request: inside an explicit transaction */
    WIRE_COMPRESSED = 0x0020,     /* the protocol is known, but what is said is not (compressed) */
    WIRE_LOST = 0x0040,           /* bytes are missing before this message */
    WIRE_HASH_LATER = 0x0080, /* request: `key` is the whole key; its hash, FNV-1a (wire/fields.h), is not made yet */

    /* requests that touch a whole key space, collection or table at once (rule keyspace-sweep) */
    WIRE_SWEEP = 0x0100,  /* KEYS, FLUSHALL, lru_crawler, …: whatever the reply says */
    WIRE_CURSOR = 0x0200, /* one step of an iteration: `cursor`; a response carries the next one, 0 at the end */
    WIRE_WHOLE =
        0x0400, /* reads all of one collection (HGETALL, SMEMBERS, LRANGE 0 -1, SORT): large if `elements` is */
    WIRE_UNBOUNDED = 0x0800, /* SQL UPDATE or DELETE without WHERE */
    WIRE_SCRIPT = 0x1000,    /* runs a program in the server (EVAL, FCALL) */

    /* locks and leases, transactions */
    WIRE_IF_ABSENT = 0x2000, /* SET NX, memcached add, GET_LOCK: writes only if nobody has it */
    WIRE_WRITE = 0x4000,     /* changes data */

    WIRE_CONSTANT_VERB = 0x8000, /* request: `verb` is a constant: where it stands says what it is */
};

/*
 * One message. Text is not NUL-terminated, in the program's own bytes (not checked to be UTF-8), and valid during the
 * call only. All of it is bounded as said above.
 */
struct wire_message {
    enum wire_kind kind;
    enum wire_protocol protocol;
    enum wire_side from;
    uint32_t flags;    /* enum wire_flags */
    uint32_t sequence; /* requests count from 0; a response has its request's number; 0 for the others */
    uint32_t repeats;  /* request: how many like it this stands for (memcached multi-get, pipelined sync): at least 1 */
    const char *verb;  /* request: upper case; subcommand included ("CONFIG GET"); HTTP method; "CONNECT" for log-ins */
    size_t verb_length;
    const char
        *text; /* request: digest, path template, queue name, collection: what is the same for all such requests */
    size_t text_length;
    const char *key; /* request: the first key, or the pattern of an iteration; at most WIRE_KEY_MAX bytes */
    size_t key_length;
    uint64_t key_hash;  /* FNV-1a of the whole key, or of the key column's literal; 0: none, or later */
    const char *status; /* response: "MOVED", "1064", "42P01", "404"; empty: success without a name */
    size_t status_length;
    uint64_t bytes;    /* of the whole message, as on the wire */
    uint64_t elements; /* request: keys or arguments, COUNT of an iteration; response: elements or rows */
    uint64_t cursor;   /* WIRE_CURSOR */
    int64_t ttl_ms;    /* request: time to live or lease that it sets; -1: none */
};

struct wire_sink {
    void (*message)(void *context, const struct wire_message *message);
    void *context;
};

struct wire_conversation {
    uint8_t protocol;                    /* enum wire_protocol; WIRE_UNKNOWN: not recognised (yet: see `settled`) */
    bool settled;                        /* true and WIRE_UNKNOWN: will not be recognised; feeding it is pointless */
    bool datagrams;                      /* every chunk is a message of its own */
    uint8_t trust;                       /* chunks that made sense since it was recognised, up to 255 */
    uint32_t chunks;                     /* seen while undecided */
    uint16_t held[2];                    /* bytes of each side that are kept in `state` while undecided */
    uint64_t state[WIRE_STATE_SIZE / 8]; /* the parser's; while undecided, the first bytes of both sides */
};

/* A new conversation. `datagrams`: UDP. `expected`: protocol to begin with (a TLS session's inside), or WIRE_UNKNOWN.
 */
void wire_start(struct wire_conversation *c, bool datagrams, enum wire_protocol expected);

/* `length` bytes sent by `from`. Messages that they complete are reported before it returns. */
void wire_feed(struct wire_conversation *c, enum wire_side from, const void *bytes, size_t length,
               const struct wire_sink *sink);

/* `length` bytes sent by `from` that nobody saw (sendfile, a lost race); 0: how many is not known. */
void wire_gap(struct wire_conversation *c, enum wire_side from, uint64_t length);

/* "redis"; "unknown" for WIRE_UNKNOWN. Static. */
const char *wire_protocol_name(enum wire_protocol protocol);
/* WIRE_UNKNOWN: no such name. */
enum wire_protocol wire_protocol_find(const char *name, size_t length);

#endif
