/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether bytes are MySQL's. A recording may begin in the middle of a conversation: then at a command, whose packet has
 * number 0, or at its answer, whose first one has number 1.
 */
#include "wire/mysql.h"

#define STATEMENT_MAX (1 << 24) /* servers count statements of a connection from 1 */
#define TEXT_ENOUGH 12          /* bytes of a statement that hold its first word, as a rule */

static enum wire_guess guess_when(bool holds)
{
    return holds ? WIRE_GUESS_YES : WIRE_GUESS_NO;
}

static bool is_printable(const uint8_t *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return true;
}

static enum wire_guess guess_statement(const uint8_t *bytes, size_t length, size_t size)
{
    const uint8_t *text = bytes + MYSQL_HEADER + 1;
    size_t left = length - MYSQL_HEADER - 1, most = size - 1;
    left = left < most ? left : most;
    if (left >= 2 && text[0] == 0 && text[1] == 1) { /* query attributes, none */
        text += 2;
        left -= 2;
        most -= 2;
    }
    if (left > 0 && text[0] == 0)
        return left < 2 ? WIRE_GUESS_MORE : WIRE_GUESS_NO;
    if (left < TEXT_ENOUGH && left < most)
        return WIRE_GUESS_MORE;
    return guess_when(!memchr(text, 0, left) && sql_begins(text, left));
}

static bool statement_plausible(uint32_t id)
{
    return (id > 0 && id < STATEMENT_MAX) || id == UINT32_MAX;
}

/* A command about a prepared statement. */
static enum wire_guess guess_prepared(const uint8_t *bytes, size_t length, size_t size)
{
    const uint8_t *payload = bytes + MYSQL_HEADER;
    bool execute = payload[0] == COM_STMT_EXECUTE, bulk = payload[0] == COM_STMT_BULK_EXECUTE;
    size_t need = execute ? 10 : bulk ? 7 : 5;
    if (size < need || (!execute && !bulk && size != need))
        return WIRE_GUESS_NO;
    if (length - MYSQL_HEADER < need)
        return WIRE_GUESS_MORE;
    if (!statement_plausible(field_le32(payload + 1)))
        return WIRE_GUESS_NO;
    if (execute)
        return guess_when(payload[5] <= 0x0f && field_le32(payload + 6) == 1);
    if (bulk)
        return guess_when(field_le16(payload + 5) & 0xc0 && field_le16(payload + 5) < 0x100);
    size_t next = MYSQL_HEADER + size;
    return guess_when(length == next || (length >= next + MYSQL_HEADER && bytes[next + 3] == 0));
}

static enum wire_guess guess_command(const uint8_t *bytes, size_t length, size_t size)
{
    switch (bytes[MYSQL_HEADER]) {
    case COM_QUERY:
    case COM_STMT_PREPARE:
        return size > 2 ? guess_statement(bytes, length, size) : WIRE_GUESS_NO;
    case COM_STMT_EXECUTE:
    case COM_STMT_BULK_EXECUTE:
    case COM_STMT_CLOSE:
    case COM_STMT_RESET:
        return guess_prepared(bytes, length, size);
    case COM_QUIT:
    case COM_PING:
    case COM_STATISTICS:
    case COM_RESET_CONNECTION:
        return guess_when(size == 1 && length == MYSQL_HEADER + 1);
    case COM_INIT_DB:
        if (size > 65 || length > MYSQL_HEADER + size)
            return WIRE_GUESS_NO;
        if (!is_printable(bytes + MYSQL_HEADER + 1, length - MYSQL_HEADER - 1))
            return WIRE_GUESS_NO;
        return length == MYSQL_HEADER + size && size > 1 ? WIRE_GUESS_YES : WIRE_GUESS_MORE;
    default:
        return WIRE_GUESS_NO;
    }
}

