/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/compiler.h"
#include "wire/fields.h"
#include "wire/resp.h"

#define ARGUMENTS_MAX INT32_MAX
#define ARGUMENT_MAX (INT64_C(1) << 40)

enum phase { START = 0 /* resp_request_between */, COUNT, LENGTH_TYPE, LENGTH, BODY, BODY_CR, BODY_LF, INLINE };

static void argument_begin(struct resp_request *r, uint64_t size)
{
    r->size = r->missing = size;
    r->kept_used = 0;
    r->hash = FIELD_HASH_START;
    r->interest = (uint8_t)redis_command_wants(&r->command, r->count);
}

static void argument_keep(struct resp_request *r, const uint8_t *bytes, size_t length)
{
    size_t room = sizeof(r->kept) - r->kept_used;
    size_t n = length < room ? length : room;
    memcpy(r->kept + r->kept_used, bytes, n);
    r->kept_used = (uint8_t)(r->kept_used + n);
    if (r->interest == REDIS_KEY)
        r->hash = field_hash_more(r->hash, bytes, length);
}

static void argument_end(struct resp_request *r)
{
    if (r->interest != REDIS_NOTHING)
        redis_command_argument(&r->command, r->count, r->kept, r->kept_used, r->size, r->hash);
}

static void command_begin(struct resp_request *r, uint32_t count)
{
    redis_command_begin(&r->command);
    r->left = count;
    r->count = 0;
}

/* The bytes of an argument; true: all are there. */
static inline bool body_take(struct resp_request *r, const uint8_t **at, const uint8_t *end)
{
    size_t here = (size_t)(end - *at);
    if (r->missing == r->size && here >= r->size) {
        size_t kept = r->size < REDIS_KEPT ? (size_t)r->size : REDIS_KEPT;
        if (r->interest != REDIS_NOTHING)
            redis_command_argument(&r->command, r->count, *at, kept, r->size,
                                   r->interest == REDIS_KEY ? field_hash(*at, (size_t)r->size) : 0);
        *at += r->size;
        r->missing = 0;
        return true;
    }
    size_t n = r->missing < here ? (size_t)r->missing : here;
    if (r->interest != REDIS_NOTHING)
        argument_keep(r, *at, n);
    r->missing -= n;
    *at += n;
    if (r->missing == 0)
        argument_end(r);
    return r->missing == 0;
}

/*
 * A command as a line of words, as people type it (sdssplitargs in Redis's sources). A first word that is no command is
 * another protocol's.
 */
static enum resp_result inline_take(struct resp_request *r, const uint8_t **at, const uint8_t *end)
{
    for (; *at < end; (*at)++) {
        uint8_t c = **at;
        bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n';
        if (r->quote && c == r->quote) {
            r->quote = 0;
        } else if (!r->quote && (c == '"' || c == '\'')) {
            r->quote = c;
        } else if (c != '\n' && (r->quote || !space)) {
            r->size++;
            argument_keep(r, &c, 1);
            if (r->count == 0 && r->size > WIRE_VERB_MAX)
                return RESP_WRONG;
        } else {
            if (r->size > 0 || r->quote) {
                argument_end(r);
                if (r->count == 0 && !r->command.known)
                    return RESP_WRONG;
                r->count++;
                argument_begin(r, 0);
            }
            r->quote = 0;
            if (c == '\n') {
                (*at)++;
                r->phase = START;
                return RESP_DONE;
            }
        }
    }
    return RESP_MORE;
}

/* Between messages: empty lines are allowed. RESP_DONE: one has begun. */
static inline enum resp_result start_take(struct resp_request *r, const uint8_t **at, const uint8_t *end)
{
    while (*at < end && (**at == '\r' || **at == '\n'))
        (*at)++;
    if (*at == end)
        return RESP_MORE;
    r->line_used = 0;
    if (**at == '*') {
        r->phase = COUNT;
    } else if (field_is_letter(**at)) {
        command_begin(r, 0);
        argument_begin(r, 0);
        r->quote = 0;
        r->phase = INLINE;
    } else {
        return RESP_WRONG;
    }
    return RESP_DONE;
}

static enum resp_result argument_take(struct resp_request *r, const uint8_t **at, const uint8_t *end)
{
    int64_t value;
    switch ((enum phase)r->phase) {
    case LENGTH_TYPE:
        if (*at == end)
            return RESP_MORE;
        if (**at != '$')
            return RESP_WRONG;
        (*at)++;
        r->phase = LENGTH;
        FALLTHROUGH;
    case LENGTH: {
        enum resp_result got = resp_number_take(r->line, &r->line_used, at, end, &value);
        if (got != RESP_DONE)
            return got;
        if (value < 0 || value > ARGUMENT_MAX)
            return RESP_WRONG;
        argument_begin(r, (uint64_t)value);
        r->phase = BODY;
        FALLTHROUGH;
    }
    case BODY:
        if (!body_take(r, at, end))
            return RESP_MORE;
        r->phase = BODY_CR;
        FALLTHROUGH;
    case BODY_CR:
        if (*at == end)
            return RESP_MORE;
        if (**at != '\r')
            return RESP_WRONG;
        (*at)++;
        r->phase = BODY_LF;
        FALLTHROUGH;
    default:
        if (*at == end)
            return RESP_MORE;
        if (**at != '\n')
            return RESP_WRONG;
        (*at)++;
        r->count++;
        r->left--;
        r->phase = LENGTH_TYPE;
        return RESP_DONE;
    }
}

/* RESP_DONE: the number of arguments is known, and not 0. */
static inline enum resp_result count_take(struct resp_request *r, const uint8_t **at, const uint8_t *end)
{
    int64_t value;
    enum resp_result got = resp_number_take(r->line, &r->line_used, at, end, &value);
    if (got != RESP_DONE)
        return got;
    if (value > ARGUMENTS_MAX || value == RESP_STREAMED)
        return RESP_WRONG;
    command_begin(r, value > 0 ? (uint32_t)value : 0);
    r->phase = value > 0 ? LENGTH_TYPE : START;
    return RESP_DONE;
}

static inline enum resp_result request_take(struct resp_request *r, const uint8_t **at, const uint8_t *end)
{
    const uint8_t *before = *at;
    for (;;) {
        enum resp_result got;
        if (r->phase == START) {
            got = start_take(r, at, end);
            /* The bytes from here on are the message's; the caller adds all that this call consumed. */
            r->bytes = -(uint64_t)(*at - before);
            if (got == RESP_DONE && r->phase == COUNT)
                (*at)++;
        } else if (r->phase == COUNT) {
            got = count_take(r, at, end);
        } else if (r->phase == INLINE) {
            return inline_take(r, at, end);
        } else {
            got = argument_take(r, at, end);
            if (got == RESP_DONE && r->left == 0) {
                r->phase = START;
                return RESP_DONE;
            }
        }
        if (got != RESP_DONE)
            return got;
    }
}

HOT enum resp_result resp_request_next(struct resp_request *r, const uint8_t **at, const uint8_t *end)
{
    const uint8_t *before = *at;
    enum resp_result got = request_take(r, at, end);
    r->bytes += (uint64_t)(*at - before);
    return got;
}

void resp_request_drop(struct resp_request *r)
{
    r->phase = START;
    r->line_used = 0;
}

bool resp_request_gap(struct resp_request *r, uint64_t length)
{
    if (r->phase != BODY || r->interest != REDIS_NOTHING || length == 0 || length > r->missing)
        return false;
    r->missing -= length;
    r->bytes += length;
    return true;
}
