/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/memcached_binary.h"

#include "base/compiler.h"
#include "wire/fields.h"
#include "wire/memcached_text.h"

#define BODY_MAX (UINT32_C(1) << 30)

/* Positions in a header. */
#define KEY_LENGTH 2
#define EXTRAS_LENGTH 4
#define DATA_TYPE 5
#define STATUS 6 /* of a response */
#define BODY_LENGTH 8

/* When it is answered. */
enum answer { ALWAYS, QUIET, NEVER };

/* Rows are opcodes. ttl: where in the extras the time to live stands, from 1; 0: nowhere. extras: how long they are. */
static const struct row {
    char verb[16];
    uint8_t answer;
    uint8_t extras;
    uint8_t ttl;
    bool key;
    uint16_t flags;
} rows[] = {
    [0x00] = {"GET", ALWAYS, 0, 0, true, 0},
    [0x01] = {"SET", ALWAYS, 8, 5, true, WIRE_WRITE},
    [0x02] = {"ADD", ALWAYS, 8, 5, true, WIRE_WRITE | WIRE_IF_ABSENT},
    [0x03] = {"REPLACE", ALWAYS, 8, 5, true, WIRE_WRITE},
    [0x04] = {"DELETE", ALWAYS, 0, 0, true, WIRE_WRITE},
    [0x05] = {"INCR", ALWAYS, 20, 17, true, WIRE_WRITE},
    [0x06] = {"DECR", ALWAYS, 20, 17, true, WIRE_WRITE},
    [0x07] = {"QUIT", ALWAYS, 0, 0, false, 0},
    [0x08] = {"FLUSH_ALL", ALWAYS, 4, 0, false, WIRE_SWEEP | WIRE_WRITE},
    [0x09] = {"GET", QUIET, 0, 0, true, 0},
    [0x0a] = {"NOOP", ALWAYS, 0, 0, false, 0},
    [0x0b] = {"VERSION", ALWAYS, 0, 0, false, 0},
    [0x0c] = {"GET", ALWAYS, 0, 0, true, 0},
    [0x0d] = {"GET", QUIET, 0, 0, true, 0},
    [0x0e] = {"APPEND", ALWAYS, 0, 0, true, WIRE_WRITE},
    [0x0f] = {"PREPEND", ALWAYS, 0, 0, true, WIRE_WRITE},
    [0x10] = {"STATS", ALWAYS, 0, 0, false, 0},
    [0x11] = {"SET", QUIET, 8, 5, true, WIRE_WRITE},
    [0x12] = {"ADD", QUIET, 8, 5, true, WIRE_WRITE | WIRE_IF_ABSENT},
    [0x13] = {"REPLACE", QUIET, 8, 5, true, WIRE_WRITE},
    [0x14] = {"DELETE", QUIET, 0, 0, true, WIRE_WRITE},
    [0x15] = {"INCR", QUIET, 20, 17, true, WIRE_WRITE},
    [0x16] = {"DECR", QUIET, 20, 17, true, WIRE_WRITE},
    [0x17] = {"QUIT", NEVER, 0, 0, false, 0},
    [0x18] = {"FLUSH_ALL", QUIET, 4, 0, false, WIRE_SWEEP | WIRE_WRITE},
    [0x19] = {"APPEND", QUIET, 0, 0, true, WIRE_WRITE},
    [0x1a] = {"PREPEND", QUIET, 0, 0, true, WIRE_WRITE},
    [0x1b] = {"VERBOSITY", ALWAYS, 4, 0, false, 0},
    [0x1c] = {"TOUCH", ALWAYS, 4, 1, true, WIRE_WRITE},
    [0x1d] = {"GAT", ALWAYS, 4, 1, true, WIRE_WRITE},
    [0x1e] = {"GAT", QUIET, 4, 1, true, WIRE_WRITE},
    [0x20] = {"SASL LIST", ALWAYS, 0, 0, false, 0},
    [0x21] = {"SASL AUTH", ALWAYS, 0, 0, false, 0},
    [0x22] = {"SASL STEP", ALWAYS, 0, 0, false, 0},
    [0x23] = {"GAT", ALWAYS, 4, 1, true, WIRE_WRITE},
    [0x24] = {"GAT", QUIET, 4, 1, true, WIRE_WRITE},
};

static const struct {
    uint16_t number;
    bool failed;
    char name[16];
} statuses[] = {
    {0x00, false, ""},         {0x01, false, "NOT_FOUND"},  {0x02, false, "EXISTS"},       {0x03, true, "TOO_LARGE"},
    {0x04, true, "INVALID"},   {0x05, false, "NOT_STORED"}, {0x06, true, "NON_NUMERIC"},   {0x20, true, "AUTH_ERROR"},
    {0x21, false, "CONTINUE"}, {0x81, true, "ERROR"},       {0x82, true, "OUT_OF_MEMORY"}, {0x83, true, "UNSUPPORTED"},
    {0x84, true, "INTERNAL"},  {0x85, true, "BUSY"},        {0x86, true, "TEMPORARY"},
};

