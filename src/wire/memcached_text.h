/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memcached's text protocol, the meta commands included: requests and the lines of replies, taken from chunks of any
 * size. Source: doc/protocol.txt of memcached 1.6.
 */
#ifndef CPROBE_WIRE_MEMCACHED_TEXT_H
#define CPROBE_WIRE_MEMCACHED_TEXT_H

#include "wire/parser.h"

#define MEMCACHED_WORD 64   /* bytes of a word that are kept */
#define MEMCACHED_NAME 24   /* the longest command, with its subcommand */
#define MEMCACHED_KEY 250   /* the longest key */
#define MEMCACHED_TEXT 2048 /* a line without keys is shorter */

enum memcached_shape {
    PLAIN,     /* words that are not looked at; answered by one line */
    SILENT,    /* not answered */
    CONTAINER, /* a subcommand follows; answered by lines up to END */
    LINES,     /* likewise answered */
    KEYS,
    TTL_KEYS,
    KEY,
    KEY_TTL,
    STORE, /* key, flags, time to live, size, and then the value */
    META_GET,
    META_SET, /* key, size, flags, and then the value */
    META_KEY,
    META_NOOP,
};

enum memcached_result {
    MEMCACHED_MORE, /* all bytes are consumed, and nothing complete */
    MEMCACHED_DONE, /* a request, or a line of a reply with its value, is */
    MEMCACHED_WRONG /* not memcached's; the bytes behind the last good one are not consumed */
};

struct memcached_request {
    uint8_t phase;
    uint8_t shape; /* enum memcached_shape */
    uint8_t row;   /* of the table of commands */
    uint8_t key_length;
    uint8_t used; /* bytes of `word` */
    bool quiet;   /* answered only if something is unusual (meta commands), or never (noreply) */
    uint32_t words;
    uint32_t length; /* of the word under way */
    uint32_t flags;
    uint64_t keys;
    uint64_t missing; /* bytes of the value */
    uint64_t bytes;
    uint64_t key_hash;
    uint64_t key_size;
    uint64_t hash; /* of the word under way */
    int64_t ttl_ms;
    uint8_t key[WIRE_KEY_MAX];
    uint8_t word[MEMCACHED_WORD];
};

/* What the first word of a reply's line means. */
enum memcached_line {
    LINE_OTHER, /* a number, or part of a list */
    LINE_VALUE, /* a value, more follow */
    LINE_META_VALUE,
    LINE_LIST, /* more follow */
    LINE_END,
    LINE_STATUS,
    LINE_FAILED,
    LINE_NOOP,
    LINE_HEAD, /* a meta command's success without a value */
};

struct memcached_reply {
    uint8_t phase;
    uint8_t line;   /* enum memcached_line */
    uint8_t status; /* row of the table of words, which says it */
    uint8_t used;
    bool begun;
    uint32_t words;
    uint32_t length;
    uint64_t missing;
    uint64_t bytes; /* of the line, with its value */
    uint8_t word[32];
};

enum memcached_result memcached_request_next(struct memcached_request *r, const uint8_t **at, const uint8_t *end);
/* Fills what is said of the request; `m` is initialised. */
void memcached_request_message(const struct memcached_request *r, struct wire_message *m);

enum memcached_result memcached_reply_next(struct memcached_reply *r, const uint8_t **at, const uint8_t *end);
/* The first word of the line where it says more than that all went well, or an empty string; static. */
const char *memcached_reply_status(const struct memcached_reply *r);

/* Bytes that nobody saw. True: they were inside a value. */
bool memcached_request_gap(struct memcached_request *r, uint64_t length);
bool memcached_reply_gap(struct memcached_reply *r, uint64_t length);

/* As wire_parser.guess, for each side. */
enum wire_guess memcached_request_guess(const uint8_t *bytes, size_t length);
enum wire_guess memcached_reply_guess(const uint8_t *bytes, size_t length);

/* Seconds as memcached takes them: 0 is for ever, more than 30 days a point in time. -1: none that can be told. */
int64_t memcached_ttl(int64_t seconds);

#endif
