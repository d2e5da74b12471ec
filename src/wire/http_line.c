/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/http_line.h"

#include <string.h>

#include "wire/fields.h"

#define VERSION "HTTP/1."
#define VERSION_LENGTH 8 /* with its minor number */
#define STATUS_AT (VERSION_LENGTH + 1)
#define STATUS_LENGTH 3
#define GUESS_LINE WIRE_HEAD /* a request line that is longer is believed by what it begins with */

/* "GET", "M-SEARCH": upper-case letters and hyphens (RFC 9110 permits more, but nobody uses it). */
static size_t method_length(const uint8_t *s, size_t n)
{
    size_t i = 0;
    while (i < n && ((uint8_t)(s[i] - 'A') < 26 || (s[i] == '-' && i > 0)))
        i++;
    return i;
}

static bool version_is_known(const uint8_t *s)
{
    return memcmp(s, VERSION, VERSION_LENGTH - 1) == 0 && (s[VERSION_LENGTH - 1] & 0xfe) == '0';
}

bool http_request_line_split(const uint8_t *line, size_t n, bool cut, struct http_request_line *parts)
{
    size_t method = method_length(line, n);
    if (method == 0 || method > WIRE_VERB_MAX || method + 1 >= n || line[method] != ' ')
        return false;
    size_t target = method + 1;
    const uint8_t *space = memchr(line + target, ' ', n - target);
    size_t end = space ? (size_t)(space - line) : n;
    if (end == target || (!cut && (n - end != VERSION_LENGTH + 1 || !version_is_known(line + end + 1))))
        return false;
    *parts = (struct http_request_line){method, target, end - target};
    return true;
}

uint16_t http_status_of(const uint8_t *line, size_t n)
{
    const uint8_t *code = line + STATUS_AT;
    if (n < STATUS_AT + STATUS_LENGTH || !version_is_known(line) || line[VERSION_LENGTH] != ' ')
        return 0;
    if (n > STATUS_AT + STATUS_LENGTH && code[STATUS_LENGTH] != ' ')
        return 0;
    if (code[0] < '1' || code[0] > '9' || !field_is_digit(code[1]) || !field_is_digit(code[2]))
        return 0;
    return (uint16_t)((code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0'));
}

bool http_chunk_size_of(const uint8_t *line, size_t n, uint64_t *size)
{
    size_t i = 0;
    *size = 0;
    for (; i < n; i++) {
        uint8_t c = line[i] | 0x20;
        if (field_is_digit(line[i]))
            *size = *size << 4 | (uint64_t)(line[i] - '0');
        else if (c >= 'a' && c <= 'f')
            *size = *size << 4 | (uint64_t)(c - 'a' + 10);
        else
            break;
        if (*size > HTTP_BODY_MAX)
            return false;
    }
    return i > 0 && (i == n || line[i] == ';' || line[i] == ' ' || line[i] == '\t');
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

const uint8_t *http_value_of(const uint8_t *line, size_t *n, size_t name)
{
    const uint8_t *v = line + name, *end = line + *n;
    while (v < end && is_blank(*v))
        v++;
    while (end > v && is_blank(end[-1]))
        end--;
    *n = (size_t)(end - v);
    return v;
}

bool http_list_ends(const uint8_t *value, size_t n, const char *upper, size_t length)
{
    if (n < length || !field_same(value + n - length, upper, length))
        return false;
    return n == length || is_blank(value[n - length - 1]) || value[n - length - 1] == ',';
}

static enum wire_guess guess_request(const uint8_t *bytes, size_t length)
{
    struct http_request_line parts;
    const uint8_t *newline = memchr(bytes, '\n', length);
    size_t method = method_length(bytes, length);
    if (newline) {
        size_t n = (size_t)(newline - bytes);
        n -= n > 0 && bytes[n - 1] == '\r';
        return http_request_line_split(bytes, n, false, &parts) ? WIRE_GUESS_YES : WIRE_GUESS_NO;
    }
    if (method == length)
        return method <= WIRE_VERB_MAX ? WIRE_GUESS_MORE : WIRE_GUESS_NO;
    if (method < 3 || bytes[method] != ' ')
        return WIRE_GUESS_NO;
    for (size_t i = method + 1; i < length; i++)
        if ((bytes[i] < ' ' && bytes[i] != '\r') || bytes[i] >= 0x7f)
            return WIRE_GUESS_NO;
    if (length < GUESS_LINE)
        return WIRE_GUESS_MORE;
    return bytes[method + 1] == '/' || bytes[method + 1] == 'h' ? WIRE_GUESS_YES : WIRE_GUESS_NO;
}

static enum wire_guess guess_response(const uint8_t *bytes, size_t length)
{
    if (!FIELD_BEGINS(bytes, length, VERSION))
        return WIRE_GUESS_NO;
    if (length <= STATUS_AT + STATUS_LENGTH)
        return WIRE_GUESS_MORE;
    uint8_t behind = bytes[STATUS_AT + STATUS_LENGTH];
    if (behind != ' ' && behind != '\r' && behind != '\n')
        return WIRE_GUESS_NO;
    return http_status_of(bytes, STATUS_AT + STATUS_LENGTH) ? WIRE_GUESS_YES : WIRE_GUESS_NO;
}

enum wire_guess http_guess(const uint8_t *bytes, size_t length, enum wire_side from)
{
    return from == WIRE_CLIENT ? guess_request(bytes, length) : guess_response(bytes, length);
}