static bool opcode_exists(uint8_t opcode)
{
    return opcode < ARRAY_SIZE(rows) && rows[opcode].verb[0] != '\0';
}

static size_t status_find(uint16_t number)
{
    size_t i = 0;
    while (i < ARRAY_SIZE(statuses) && statuses[i].number != number)
        i++;
    return i;
}

uint64_t binary_length(const uint8_t *h, enum wire_side side)
{
    uint32_t body = field_be32(h + BODY_LENGTH);
    uint32_t parts = field_be16(h + KEY_LENGTH) + h[EXTRAS_LENGTH];
    if (h[0] != (side == WIRE_CLIENT ? BINARY_REQUEST : BINARY_RESPONSE) || !opcode_exists(h[1]) || h[DATA_TYPE] != 0 ||
        parts > body || body > BODY_MAX)
        return 0;
    return BINARY_HEADER + (uint64_t)body;
}

bool binary_is_quiet(uint8_t opcode)
{
    return rows[opcode].answer == QUIET;
}

bool binary_is_silent(uint8_t opcode)
{
    return rows[opcode].answer == NEVER;
}

void binary_request_message(const struct frame *f, struct wire_message *m)
{
    const struct row *row = &rows[binary_opcode(f)];
    size_t key = field_be16(f->bytes + KEY_LENGTH), extras = f->bytes[EXTRAS_LENGTH], at = BINARY_HEADER + extras;
    m->verb = row->verb;
    m->verb_length = strnlen(row->verb, sizeof(row->verb));
    m->flags |= row->flags | (row->answer != ALWAYS ? WIRE_NO_REPLY : 0);
    m->bytes = f->length;
    if (row->ttl > 0 && extras >= row->ttl + 3u && f->held >= BINARY_HEADER + extras)
        m->ttl_ms = memcached_ttl((int32_t)field_be32(f->bytes + BINARY_HEADER + row->ttl - 1));
    /* A counter with this time to live is not made if there is none. */
    if (row->extras == 20 && m->ttl_ms == 0)
        m->ttl_ms = -1;
    if (!row->key || key == 0 || key > MEMCACHED_KEY || at + key > f->held)
        return;
    m->elements = 1;
    m->key = (const char *)f->bytes + at;
    m->key_length = key < WIRE_KEY_MAX ? key : WIRE_KEY_MAX;
    m->key_hash = field_hash(m->key, key);
    m->flags |= key > WIRE_KEY_MAX ? WIRE_TRUNCATED : 0;
}

const char *binary_status(const struct frame *f, bool *failed)
{
    size_t i = status_find(field_be16(f->bytes + STATUS));
    *failed = i == ARRAY_SIZE(statuses) || statuses[i].failed;
    return i < ARRAY_SIZE(statuses) ? statuses[i].name : "ERROR";
}

bool binary_is_last(const struct frame *f)
{
    return binary_opcode(f) != BINARY_STAT || f->length == BINARY_HEADER || field_be16(f->bytes + STATUS) != 0;
}

/* The fields of a header fit one another as those of real packets do. */
static bool header_fits(const uint8_t *h, enum wire_side side)
{
    const struct row *row = &rows[h[1]];
    uint32_t body = field_be32(h + BODY_LENGTH), key = field_be16(h + KEY_LENGTH), extras = h[EXTRAS_LENGTH];
    if (side == WIRE_SERVER)
        return key <= MEMCACHED_KEY && extras <= 20 && status_find(field_be16(h + STATUS)) < ARRAY_SIZE(statuses);
    bool optional = extras == 0 && (row->flags & WIRE_SWEEP || h[1] == 0x1b);
    return key <= MEMCACHED_KEY && (!row->key || key > 0) && (extras == row->extras || optional) &&
           body >= key + extras;
}

enum wire_guess binary_guess(const uint8_t *bytes, size_t length, enum wire_side from)
{
    if (bytes[0] != (from == WIRE_CLIENT ? BINARY_REQUEST : BINARY_RESPONSE) ||
        (length > 1 && !opcode_exists(bytes[1])))
        return WIRE_GUESS_NO;
    if (length > DATA_TYPE && bytes[DATA_TYPE] != 0)
        return WIRE_GUESS_NO;
    if (length < BINARY_HEADER)
        return WIRE_GUESS_MORE;
    return binary_length(bytes, from) >= BINARY_HEADER && header_fits(bytes, from) ? WIRE_GUESS_YES : WIRE_GUESS_NO;
}
