/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/compiler.h"
#include "wire/fields.h"
#include "wire/resp.h"

#define BULK_MAX (INT64_C(1) << 40)
#define UNTIL_END UINT32_MAX /* left[] of a streamed aggregate or string */
#define ELEMENTS_MAX (UNTIL_END / 2 - 1)

enum phase { START, NUMBER, LINE, BODY, BODY_CR, BODY_LF };

static void reply_begin(struct resp_reply *r)
{
    r->begun = true;
    r->type = 0;
    r->capture = r->failed = r->nil = r->zero = false;
    r->word = RESP_WORD_NONE;
    r->depth = 0;
    r->attributes = 0;
    r->index = 0;
    r->status_length = r->key_length = 0;
    r->line_used = 0;
    r->elements = r->cursor = r->remaining = r->key_size = r->key_hash = 0;
}

/* Position of the element under way in the outermost aggregate; -1: it is the reply itself, or deeper, or an
 * attribute's. */
static int element_position(const struct resp_reply *r)
{
    return r->depth == 1 && !(r->attributes & 1) ? (int)(r->index < 4 ? r->index : 4) - 1 : -1;
}

/* An error's first word, which is its code: what follows may quote the request. */
static void status_take(struct resp_reply *r, const uint8_t *text, size_t length)
{
    size_t n = 0;
    while (n < length && n < sizeof(r->status) && ((text[n] >= 'A' && text[n] <= 'Z') || text[n] == '_'))
        n++;
    bool word = n > 0 && (n == length || text[n] == ' ');
    memcpy(r->status, word ? text : (const uint8_t *)"ERR", word ? n : 3);
    r->status_length = (uint8_t)(word ? n : 3);
}

static enum resp_word word_of(const uint8_t *text, size_t length)
{
    size_t kind = length > 0 && (text[0] == 'p' || text[0] == 's') ? 1 : 0;
    static const char message[] = "MESSAGE", subscribe[] = "SUBSCRIBE", unsubscribe[] = "UNSUBSCRIBE";
    for (size_t skip = 0; skip <= kind; skip++) {
        if (FIELD_IS(text + skip, length - skip, message))
            return RESP_WORD_MESSAGE;
        if (FIELD_IS(text + skip, length - skip, subscribe) || FIELD_IS(text + skip, length - skip, unsubscribe))
            return RESP_WORD_CONFIRMATION;
    }
    if (FIELD_IS(text, length, "INVALIDATE"))
        return RESP_WORD_INVALIDATE;
    return RESP_WORD_OTHER;
}

static void channel_take(struct resp_reply *r, const uint8_t *text, size_t kept, uint64_t size, uint64_t hash)
{
    if (r->word != RESP_WORD_MESSAGE)
        return;
    r->key_length = (uint8_t)(kept < WIRE_KEY_MAX ? kept : WIRE_KEY_MAX);
    memcpy(r->key, text, r->key_length);
    r->key_size = size;
    r->key_hash = hash;
}

/* The first bytes of a string in a place that is looked at. */
static void string_take(struct resp_reply *r, const uint8_t *text, size_t kept, uint64_t size, uint64_t hash)
{
    int position = element_position(r);
    if (r->depth == 0) {
        if (r->element == '!')
            status_take(r, text, kept);
    } else if (position == 0) {
        if (r->wants & RESP_WANT_CURSOR)
            field_decimal(text, kept, &r->cursor);
        if (r->wants & RESP_WANT_WORD || r->type == '>')
            r->word = (uint8_t)word_of(text, kept == size ? kept : 0);
    } else if (position == 1) {
        channel_take(r, text, kept, size, hash);
    }
}

static bool string_is_looked_at(const struct resp_reply *r)
{
    int position = element_position(r);
    if (position == 0)
        return r->wants != 0 || r->type == '>';
    return position == 1 ? r->word == RESP_WORD_MESSAGE : r->depth == 0 && r->element == '!';
}

/* A line that is an element by itself: its first bytes, without the line's end. */
static void line_take(struct resp_reply *r, const uint8_t *text, size_t length)
{
    bool zero = r->element == ':' && length == 1 && text[0] == '0';
    if (r->depth == 0) {
        r->elements = r->element != '_';
        r->nil = r->element == '_';
        r->zero = zero;
        r->failed = r->element == '-';
        if (r->failed)
            status_take(r, text, length);
        if (r->element == '+' && length == 6 && memcmp(text, "QUEUED", 6) == 0) {
            memcpy(r->status, text, 6);
            r->status_length = 6;
        }
        /* MONITOR: "+1339518083.107412 [0 127.0.0.1:60866] …" */
        r->word = r->element == '+' && length > 0 && field_is_digit(text[0]) ? RESP_WORD_OTHER : RESP_WORD_NONE;
    } else if (element_position(r) == 2 && r->element == ':') {
        field_decimal(text, length, &r->remaining);
    } else if (r->element == '+') {
        string_take(r, text, length, length, field_hash(text, length));
    }
}

