/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/compiler.h"
#include "wire/fields.h"
#include "wire/memcached_text.h"
#include "wire/resync.h"

#define VALUE_MAX (UINT64_C(1) << 31)
#define RELATIVE_MAX (60 * 60 * 24 * 30)

struct row {
    char name[MEMCACHED_NAME];
    char verb[WIRE_VERB_MAX];
    uint8_t length;
    uint8_t verb_length;
    uint8_t shape;
    uint16_t flags;
};

static const struct row rows[] = {
#define COMMAND(name, verb, shape, flags) {name, verb, sizeof(name) - 1, sizeof(verb) - 1, shape, flags},
#include "wire/memcached_commands.def"
#undef COMMAND
};
_Static_assert(ARRAY_SIZE(rows) < UINT8_MAX, "a row's number fits");

enum phase { START, WORDS, VALUE, VALUE_CR, VALUE_LF };

int64_t memcached_ttl(int64_t seconds)
{
    if (seconds == 0 || seconds > RELATIVE_MAX)
        return -1;
    return seconds < 0 ? 0 : seconds * 1000;
}

static int row_find(const char name[MEMCACHED_NAME], size_t length)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].name[0] == name[0] && rows[i].length == length && memcmp(rows[i].name, name, length) == 0)
            return (int)i;
    return -1;
}

static void row_take(struct memcached_request *r, int row)
{
    r->row = (uint8_t)row;
    r->shape = rows[row].shape;
    r->flags = rows[row].flags;
    r->quiet = r->shape == SILENT;
}

/* A complete word: its first bytes, at most MEMCACHED_WORD. */
struct word {
    const uint8_t *bytes;
    size_t kept;
    uint32_t length;
    bool whole; /* all of it is at hand */
};

/* The first word, and the second one behind it: "stats", and "stats items". */
static bool name_take(struct memcached_request *r, const struct word *w)
{
    size_t at = r->words ? rows[r->row].length + 1u : 0;
    char name[MEMCACHED_NAME];
    if (at + w->length > sizeof(name) || w->length > w->kept)
        return false;
    if (at > 0) {
        memcpy(name, rows[r->row].name, at - 1);
        name[at - 1] = ' ';
    }
    memcpy(name + at, w->bytes, w->length);
    int row = row_find(name, at + w->length);
    if (row >= 0)
        row_take(r, row);
    return row >= 0;
}

static void key_take(struct memcached_request *r, const struct word *w)
{
    if (r->keys++ > 0)
        return;
    r->key_length = (uint8_t)(w->kept < WIRE_KEY_MAX ? w->kept : WIRE_KEY_MAX);
    memcpy(r->key, w->bytes, r->key_length);
    r->key_size = w->length;
    r->key_hash = w->whole ? field_hash(w->bytes, w->length) : r->hash;
}

static void ttl_take(struct memcached_request *r, const uint8_t *text, size_t length)
{
    int64_t seconds;
    if (field_signed(text, length, &seconds))
        r->ttl_ms = memcached_ttl(seconds);
}

/* The size of the value that follows the line. */
static bool size_take(struct memcached_request *r, const struct word *w)
{
    return field_decimal(w->bytes, w->kept, &r->missing) && r->missing < VALUE_MAX;
}

static void noreply_take(struct memcached_request *r, const struct word *w)
{
    r->quiet |= w->length == 7 && memcmp(w->bytes, "noreply", 7) == 0;
}

static void meta_flag_take(struct memcached_request *r, const struct word *w)
{
    const uint8_t *flag = w->bytes;
    bool set_mode = r->shape == META_SET && flag[0] == 'M' && w->length > 1;
    if (flag[0] == 'q' && w->length == 1)
        r->quiet = true;
    else if (flag[0] == 'T' || flag[0] == 'N')
        ttl_take(r, flag + 1, w->kept - 1);
    else if (set_mode && (flag[1] == 'E' || flag[1] == 'e'))
        r->flags |= WIRE_IF_ABSENT;
}

