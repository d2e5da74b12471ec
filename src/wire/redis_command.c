/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/redis_command.h"

#include "base/compiler.h"
#include "wire/fields.h"

#define ONE REDIS_ONE
#define REST REDIS_REST
#define REST_BUT_LAST REDIS_REST_BUT_LAST
#define PAIRS REDIS_PAIRS
#define REPLY_PAIRS REDIS_REPLY_PAIRS

const struct redis_row redis_rows[] = {
#define COMMAND(name, key, keys, shape, flags) {name, sizeof(name) - 1, key, keys, shape, flags},
#include "wire/redis_commands.def"
#undef COMMAND
};
_Static_assert(ARRAY_SIZE(redis_rows) < UINT16_MAX, "rows fit a memo");

/* Modules whose commands have their key, or index, in front. */
static const struct {
    uint8_t length;
    char name[8];
} module_prefixes[] = {{5, "JSON."}, {3, "BF."},      {3, "CF."}, {4, "CMS."},  {5, "TOPK."},
                       {3, "TS."},   {8, "TDIGEST."}, {3, "FT."}, {6, "GRAPH."}};

/* What an option's next argument is. */
enum expect {
    EXPECT_NONE,
    EXPECT_SECONDS,
    EXPECT_MILLISECONDS,
    EXPECT_SKIP,
    EXPECT_SKIP_TWO,
    EXPECT_COUNT,
    EXPECT_PATTERN,
};

/* Options of SET and GETEX, in the order in which they are shown, whatever the order in which they came. */
static const struct {
    char name[8];
    uint8_t length;
    uint8_t expect;
} options[] = {
    {"NX", 2, EXPECT_NONE},         {"XX", 2, EXPECT_NONE},    {"IFEQ", 4, EXPECT_SKIP}, {"IFNE", 4, EXPECT_SKIP},
    {"IFDEQ", 5, EXPECT_SKIP},      {"IFDNE", 5, EXPECT_SKIP}, {"GET", 3, EXPECT_NONE},  {"EX", 2, EXPECT_SECONDS},
    {"PX", 2, EXPECT_MILLISECONDS}, {"EXAT", 4, EXPECT_SKIP},  {"PXAT", 4, EXPECT_SKIP}, {"KEEPTTL", 7, EXPECT_NONE},
    {"PERSIST", 7, EXPECT_NONE},
};
#define OPTION_NX 0x0001 /* bit n is for options[n] */

/* The ends of ranges by index, and by score, lexicographic order or stream entry. */
enum range_end { END_NONE, END_FIRST, END_LAST, END_LOWEST, END_HIGHEST };