/* The innermost aggregate is complete. True: it was only said about the element that follows. */
static bool aggregate_end(struct resp_reply *r)
{
    r->depth--;
    bool attribute = r->attributes >> r->depth & 1;
    r->attributes &= ~(1u << r->depth);
    return attribute;
}

/* An element is complete, and so may be what it is in. RESP_DONE: so is the reply. */
static enum resp_result element_end(struct resp_reply *r)
{
    r->phase = START;
    while (r->depth > 0) {
        uint32_t *left = &r->left[r->depth - 1];
        if (*left == UNTIL_END || --*left > 0)
            return RESP_MORE;
        if (aggregate_end(r))
            return RESP_MORE;
    }
    return RESP_DONE;
}

/* The mark at the end of what was streamed. */
static enum resp_result streamed_end(struct resp_reply *r)
{
    r->phase = START;
    if (r->depth == 0)
        return RESP_WRONG;
    return aggregate_end(r) ? RESP_MORE : element_end(r);
}

static enum resp_result aggregate_begin(struct resp_reply *r, int64_t count)
{
    bool pairs = r->element == '%' || r->element == '|', streamed = count == RESP_STREAMED;
    if (count > ELEMENTS_MAX || r->depth == RESP_DEPTH)
        return RESP_WRONG;
    if (r->depth == 0 && r->element != '|')
        r->elements = streamed ? 0 : (uint64_t)count;
    else if (r->wants & RESP_WANT_CURSOR && element_position(r) == 1)
        r->elements = streamed ? 0 : (uint64_t)count;
    r->phase = START;
    if (count == 0)
        return r->element == '|' ? RESP_MORE : element_end(r);
    if (r->element == '|')
        r->attributes |= 1u << r->depth;
    r->left[r->depth++] = streamed ? UNTIL_END : (uint32_t)count << pairs;
    return RESP_MORE;
}

static enum resp_result string_begin(struct resp_reply *r, int64_t size)
{
    if (size > BULK_MAX)
        return RESP_WRONG;
    if (r->depth == 0)
        r->elements = 1;
    r->missing = (uint64_t)size;
    r->capture = string_is_looked_at(r);
    r->size = 0;
    r->hash = FIELD_HASH_START;
    r->failed |= r->depth == 0 && r->element == '!';
    r->phase = BODY;
    return RESP_MORE;
}

/* The number after an element's type is known. */
static enum resp_result number_end(struct resp_reply *r, int64_t value)
{
    if (r->element == ';') { /* a part of a streamed string */
        if (value != 0)
            return value < 0 ? RESP_WRONG : string_begin(r, value);
        return streamed_end(r);
    }
    if (value == -1) {
        if (r->depth == 0) {
            r->nil = true;
            r->elements = 0;
        }
        return element_end(r);
    }
    if (value < 0 && value != RESP_STREAMED)
        return RESP_WRONG;
    if (r->element != '$' && r->element != '=' && r->element != '!')
        return aggregate_begin(r, value);
    if (value != RESP_STREAMED)
        return string_begin(r, value);
    if (r->depth == RESP_DEPTH || r->element != '$')
        return RESP_WRONG;
    if (r->depth == 0)
        r->elements = 1;
    r->left[r->depth++] = UNTIL_END;
    r->phase = START;
    return RESP_MORE;
}

static bool type_has_number(uint8_t type)
{
    return type == '$' || type == '*' || type == '%' || type == '~' || type == '>' || type == '|' || type == '=' ||
           type == '!' || type == ';';
}

static bool type_has_line(uint8_t type)
{
    return type == '+' || type == '-' || type == ':' || type == '_' || type == ',' || type == '#' || type == '(' ||
           type == '.';
}

bool resp_is_type(uint8_t byte)
{
    return type_has_number(byte) || type_has_line(byte);
}

static enum resp_result element_begin(struct resp_reply *r, uint8_t type)
{
    bool streamed = r->depth > 0 && r->left[r->depth - 1] == UNTIL_END;
    if (!resp_is_type(type) || ((type == '.' || type == ';') && !streamed))
        return RESP_WRONG;
    r->element = type;
    if (r->depth == 0)
        r->type = type == '|' ? r->type : type;
    if (r->depth == 1 && !(r->attributes & 1) && type != '|' && type != '.' && type != ';')
        r->index++;
    r->line_used = 0;
    r->phase = type_has_number(type) ? NUMBER : LINE;
    return RESP_MORE;
}