/* Words after the name, from 1; false: this is not memcached. */
static bool word_take(struct memcached_request *r, const struct word *w)
{
    uint32_t n = r->words;
    switch ((enum memcached_shape)r->shape) {
    case CONTAINER:
        if (n == 1)
            name_take(r, w);
        return true;
    case KEYS:
        key_take(r, w);
        return true;
    case TTL_KEYS:
        if (n == 1)
            ttl_take(r, w->bytes, w->kept);
        else
            key_take(r, w);
        return true;
    case KEY:
    case KEY_TTL:
        if (n == 1)
            key_take(r, w);
        else if (n == 2 && r->shape == KEY_TTL)
            ttl_take(r, w->bytes, w->kept);
        else
            noreply_take(r, w);
        return true;
    case STORE:
        if (n == 1)
            key_take(r, w);
        else if (n == 3)
            ttl_take(r, w->bytes, w->kept);
        else if (n == 4)
            return size_take(r, w);
        else
            noreply_take(r, w);
        return true;
    case META_GET:
    case META_KEY:
    case META_SET:
        if (n == 1)
            key_take(r, w);
        else if (n == 2 && r->shape == META_SET)
            return size_take(r, w);
        else
            meta_flag_take(r, w);
        return true;
    case PLAIN:
        noreply_take(r, w);
        return true;
    default:
        return true;
    }
}

static inline bool word_end(struct memcached_request *r, const struct word *w)
{
    bool right = r->words == 0 ? name_take(r, w) : word_take(r, w);
    r->words++;
    r->used = 0;
    r->length = 0;
    r->hash = FIELD_HASH_START;
    return right;
}

/* A part of a word, up to the end of the chunk or of the word. */
static void word_gather(struct memcached_request *r, const uint8_t *bytes, size_t length)
{
    size_t room = sizeof(r->word) - r->used, n = length < room ? length : room;
    memcpy(r->word + r->used, bytes, n);
    r->used = (uint8_t)(r->used + n);
    r->length += (uint32_t)length;
    if (r->keys == 0)
        r->hash = field_hash_more(r->hash, bytes, length);
}

static void request_begin(struct memcached_request *r)
{
    r->phase = WORDS;
    r->shape = PLAIN;
    r->key_length = r->used = 0;
    r->quiet = false;
    r->words = r->length = r->flags = 0;
    r->keys = r->missing = r->bytes = r->key_hash = r->key_size = 0;
    r->hash = FIELD_HASH_START;
    r->ttl_ms = -1;
}

/* Up to the end of the line, which is consumed: MEMCACHED_DONE. */
static inline enum memcached_result words_take(struct memcached_request *r, const uint8_t **at, const uint8_t *end)
{
    const uint8_t *p = *at;
    for (;;) {
        const uint8_t *word = p;
        while (p<end && * p> ' ')
            p++;
        size_t length = (size_t)(p - word);
        struct word w = {word, length < MEMCACHED_WORD ? length : MEMCACHED_WORD, (uint32_t)length, true};
        *at = p;
        if (r->length + length > (r->words == 0 ? MEMCACHED_NAME : MEMCACHED_TEXT))
            return MEMCACHED_WRONG;
        if (r->length > 0 || p == end) {
            word_gather(r, word, length);
            w = (struct word){r->word, r->used, r->length, false};
        }
        if (p == end)
            return MEMCACHED_MORE;
        if ((*p != ' ' && *p != '\r' && *p != '\n') || (w.length > 0 && !word_end(r, &w)))
            return MEMCACHED_WRONG;
        if (*p++ == '\n') {
            *at = p - (r->words == 0);
            return r->words > 0 ? MEMCACHED_DONE : MEMCACHED_WRONG;
        }
    }
}

static bool request_has_value(const struct memcached_request *r)
{
    return (r->shape == STORE && r->words > 4) || (r->shape == META_SET && r->words > 2);
}

/* The value and its end. */
static inline enum memcached_result value_take(struct memcached_request *r, const uint8_t **at, const uint8_t *end)
{
    if (r->phase == VALUE) {
        size_t here = (size_t)(end - *at), n = r->missing < here ? (size_t)r->missing : here;
        *at += n;
        r->missing -= n;
        if (r->missing > 0)
            return MEMCACHED_MORE;
        r->phase = VALUE_CR;
    }
    for (; *at < end; (*at)++) {
        if (**at != (r->phase == VALUE_CR ? '\r' : '\n'))
            return MEMCACHED_WRONG;
        if (r->phase++ == VALUE_LF) {
            (*at)++;
            r->phase = START;
            return MEMCACHED_DONE;
        }
    }
    return MEMCACHED_MORE;
}

static inline enum memcached_result request_take(struct memcached_request *r, const uint8_t **at, const uint8_t *end)
{
    if (r->phase == START) {
        if (*at == end)
            return MEMCACHED_MORE;
        request_begin(r);
    }
    if (r->phase == WORDS) {
        enum memcached_result got = words_take(r, at, end);
        if (got != MEMCACHED_DONE)
            return got;
        r->phase = request_has_value(r) ? VALUE : START;
        if (r->phase == START)
            return MEMCACHED_DONE;
    }
    return value_take(r, at, end);
}