static enum wire_guess guess_client(const uint8_t *bytes, size_t length, size_t size)
{
    if (bytes[3] == 0)
        return guess_command(bytes, length, size);
    if (bytes[3] > 2 || size < 32 || size > 4096)
        return WIRE_GUESS_NO;
    if (length < MYSQL_HEADER + 32)
        return WIRE_GUESS_MORE;
    return guess_when(mysql_is_response(bytes + MYSQL_HEADER, length - MYSQL_HEADER));
}

static enum wire_guess guess_greeting(const uint8_t *bytes, size_t length, size_t size)
{
    const uint8_t *version = bytes + MYSQL_HEADER + 1;
    size_t left = length - MYSQL_HEADER - 1;
    const uint8_t *zero = memchr(version, 0, left < 64 ? left : 64);
    if (size < 32 || size > 512 || (left > 0 && !field_is_digit(version[0])))
        return WIRE_GUESS_NO;
    if (!zero)
        return left < 64 && is_printable(version, left) ? WIRE_GUESS_MORE : WIRE_GUESS_NO;
    return guess_when(zero - version >= 3 && is_printable(version, (size_t)(zero - version)));
}

/* 0xff, code 2, "#", SQL state 5, text; a greeting may be one too, without the state. */
static enum wire_guess guess_error(const uint8_t *bytes, size_t length, size_t size)
{
    if (size < 9 || size > 1024)
        return WIRE_GUESS_NO;
    if (length < MYSQL_HEADER + 9)
        return WIRE_GUESS_MORE;
    uint16_t code = field_le16(bytes + MYSQL_HEADER + 1);
    const uint8_t *state = bytes + MYSQL_HEADER + 3;
    return guess_when(code >= 1000 && code < 5000 && (state[0] == '#' || bytes[3] == 0) && is_printable(state, 6));
}

/* A whole short OK; or a number of columns and then a definition, whose catalog is always "def". */
static enum wire_guess guess_answer(const uint8_t *bytes, size_t length, size_t size)
{
    const uint8_t *payload = bytes + MYSQL_HEADER;
    if (payload[0] == 0) {
        if (size != 7 || length > MYSQL_HEADER + 7)
            return WIRE_GUESS_NO;
        if (length < MYSQL_HEADER + 7)
            return WIRE_GUESS_MORE;
        uint16_t status = field_le16(payload + 3);
        return guess_when(payload[1] < 0xfb && payload[2] < 0xfb && status & 3 && status < 0x8000);
    }
    if (size > 2 || payload[0] >= 0xfb)
        return WIRE_GUESS_NO;
    size_t next = MYSQL_HEADER + size;
    if (length < next + MYSQL_HEADER + 4)
        return length > next + 3 && bytes[next + 3] != 2 ? WIRE_GUESS_NO : WIRE_GUESS_MORE;
    return guess_when(bytes[next + 3] == 2 && memcmp(bytes + next + MYSQL_HEADER, "\3def", 4) == 0);
}

static enum wire_guess guess_server(const uint8_t *bytes, size_t length, size_t size)
{
    switch (bytes[MYSQL_HEADER]) {
    case 0x0a:
        if (bytes[3] == 0)
            return guess_greeting(bytes, length, size);
        break;
    case 0xff:
        return bytes[3] <= 1 ? guess_error(bytes, length, size) : WIRE_GUESS_NO;
    default:
        break;
    }
    return bytes[3] == 1 ? guess_answer(bytes, length, size) : WIRE_GUESS_NO;
}

enum wire_guess mysql_guess(const uint8_t *bytes, size_t length, enum wire_side from)
{
    if (length < MYSQL_HEADER)
        return WIRE_GUESS_MORE;
    size_t size = field_le24(bytes);
    if (bytes[3] > 2 || size == 0)
        return WIRE_GUESS_NO;
    if (length == MYSQL_HEADER)
        return WIRE_GUESS_MORE;
    return from == WIRE_CLIENT ? guess_client(bytes, length, size) : guess_server(bytes, length, size);
}