static enum resp_result line_end(struct resp_reply *r, const uint8_t *text, size_t length)
{
    if (length == 0 || text[length - 1] != '\r')
        return RESP_WRONG;
    if (r->element == '.')
        return streamed_end(r);
    line_take(r, text, length - 1);
    return element_end(r);
}

/* Of a long line the first bytes are kept, and the last one, in the last place. */
static enum resp_result line_gather(struct resp_reply *r, const uint8_t **at, const uint8_t *end)
{
    while (*at < end) {
        uint8_t c = *(*at)++;
        if (c == '\n')
            return line_end(r, r->line, r->line_used);
        if (r->line_used == RESP_LINE)
            r->line[RESP_LINE - 1] = c;
        else
            r->line[r->line_used++] = c;
    }
    return RESP_MORE;
}

static inline enum resp_result line_parse(struct resp_reply *r, const uint8_t **at, const uint8_t *end)
{
    const uint8_t *p = *at;
    size_t here = (size_t)(end - p) < RESP_LINE ? (size_t)(end - p) : RESP_LINE;
    const uint8_t *newline = r->line_used == 0 ? memchr(p, '\n', here) : NULL;
    if (!newline)
        return line_gather(r, at, end);
    *at = newline + 1;
    return line_end(r, p, (size_t)(newline - p));
}

/* RESP_DONE: all of the string is there, and its end is due. */
static inline enum resp_result body_take(struct resp_reply *r, const uint8_t **at, const uint8_t *end)
{
    size_t here = (size_t)(end - *at);
    size_t n = r->missing < here ? (size_t)r->missing : here;
    if (r->capture) {
        size_t room = sizeof(r->line) - r->line_used, kept = n < room ? n : room;
        memcpy(r->line + r->line_used, *at, kept);
        r->line_used = (uint8_t)(r->line_used + kept);
        r->size += n;
        r->hash = field_hash_more(r->hash, *at, n);
    }
    r->missing -= n;
    *at += n;
    if (r->missing > 0)
        return RESP_MORE;
    if (r->capture)
        string_take(r, r->line, r->line_used, r->size, r->hash);
    r->phase = BODY_CR;
    return RESP_DONE;
}

static inline enum resp_result body_end(struct resp_reply *r, const uint8_t **at, const uint8_t *end)
{
    if (r->phase == BODY_CR) {
        if (*at == end)
            return RESP_MORE;
        if (**at != '\r')
            return RESP_WRONG;
        (*at)++;
        r->phase = BODY_LF;
    }
    if (*at == end)
        return RESP_MORE;
    if (**at != '\n')
        return RESP_WRONG;
    (*at)++;
    if (r->element != ';')
        return element_end(r);
    r->phase = START;
    return RESP_MORE;
}

/* One step. RESP_MORE with bytes left: go on. */
static inline enum resp_result reply_step(struct resp_reply *r, const uint8_t **at, const uint8_t *end)
{
    int64_t value;
    enum resp_result got;
    switch ((enum phase)r->phase) {
    case START:
        got = element_begin(r, **at);
        *at += got != RESP_WRONG;
        return got;
    case NUMBER:
        got = resp_number_take(r->line, &r->line_used, at, end, &value);
        return got == RESP_DONE ? number_end(r, value) : got;
    case LINE:
        return line_parse(r, at, end);
    case BODY:
        got = body_take(r, at, end);
        if (got != RESP_DONE)
            return got;
        FALLTHROUGH;
    default:
        return body_end(r, at, end);
    }
}

HOT enum resp_result resp_reply_next(struct resp_reply *r, const uint8_t **at, const uint8_t *end)
{
    const uint8_t *before = *at;
    enum resp_result got = RESP_MORE;
    if (*at < end && !r->begun) {
        reply_begin(r);
        r->bytes = 0;
    }
    while (*at < end && got == RESP_MORE)
        got = reply_step(r, at, end);
    r->bytes += (uint64_t)(*at - before);
    if (got == RESP_DONE)
        r->begun = false;
    return got;
}

void resp_reply_drop(struct resp_reply *r)
{
    r->begun = false;
    r->phase = START;
}

bool resp_reply_gap(struct resp_reply *r, uint64_t length)
{
    if (!r->begun || r->phase != BODY || r->capture || length == 0 || length > r->missing)
        return false;
    r->missing -= length;
    r->bytes += length;
    return true;
}
