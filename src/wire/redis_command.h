/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One Redis command, argument by argument: what of it is worth keeping. Arguments are handed over in order as soon as
 * each is complete, with no more than their first REDIS_KEPT bytes, so that it does not matter how they came.
 */
#ifndef CPROBE_WIRE_REDIS_COMMAND_H
#define CPROBE_WIRE_REDIS_COMMAND_H

#include <string.h>

#include "base/compiler.h"
#include "wire/wire.h"

#define REDIS_KEPT 64
#define REDIS_MEMO 8

/* Which arguments of a command are looked at, and for what. */
enum redis_shape {
    PLAIN, /* none but its key */
    CONTAINER,
    SET,
    GETEX,
    SECONDS,      /* a time to live after the key */
    MILLISECONDS, /* likewise */
    RESTORE,      /* likewise, 0 is none */
    SCAN,
    SCAN_KEY,     /* the cursor stands after a key */
    RANGE,        /* first and last after the key */
    OPTIONS,      /* WITHSCORES, WITHVALUES */
    NUMKEYS_AT_1, /* the number of keys, then keys */
    NUMKEYS,      /* likewise after one other argument */
    SHA,          /* likewise after a script's SHA1 */
    FUNCTION,     /* likewise after a function's name */
    STREAMS,
    /* that change what follows on the connection */
    SUBSCRIBE,
    MULTI,
    EXEC,
    DISCARD,
    MONITOR,
    REPLY,
    REPLICA,
    RESET,
};

/* Which of a command's arguments are keys, from the first one on. REDIS_ONE: that one. */
enum redis_keys { REDIS_ONE, REDIS_REST, REDIS_REST_BUT_LAST, REDIS_PAIRS };

/* A command, as in redis_commands.def. */
struct redis_row {
    char name[WIRE_VERB_MAX]; /* no NUL where it is full, else zeros behind */
    uint8_t length;
    uint8_t key;
    uint8_t keys;  /* enum redis_keys */
    uint8_t shape; /* enum redis_shape */
    uint32_t flags;
};
#define REDIS_REPLY_PAIRS 0x80000000u /* beside enum wire_flags */

extern const struct redis_row redis_rows[] HIDDEN;

enum redis_interest { REDIS_NOTHING, REDIS_TEXT, REDIS_KEY };

/* CLIENT REPLY's argument. */
enum redis_replies { REDIS_REPLIES_ON, REDIS_REPLIES_SKIP, REDIS_REPLIES_OFF };

/* All zero before the first command of a conversation. */
struct redis_command {
    uint16_t memo[REDIS_MEMO]; /* rows + 1 of names seen before, by a hash of the name */
    char verb[WIRE_VERB_MAX];  /* upper case, zeros behind */
    uint8_t verb_length;
    uint8_t shape; /* enum redis_shape */
    uint8_t keys;  /* as in the row */
    uint8_t expect;
    bool known;       /* there is a row of this name */
    bool reply_pairs; /* the answer is a flat list of pairs in RESP2 */
    uint8_t replies;  /* enum redis_replies */
    uint8_t text_length;
    uint8_t key_length;
    uint8_t range_from;
    uint16_t options; /* of SET and GETEX, a bit each */
    uint32_t flags;   /* enum wire_flags */
    uint32_t key_at;  /* position of the key, 0: none */
    uint32_t numkeys_at;
    uint64_t elements; /* UINT64_MAX: follows from the number of arguments */
    uint64_t cursor;
    uint64_t key_size; /* the whole key's length */
    uint64_t key_hash;
    int64_t ttl_ms;
    char text[REDIS_KEPT];
    uint8_t key[WIRE_KEY_MAX];
};

/* The place of a name's row in `memo`: of its first 16 bytes as words. */
static inline uint32_t redis_memo_at(uint64_t head, uint64_t tail)
{
    return (uint32_t)((head ^ tail << 7) * 0x9e3779b97f4a7c15u >> 61);
}
_Static_assert(REDIS_MEMO == 1 << (64 - 61), "the hash picks a memo");

/* Eight letters at once, a byte each: a to z become A to Z (Warren, Hacker's Delight, 6-1: comparing bytes in a word)
 */
static inline uint64_t redis_upper(uint64_t word)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t low = word & each * 0x7f;
    uint64_t above_z = low + each * (0x7f - 'z'), from_a = low + each * (0x80 - 'a');
    return word - ((~word & (above_z ^ from_a) & each * 0x80) >> 2);
}

/* The row of a name of `length` bytes, of which 8 are readable in any case, if it was said on this conversation lately
   and is no longer than that; else NULL. */
static ALWAYS_INLINE const struct redis_row *redis_row_known(const struct redis_command *c, const uint8_t *text,
                                                             uint32_t length)
{
    uint64_t word, name;
    if (length - 1 > 7)
        return NULL;
    memcpy(&word, text, sizeof(word));
    word = redis_upper(word & UINT64_MAX >> (64 - 8 * length));
    uint16_t memo = c->memo[redis_memo_at(word, 0)];
    const struct redis_row *row = &redis_rows[memo ? memo - 1 : 0];
    memcpy(&name, row->name, sizeof(name));
    return memo && name == word && row->length == length ? row : NULL;
}

/* What a request's `elements` are: `key_at` as in the row, or where the shape found it. */
static inline uint64_t redis_elements(uint8_t keys, uint32_t key_at, uint32_t count)
{
    uint32_t behind = count > key_at ? count - key_at : 0; /* the first key and all after it */
    switch ((enum redis_keys)keys) {
    case REDIS_REST:
        return behind;
    case REDIS_REST_BUT_LAST:
        return behind > 0 ? behind - 1 : 0;
    case REDIS_PAIRS:
        return behind / 2;
    default:
        return count - 1;
    }
}

void redis_command_begin(struct redis_command *c);

/* What of argument `index` (0 is the verb) is wanted; REDIS_KEY: its hash too. */
static inline enum redis_interest redis_command_wants(const struct redis_command *c, uint32_t index)
{
    if (index == 0)
        return REDIS_TEXT;
    if (index == c->key_at)
        return REDIS_KEY;
    return c->shape == PLAIN ? REDIS_NOTHING : REDIS_TEXT;
}

/* An argument that was wanted: its first `kept` bytes of `length`; `hash`: for REDIS_KEY. */
void redis_command_argument(struct redis_command *c, uint32_t index, const uint8_t *text, size_t kept, uint64_t length,
                            uint64_t hash);

/* What is to be reported, after the last of `count` arguments. `text` is room for the message's text. */
void redis_command_message(const struct redis_command *c, uint32_t count, char text[WIRE_TEXT_MAX],
                           struct wire_message *m);

/* How often the table's rows are out of order, doubled, or have names that are too long: 0. For tests. */
size_t redis_command_table_errors(void);

#endif
