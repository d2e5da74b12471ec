/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/compiler.h"
#include "wire/fields.h"
#include "wire/memcached_text.h"
#include "wire/resync.h"

#define VALUE_MAX (UINT64_C(1) << 31)
#define WORD_MAX 4096

/* How a line looks that begins with a word: alone, with words behind it, or both; COMMON: other servers than memcached
   (beanstalkd, FTP) have such lines too. */
enum form { ALONE, FOLLOWED, EITHER, COMMON };

/* `quiet`: it tells no more than that all went well. */
static const struct word {
    char name[16];
    uint8_t length;
    uint8_t line; /* enum memcached_line */
    uint8_t form;
    bool quiet;
} words[] = {
#define WORD(name, line, form, quiet)             \
    {                                             \
        name, sizeof(name) - 1, line, form, quiet \
    }
    WORD("", LINE_OTHER, COMMON, true),
    WORD("VALUE", LINE_VALUE, FOLLOWED, true),
    WORD("END", LINE_END, ALONE, true),
    WORD("STORED", LINE_STATUS, ALONE, true),
    WORD("HD", LINE_HEAD, EITHER, true),
    WORD("VA", LINE_META_VALUE, FOLLOWED, true),
    WORD("EN", LINE_STATUS, ALONE, false),
    WORD("NF", LINE_STATUS, EITHER, false),
    WORD("NS", LINE_STATUS, EITHER, false),
    WORD("EX", LINE_STATUS, EITHER, false),
    WORD("MN", LINE_NOOP, ALONE, true),
    WORD("ME", LINE_STATUS, COMMON, true),
    WORD("STAT", LINE_LIST, FOLLOWED, true),
    WORD("ITEM", LINE_LIST, FOLLOWED, true),
    WORD("PREFIX", LINE_LIST, COMMON, true),
    WORD("mg", LINE_LIST, COMMON, true),
    WORD("DELETED", LINE_STATUS, COMMON, true),
    WORD("TOUCHED", LINE_STATUS, COMMON, true),
    WORD("OK", LINE_STATUS, COMMON, true),
    WORD("RESET", LINE_STATUS, COMMON, true),
    WORD("VERSION", LINE_STATUS, COMMON, true),
    WORD("NOT_STORED", LINE_STATUS, ALONE, false),
    WORD("NOT_FOUND", LINE_STATUS, COMMON, false),
    WORD("EXISTS", LINE_STATUS, COMMON, false),
    WORD("ERROR", LINE_FAILED, COMMON, false),
    WORD("CLIENT_ERROR", LINE_FAILED, COMMON, false),
    WORD("SERVER_ERROR", LINE_FAILED, COMMON, false),
    WORD("BUSY", LINE_FAILED, COMMON, false),
    WORD("BADCLASS", LINE_FAILED, COMMON, false),
#undef WORD
};

enum phase { WORDS, VALUE, VALUE_CR, VALUE_LF };

static size_t word_find(const uint8_t *p, size_t length)
{
    for (size_t i = 1; i < ARRAY_SIZE(words); i++)
        if (words[i].name[0] == (char)p[0] && words[i].length == length && memcmp(words[i].name, p, length) == 0)
            return i;
    return 0;
}

/* Word `n` of VALUE key flags size, and of VA size, is the size of what follows the line. */
static uint32_t size_position(enum memcached_line line)
{
    return line == LINE_VALUE ? 3 : line == LINE_META_VALUE ? 1 : 0;
}

static inline bool word_end(struct memcached_reply *r, const uint8_t *word, size_t kept, size_t length)
{
    bool right = true;
    uint32_t position = size_position(r->line);
    if (r->words == 0) {
        r->status = (uint8_t)(length == kept ? word_find(word, kept) : 0);
        r->line = words[r->status].line;
        if (kept > 4 && memcmp(word, "key=", 4) == 0)
            r->line = LINE_LIST;
    } else if (position > 0 && r->words == position) {
        right = field_decimal(word, kept, &r->missing) && r->missing < VALUE_MAX && length == kept;
    }
    r->words++;
    r->used = 0;
    r->length = 0;
    return right;
}

/* A part of a word, up to the end of the chunk or of the word. */
static void word_gather(struct memcached_reply *r, const uint8_t *bytes, size_t length)
{
    size_t room = sizeof(r->word) - r->used, n = length < room ? length : room;
    memcpy(r->word + r->used, bytes, n);
    r->used = (uint8_t)(r->used + n);
    r->length += (uint32_t)length;
}