HOT enum memcached_result memcached_request_next(struct memcached_request *r, const uint8_t **at, const uint8_t *end)
{
    const uint8_t *before = *at;
    enum memcached_result got = request_take(r, at, end);
    r->bytes += (uint64_t)(*at - before);
    return got;
}

void memcached_request_message(const struct memcached_request *r, struct wire_message *m)
{
    const struct row *row = &rows[r->row];
    m->verb = row->verb;
    m->verb_length = row->verb_length;
    m->key = (const char *)r->key;
    m->key_length = r->key_length;
    m->key_hash = r->key_hash;
    m->flags |= r->flags | (r->key_size > r->key_length ? WIRE_TRUNCATED : 0);
    m->elements = r->keys;
    m->repeats = r->keys < 1 ? 1 : r->keys < UINT32_MAX ? (uint32_t)r->keys : UINT32_MAX;
    m->ttl_ms = r->ttl_ms;
    m->bytes = r->bytes;
}

bool memcached_request_gap(struct memcached_request *r, uint64_t length)
{
    if (r->phase != VALUE || length == 0 || length > r->missing)
        return false;
    r->missing -= length;
    r->bytes += length;
    return true;
}

/* Which command the first word is; -1: none, -2: it may become one. */
static int first_word(const uint8_t *bytes, size_t length, size_t *word)
{
    size_t n = 0;
    while (n < length && n <= MEMCACHED_NAME && bytes[n] > ' ')
        n++;
    *word = n;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        bool here = rows[i].name[0] == (char)bytes[0] && rows[i].length >= n && memcmp(rows[i].name, bytes, n) == 0;
        if (here && n == length)
            return -2;
        if (here && rows[i].length == n)
            return (int)i;
    }
    return -1;
}

/* Words of lines that other servers than memcached have too (beanstalkd, FTP, POP3): the answer will tell. */
static bool shape_is_telling(enum memcached_shape shape)
{
    return shape == KEYS || shape == TTL_KEYS || shape == STORE || shape == META_GET || shape == META_SET;
}

static bool word_is_number(const uint8_t *p, size_t length)
{
    int64_t value;
    return field_signed(p, length, &value);
}

/* Whether word `n` of a command of this shape may be these bytes. */
static bool word_fits(enum memcached_shape shape, uint32_t n, const uint8_t *p, size_t length)
{
    bool number =
        (shape == STORE && n >= 2 && n <= 4) || (shape == TTL_KEYS && n == 1) || (shape == META_SET && n == 2);
    if (number)
        return word_is_number(p, length);
    if (shape == META_GET || shape == META_SET)
        return n == 1 ? length <= MEMCACHED_KEY : length < MEMCACHED_WORD;
    return length <= MEMCACHED_KEY;
}

static uint32_t words_needed(enum memcached_shape shape)
{
    return shape == STORE ? 5 : shape == TTL_KEYS || shape == META_SET ? 3 : 2;
}

enum wire_guess memcached_request_guess(const uint8_t *bytes, size_t length)
{
    size_t at;
    int row = first_word(bytes, length, &at);
    if (row < 0)
        return row == -1 ? WIRE_GUESS_NO : WIRE_GUESS_MORE;
    enum memcached_shape shape = rows[row].shape;
    uint32_t words = 1;
    while (at < length) {
        uint8_t c = bytes[at];
        size_t word = at;
        if (c == '\n' || (c == '\r' && at + 1 < length)) {
            bool end = c == '\n' || bytes[at + 1] == '\n';
            if (!end || (shape_is_telling(shape) && words < words_needed(shape)))
                return WIRE_GUESS_NO;
            return shape_is_telling(shape) ? WIRE_GUESS_YES : WIRE_GUESS_MORE;
        }
        if (c == '\r')
            return WIRE_GUESS_MORE;
        if (c < ' ' || c == 127)
            return WIRE_GUESS_NO;
        while (at < length && bytes[at] > ' ')
            at++;
        if (at > word && at < length && !word_fits(shape, words++, bytes + word, at - word))
            return WIRE_GUESS_NO;
        at += at < length && bytes[at] == ' ';
    }
    /* A line that is long, and looked right so far. */
    return shape_is_telling(shape) && length >= RESYNC_LINE ? WIRE_GUESS_YES : WIRE_GUESS_MORE;
}
