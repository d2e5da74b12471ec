/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether bytes are PostgreSQL's. A recording may begin in the middle of a conversation: then messages must follow each
 * other without a break, and one of them be unmistakable.
 */
#include "wire/pgsql.h"

#define CONTENTS_MAX 0x3fffffff /* src/include/utils/memutils.h of the server: MaxAllocSize */
#define TEXT_ENOUGH 12          /* bytes of a statement that hold its first word, as a rule */
#define LOOKED_AT 512

/* Types that have no contents. */
static bool is_empty_type(enum wire_side from, uint8_t type)
{
    return from == WIRE_CLIENT
               ? type == 'S' || type == 'H' || type == 'X' || type == 'c'
               : type == '1' || type == '2' || type == '3' || type == 'n' || type == 's' || type == 'I' || type == 'c';
}

bool pgsql_is_message(enum wire_side from, uint8_t type, uint32_t length)
{
    static const char client[] = "QPBDECSHFdcfXp", server[] = "RKSZTDCIs123ntENAGHWdcVv";
    const char *types = from == WIRE_CLIENT ? client : server;
    size_t count = from == WIRE_CLIENT ? sizeof(client) - 1 : sizeof(server) - 1;
    if (!memchr(types, type, count) || length < 4 || length > CONTENTS_MAX)
        return false;
    if (is_empty_type(from, type))
        return length == 4;
    if (type == 'Z')
        return length == 5;
    return length > 4 || type == 'd';
}

static enum wire_guess guess_startup(const uint8_t *bytes, size_t length)
{
    if (length < 8)
        return length > 1 && bytes[1] != 0 ? WIRE_GUESS_NO : WIRE_GUESS_MORE;
    uint32_t size = field_be32(bytes), code = field_be32(bytes + 4);
    if (((code == STARTUP_SSL || code == STARTUP_GSS) && size == 8) ||
        (code == STARTUP_CANCEL && size >= 16 && size < 300))
        return WIRE_GUESS_YES;
    if (code >> 16 != 3 || (code & 0xffff) > 16 || size < 9 || size > 10000)
        return WIRE_GUESS_NO;
    return length == 8 ? WIRE_GUESS_MORE : bytes[8] >= 'a' && bytes[8] <= 'z' ? WIRE_GUESS_YES : WIRE_GUESS_NO;
}

/* A statement at `at` in contents that are `size` long, of which `held` are there. */
static enum wire_guess guess_statement(const uint8_t *contents, size_t held, size_t size, size_t at)
{
    const uint8_t *zero = at < held ? memchr(contents + at, 0, held - at) : NULL;
    if (!zero && held >= size)
        return WIRE_GUESS_NO;
    if (!zero && held < at + TEXT_ENOUGH)
        return WIRE_GUESS_MORE;
    return sql_begins(contents + at, zero ? (size_t)(zero - contents) - at : held - at) ? WIRE_GUESS_YES
                                                                                        : WIRE_GUESS_NO;
}

/* "ERROR", "FATAL", …: {'S', text, 0, 'V' or 'C', …} */
static enum wire_guess guess_error(const uint8_t *contents, size_t held)
{
    const uint8_t *zero = held > 1 ? memchr(contents + 1, 0, held - 1) : NULL;
    if (held == 0 || (zero && (size_t)(zero - contents) + 1 < held))
        return held == 0                                                                         ? WIRE_GUESS_MORE
               : contents[0] == 'S' && zero > contents + 3 && (zero[1] == 'V' || zero[1] == 'C') ? WIRE_GUESS_YES
                                                                                                 : WIRE_GUESS_NO;
    return contents[0] == 'S' && held < 32 ? WIRE_GUESS_MORE : WIRE_GUESS_NO;
}

/* What one message says, if it says it clearly; else WIRE_GUESS_MORE: the next one is looked at. */
static enum wire_guess guess_message(enum wire_side from, uint8_t type, const uint8_t *contents, size_t held,
                                     size_t size)
{
    if (from == WIRE_SERVER) {
        if (type == 'E')
            return guess_error(contents, held);
        if (type == 'Z' && held > 0)
            return contents[0] == 'I' || contents[0] == 'T' || contents[0] == 'E' ? WIRE_GUESS_YES : WIRE_GUESS_NO;
        if (type == 'R' && held >= 4)
            return field_be32(contents) <= 12 && size < 512 ? WIRE_GUESS_YES : WIRE_GUESS_NO;
        return WIRE_GUESS_MORE;
    }
    if (type == 'Q')
        return guess_statement(contents, held, size, 0);
    if (type == 'P') {
        const uint8_t *zero = memchr(contents, 0, held < 64 ? held : 64);
        if (!zero)
            return held < 64 && held < size ? WIRE_GUESS_MORE : WIRE_GUESS_NO;
        return guess_statement(contents, held, size, (size_t)(zero - contents) + 1);
    }
    return type == 'S' || type == 'X' ? WIRE_GUESS_YES : WIRE_GUESS_MORE;
}

enum wire_guess pgsql_guess(const uint8_t *bytes, size_t length, enum wire_side from)
{
    size_t at = 0;
    if (length == 0)
        return WIRE_GUESS_MORE;
    if (from == WIRE_CLIENT && bytes[0] == 0)
        return guess_startup(bytes, length);
    while (at + PGSQL_HEADER <= length) {
        uint32_t size = field_be32(bytes + at + 1);
        if (!pgsql_is_message(from, bytes[at], size))
            return WIRE_GUESS_NO;
        size_t held = length - at - PGSQL_HEADER, contents = size - 4;
        enum wire_guess guess =
            guess_message(from, bytes[at], bytes + at + PGSQL_HEADER, held < contents ? held : contents, contents);
        if (guess != WIRE_GUESS_MORE)
            return guess;
        at += (size_t)size + 1;
    }
    if (at == 0 && !pgsql_is_message(from, bytes[0], from == WIRE_SERVER && bytes[0] == 'Z' ? 5 : 4) &&
        !pgsql_is_message(from, bytes[0], 5))
        return WIRE_GUESS_NO;
    return length < LOOKED_AT ? WIRE_GUESS_MORE : WIRE_GUESS_NO;
}