static bool byte_is_in_word(uint8_t c)
{
    return c != ' ' && c != '\r' && c != '\n' && c != '\0';
}

/* Up to the end of the line, which is consumed: MEMCACHED_DONE. */
static inline enum memcached_result words_take(struct memcached_reply *r, const uint8_t **at, const uint8_t *end)
{
    const uint8_t *p = *at;
    for (;;) {
        const uint8_t *word = p;
        while (p < end && byte_is_in_word(*p))
            p++;
        size_t length = (size_t)(p - word), all = r->length + length;
        *at = p;
        if (all > WORD_MAX)
            return MEMCACHED_WRONG;
        bool parts = r->length > 0 || p == end;
        if (parts)
            word_gather(r, word, length);
        if (p == end)
            return MEMCACHED_MORE;
        size_t kept = parts ? r->used : length < sizeof(r->word) ? length : sizeof(r->word);
        if (*p == '\0' || (all > 0 && !word_end(r, parts ? r->word : word, kept, all)))
            return MEMCACHED_WRONG;
        if (*p++ == '\n') {
            bool right = r->words > size_position(r->line);
            *at = p - !right;
            return right ? MEMCACHED_DONE : MEMCACHED_WRONG;
        }
    }
}

static inline enum memcached_result value_take(struct memcached_reply *r, const uint8_t **at, const uint8_t *end)
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
            return MEMCACHED_DONE;
        }
    }
    return MEMCACHED_MORE;
}

static inline enum memcached_result reply_take(struct memcached_reply *r, const uint8_t **at, const uint8_t *end)
{
    if (r->phase == WORDS) {
        enum memcached_result got = words_take(r, at, end);
        if (got != MEMCACHED_DONE || size_position(r->line) == 0)
            return got;
        r->phase = VALUE;
    }
    return value_take(r, at, end);
}

HOT enum memcached_result memcached_reply_next(struct memcached_reply *r, const uint8_t **at, const uint8_t *end)
{
    const uint8_t *before = *at;
    if (!r->begun) {
        r->begun = *at < end;
        r->phase = WORDS;
        r->line = LINE_OTHER;
        r->used = 0;
        r->words = r->length = 0;
        r->missing = r->bytes = 0;
    }
    enum memcached_result got = reply_take(r, at, end);
    r->bytes += (uint64_t)(*at - before);
    r->begun &= got == MEMCACHED_MORE;
    return got;
}

const char *memcached_reply_status(const struct memcached_reply *r)
{
    return words[r->status].quiet ? "" : words[r->status].name;
}

bool memcached_reply_gap(struct memcached_reply *r, uint64_t length)
{
    if (!r->begun || r->phase != VALUE || length == 0 || length > r->missing)
        return false;
    r->missing -= length;
    r->bytes += length;
    return true;
}

/* Whether what stands behind a line's first word looks like memcached's, up to the end of the line. */
static bool rest_fits(const struct word *w, const uint8_t *p, const uint8_t *end)
{
    uint32_t n = 1, position = size_position(w->line);
    if (end[-1] != '\r')
        return false;
    while (p < end) {
        const uint8_t *word = p;
        uint64_t value;
        while (p<end && * p> ' ')
            p++;
        if (p > word && position == n && !field_decimal(word, (size_t)(p - word), &value))
            return false;
        n += p > word;
        p += p < end;
    }
    return w->form == EITHER || (w->form == ALONE ? n == 1 : n > position && n > 1);
}

enum wire_guess memcached_reply_guess(const uint8_t *bytes, size_t length)
{
    const uint8_t *newline = memchr(bytes, '\n', length);
    size_t line = newline ? (size_t)(newline - bytes) : length, n = 0;
    while (n < line && bytes[n] > ' ')
        n++;
    for (size_t i = 1; i < ARRAY_SIZE(words); i++) {
        const struct word *w = &words[i];
        if (n > w->length || w->name[0] != (char)bytes[0] || memcmp(bytes, w->name, n) != 0 ||
            (n < w->length && n < length))
            continue;
        if (!newline)
            return length >= RESYNC_LINE && w->form != COMMON ? WIRE_GUESS_YES : WIRE_GUESS_MORE;
        if (w->form == COMMON)
            return WIRE_GUESS_MORE;
        return rest_fits(w, bytes + n, newline) ? WIRE_GUESS_YES : WIRE_GUESS_NO;
    }
    return WIRE_GUESS_NO;
}