static int row_search(const char verb[WIRE_VERB_MAX])
{
    size_t low = 0, high = ARRAY_SIZE(redis_rows);
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = memcmp(verb, redis_rows[middle].name, WIRE_VERB_MAX);
        if (order == 0)
            return (int)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

/* The row of c->verb, or NULL. Connections say the same few commands again and again: those are found in the memo. */
static const struct redis_row *row_find(struct redis_command *c)
{
    uint64_t head, tail;
    memcpy(&head, c->verb, 8);
    memcpy(&tail, c->verb + 8, 8);
    uint16_t *memo = &c->memo[redis_memo_at(head, tail)];
    if (*memo && memcmp(redis_rows[*memo - 1].name, c->verb, WIRE_VERB_MAX) == 0)
        return &redis_rows[*memo - 1];
    int found = row_search(c->verb);
    if (found < 0)
        return NULL;
    *memo = (uint16_t)(found + 1);
    return &redis_rows[found];
}

void redis_command_begin(struct redis_command *c)
{
    memset(c->verb, 0, sizeof(c->verb));
    c->verb_length = 0;
    c->shape = PLAIN;
    c->keys = ONE;
    c->expect = EXPECT_NONE;
    c->known = false;
    c->reply_pairs = false;
    c->replies = REDIS_REPLIES_ON;
    c->text_length = 0;
    c->key_length = 0;
    c->range_from = END_NONE;
    c->options = 0;
    c->flags = 0;
    c->key_at = 0;
    c->numkeys_at = 0;
    c->elements = UINT64_MAX;
    c->cursor = 0;
    c->key_hash = 0;
    c->ttl_ms = -1;
}

static void row_take(struct redis_command *c, const struct redis_row *row)
{
    c->verb_length = row->length;
    c->known = true;
    c->shape = row->shape;
    c->keys = row->keys;
    c->key_at = row->key;
    c->flags = row->flags & ~REPLY_PAIRS;
    c->reply_pairs = row->flags & REPLY_PAIRS;
    if (row->shape == NUMKEYS_AT_1)
        c->numkeys_at = 1;
    else if (row->shape == NUMKEYS || row->shape == SHA || row->shape == FUNCTION)
        c->numkeys_at = 2;
}

/* A name that Redis does not have: of a module, or renamed to something that nobody should know. */
static void verb_unknown(struct redis_command *c, size_t length)
{
    for (size_t i = 0; i < ARRAY_SIZE(module_prefixes); i++) {
        size_t n = module_prefixes[i].length;
        if (length <= n || memcmp(c->verb, module_prefixes[i].name, n) != 0)
            continue;
        while (n < length && (field_is_letter((uint8_t)c->verb[n]) || c->verb[n] == '_' || c->verb[n] == '.'))
            n++;
        if (n < length)
            break;
        c->verb_length = (uint8_t)length;
        c->key_at = 1;
        return;
    }
    memset(c->verb, 0, sizeof(c->verb));
    memcpy(c->verb, "UNKNOWN", 7);
    c->verb_length = 7;
}

static void verb_argument(struct redis_command *c, const uint8_t *text, size_t kept, uint64_t length)
{
    const struct redis_row *row = NULL;
    size_t n = kept < WIRE_VERB_MAX ? kept : WIRE_VERB_MAX;
    for (size_t i = 0; i < n; i++)
        c->verb[i] = field_upper(text[i]);
    if (length <= WIRE_VERB_MAX)
        row = row_find(c);
    if (row && row->length == length) /* no zeros behind the name */
        row_take(c, row);
    else
        verb_unknown(c, length <= WIRE_VERB_MAX ? n : 0);
}

/* A subcommand without a row leaves the command's own name. */
static void subcommand_argument(struct redis_command *c, const uint8_t *text, size_t kept, uint64_t length)
{
    size_t at = c->verb_length;
    c->shape = PLAIN;
    if (at + 1 + length > WIRE_VERB_MAX || length == 0 || kept < length)
        return;
    c->verb[at] = ' ';
    for (size_t i = 0; i < length; i++)
        c->verb[at + 1 + i] = field_upper(text[i]);
    const struct redis_row *row = row_find(c);
    if (row)
        row_take(c, row);
    else
        memset(c->verb + at, 0, sizeof(c->verb) - at);
}

static void key_argument(struct redis_command *c, const uint8_t *text, size_t kept, uint64_t length, uint64_t hash)
{
    c->key_length = (uint8_t)(kept < WIRE_KEY_MAX ? kept : WIRE_KEY_MAX);
    memcpy(c->key, text, c->key_length);
    c->key_size = length;
    c->key_hash = hash;
}

static void ttl_set(struct redis_command *c, const uint8_t *text, size_t kept, uint64_t unit)
{
    int64_t value, ms;
    if (!field_signed(text, kept, &value))
        return;
    if (__builtin_mul_overflow(value, (int64_t)unit, &ms))
        ms = INT64_MAX;
    c->ttl_ms = ms < 0 ? 0 : ms;
}

static void option_argument(struct redis_command *c, const uint8_t *text, size_t kept)
{
    uint8_t expected = c->expect;
    c->expect = EXPECT_NONE;
    if (expected != EXPECT_NONE) {
        if (expected != EXPECT_SKIP)
            ttl_set(c, text, kept, expected == EXPECT_SECONDS ? 1000 : 1);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        if (options[i].length == kept && field_same(text, options[i].name, kept)) {
            c->options = (uint16_t)(c->options | 1 << i);
            c->expect = options[i].expect;
            break;
        }
    if (c->shape == SET && c->options & OPTION_NX)
        c->flags |= WIRE_IF_ABSENT;
}

static void scan_argument(struct redis_command *c, uint32_t index, const uint8_t *text, size_t kept, uint64_t length,
                          uint64_t hash)
{
    uint32_t cursor_at = c->shape == SCAN ? 1 : 2;
    uint8_t expected = c->expect;
    c->expect = EXPECT_NONE;
    if (index == cursor_at) {
        field_decimal(text, kept, &c->cursor);
        c->elements = 10; /* Redis's default */
        if (c->shape == SCAN)
            c->key_at = 0;
    } else if (expected == EXPECT_COUNT) {
        field_decimal(text, kept, &c->elements);
    } else if (expected == EXPECT_PATTERN) {
        key_argument(c, text, kept, length, hash);
    } else if (index > cursor_at && expected == EXPECT_NONE) {
        if (FIELD_IS(text, kept, "COUNT"))
            c->expect = EXPECT_COUNT;
        else if (FIELD_IS(text, kept, "MATCH"))
            c->expect = c->shape == SCAN ? EXPECT_PATTERN : EXPECT_SKIP;
        else
            c->expect = EXPECT_SKIP; /* TYPE string */
        if (c->expect == EXPECT_PATTERN)
            c->key_at = index + 1; /* so that its hash is made */
    }
}

static enum range_end range_end_of(const uint8_t *text, size_t kept)
{
    bool plus = kept > 0 && text[0] == '+', minus = kept > 0 && text[0] == '-';
    if (kept == 1 && text[0] == '0')
        return END_FIRST;
    if (kept == 2 && minus && text[1] == '1')
        return END_LAST;
    if (kept == 1 || (kept == 4 && field_same(text + 1, "INF", 3)))
        return plus ? END_HIGHEST : minus ? END_LOWEST : END_NONE;
    return FIELD_IS(text, kept, "INF") ? END_HIGHEST : END_NONE;
}

static void range_argument(struct redis_command *c, uint32_t index, const uint8_t *text, size_t kept)
{
    enum range_end end = range_end_of(text, kept);
    if (index == 2) {
        c->range_from = (uint8_t)end;
    } else if (index == 3) {
        if ((c->range_from == END_FIRST && end == END_LAST) || (c->range_from == END_LOWEST && end == END_HIGHEST) ||
            (c->range_from == END_HIGHEST && end == END_LOWEST))
            c->flags |= WIRE_WHOLE;
    } else if (FIELD_IS(text, kept, "LIMIT") || FIELD_IS(text, kept, "COUNT")) {
        c->flags &= ~(uint32_t)WIRE_WHOLE;
    } else if (FIELD_IS(text, kept, "WITHSCORES")) {
        c->reply_pairs = true;
    }
}

/* Names that scripts are called by: hexadecimal digits for SHA, an identifier for FUNCTION. */
static bool text_is_name(const uint8_t *text, size_t kept, enum redis_shape shape)
{
    for (size_t i = 0; i < kept; i++) {
        bool hex = field_is_digit(text[i]) || (uint8_t)((text[i] | 0x20) - 'a') < 6;
        if (shape == SHA ? !hex : !hex && !field_is_letter(text[i]) && text[i] != '_')
            return false;
    }
    return kept > 0 && (shape != SHA || kept == 40);
}

static void numkeys_argument(struct redis_command *c, uint32_t index, const uint8_t *text, size_t kept, uint64_t length)
{
    if (index == 1 && (c->shape == SHA || c->shape == FUNCTION)) {
        if (length == kept && text_is_name(text, kept, c->shape)) {
            c->text_length = (uint8_t)kept;
            memcpy(c->text, text, kept);
        }
    } else if (index == c->numkeys_at && field_decimal(text, kept, &c->elements)) {
        c->key_at = c->elements > 0 ? index + 1 : 0;
    }
}

static void streams_argument(struct redis_command *c, uint32_t index, const uint8_t *text, size_t kept)
{
    uint8_t expected = c->expect;
    c->expect = EXPECT_NONE;
    if (expected == EXPECT_SKIP_TWO)
        c->expect = EXPECT_SKIP;
    else if (expected == EXPECT_SKIP || c->key_at)
        return;
    else if (FIELD_IS(text, kept, "STREAMS"))
        c->key_at = index + 1;
    else if (FIELD_IS(text, kept, "GROUP"))
        c->expect = EXPECT_SKIP_TWO;
    else if (FIELD_IS(text, kept, "COUNT") || FIELD_IS(text, kept, "BLOCK"))
        c->expect = EXPECT_SKIP;
}

static void replies_argument(struct redis_command *c, uint32_t index, const uint8_t *text, size_t kept)
{
    if (index == 2 && FIELD_IS(text, kept, "OFF"))
        c->replies = REDIS_REPLIES_OFF;
    else if (index == 2 && FIELD_IS(text, kept, "SKIP"))
        c->replies = REDIS_REPLIES_SKIP;
}

static void shape_argument(struct redis_command *c, uint32_t index, const uint8_t *text, size_t kept, uint64_t length,
                           uint64_t hash)
{
    switch ((enum redis_shape)c->shape) {
    case CONTAINER:
        if (index == 1)
            subcommand_argument(c, text, kept, length);
        break;
    case SET:
    case GETEX:
        if (index >= (c->shape == SET ? 3 : 2) && (kept == length || c->expect))
            option_argument(c, text, kept);
        break;
    case SECONDS:
    case MILLISECONDS:
        if (index == 2)
            ttl_set(c, text, kept, c->shape == SECONDS ? 1000 : 1);
        break;
    case RESTORE:
        if (index == 2 && !FIELD_IS(text, kept, "0"))
            ttl_set(c, text, kept, 1);
        break;
    case SCAN:
    case SCAN_KEY:
        scan_argument(c, index, text, kept, length, hash);
        break;
    case RANGE:
        range_argument(c, index, text, kept);
        break;
    case OPTIONS:
        c->reply_pairs |= FIELD_IS(text, kept, "WITHSCORES") || FIELD_IS(text, kept, "WITHVALUES");
        break;
    case NUMKEYS_AT_1:
    case NUMKEYS:
    case SHA:
    case FUNCTION:
        numkeys_argument(c, index, text, kept, length);
        if (FIELD_IS(text, kept, "WITHSCORES") && index > c->numkeys_at)
            c->reply_pairs = true;
        break;
    case STREAMS:
        streams_argument(c, index, text, kept);
        break;
    case REPLY:
        replies_argument(c, index, text, kept);
        break;
    default:
        break;
    }
}

void redis_command_argument(struct redis_command *c, uint32_t index, const uint8_t *text, size_t kept, uint64_t length,
                            uint64_t hash)
{
    if (index == 0)
        verb_argument(c, text, kept, length);
    else if (index == c->key_at && c->shape != SCAN)
        key_argument(c, text, kept, length, hash);
    else if (c->shape != PLAIN)
        shape_argument(c, index, text, kept, length, hash);
}

static size_t text_add(char *text, size_t at, const char *word, size_t length)
{
    if (at > 0)
        text[at++] = ' ';
    memcpy(text + at, word, length);
    return at + length;
}

/* What is the same for all such requests: options without their values, the script's name. */
static size_t command_text(const struct redis_command *c, char text[WIRE_TEXT_MAX])
{
    size_t n = 0;
    if (c->text_length > 0) {
        n = text_add(text, n, c->verb, c->verb_length);
        return text_add(text, n, c->text, c->text_length);
    }
    if (c->options == 0)
        return 0;
    n = text_add(text, n, c->verb, c->verb_length);
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        if (c->options >> i & 1)
            n = text_add(text, n, options[i].name, options[i].length);
    return n;
}

void redis_command_message(const struct redis_command *c, uint32_t count, char text[WIRE_TEXT_MAX],
                           struct wire_message *m)
{
    m->verb = c->verb;
    m->verb_length = c->verb_length;
    m->text = text;
    m->text_length = c->text_length | c->options ? command_text(c, text) : 0;
    m->key = (const char *)c->key;
    m->key_length = c->key_length;
    m->key_hash = c->key_hash;
    m->flags |= c->flags | (c->key_length && c->key_size > c->key_length ? WIRE_TRUNCATED : 0);
    m->elements = c->elements != UINT64_MAX ? c->elements : redis_elements(c->keys, c->key_at, count);
    m->cursor = c->cursor;
    m->ttl_ms = c->ttl_ms;
}

size_t redis_command_table_errors(void)
{
    size_t errors = 0;
    for (size_t i = 0; i < ARRAY_SIZE(redis_rows); i++)
        errors += redis_rows[i].length > WIRE_VERB_MAX ||
                  (i > 0 && memcmp(redis_rows[i - 1].name, redis_rows[i].name, WIRE_VERB_MAX) >= 0);
    return errors;
}
