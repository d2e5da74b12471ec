/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "python/utf8.h"

#include <stdint.h>
#include <string.h>

#define REPLACEMENT 0xfffdu

static size_t utf8_put(char *out, size_t room, uint32_t c)
{
    char bytes[4];
    size_t n;

    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        c = REPLACEMENT;
    if (c < 0x80) {
        n = 1;
        bytes[0] = (char)c;
    } else if (c < 0x800) {
        n = 2;
        bytes[0] = (char)(0xc0 | (c >> 6));
    } else if (c < 0x10000) {
        n = 3;
        bytes[0] = (char)(0xe0 | (c >> 12));
        bytes[1] = (char)(0x80 | ((c >> 6) & 0x3f));
    } else {
        n = 4;
        bytes[0] = (char)(0xf0 | (c >> 18));
        bytes[1] = (char)(0x80 | ((c >> 12) & 0x3f));
        bytes[2] = (char)(0x80 | ((c >> 6) & 0x3f));
    }
    if (n > 1)
        bytes[n - 1] = (char)(0x80 | (c & 0x3f));
    if (n > room)
        return 0;
    memcpy(out, bytes, n);
    return n;
}

static uint32_t character_at(const uint8_t *data, size_t i, unsigned kind)
{
    uint16_t two;
    uint32_t four;

    if (kind == 1)
        return data[i];
    if (kind == 2) {
        memcpy(&two, data + 2 * i, sizeof(two));
        return two;
    }
    memcpy(&four, data + 4 * i, sizeof(four));
    return four;
}

size_t python_utf8(const void *data, size_t length, unsigned kind, char *buffer, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        size_t n = utf8_put(buffer + used, size - used, character_at(data, i, kind));
        if (!n)
            break;
        used += n;
    }
    return used;
}
