/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/utf8.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

struct code_range {
    uint32_t first, last;
};

/* Unicode Standard Annex 11, East Asian Width: the blocks that are W or F throughout, and the common emoji. */
static const struct code_range wide_ranges[] = {
    {0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},   {0xA960, 0xA97C}, {0xAC00, 0xD7A3},
    {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F},
    {0x1F680, 0x1F6FF}, {0x1F900, 0x1FAFF}, {0x20000, 0x3FFFD},
};

/* Combining marks and invisible characters (general categories Mn, Me, Cf) of the common blocks. */
static const struct code_range narrow_ranges[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x0610, 0x061A}, {0x064B, 0x065F},
    {0x200B, 0x200D}, {0x20D0, 0x20F0}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF},
};

static const struct code_range hostile_ranges[] = {
    {0x0000, 0x001F}, {0x007F, 0x009F}, {0x061C, 0x061C}, {0x200E, 0x200F},
    {0x2028, 0x202E}, {0x2066, 0x2069}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE007F},
};

static bool ranges_contain(const struct code_range *ranges, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

size_t utf8_decode(const char *s, size_t left, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = (unsigned char)s[0];
    size_t length = lead < 0x80 ? 1 : lead >= 0xC2 && lead < 0xE0 ? 2 : (lead & 0xF0) == 0xE0 ? 3 : 4;
    uint32_t value = length == 1 ? lead : lead & (0x7Fu >> length);

    *code = UTF8_REPLACEMENT;
    if ((lead >= 0x80 && lead < 0xC2) || lead > 0xF4 || length > left)
        return 1;
    for (size_t i = 1; i < length; i++) {
        if (((unsigned char)s[i] & 0xC0) != 0x80)
            return 1;
        value = value << 6 | ((unsigned char)s[i] & 0x3F);
    }
    if (value < smallest[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 1;
    *code = value;
    return length;
}

size_t utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)((0xF00u >> length) | code);
    return length;
}

unsigned utf8_columns(uint32_t code)
{
    if (ranges_contain(narrow_ranges, ARRAY_SIZE(narrow_ranges), code))
        return 0;
    return ranges_contain(wide_ranges, ARRAY_SIZE(wide_ranges), code) ? 2 : 1;
}

bool utf8_is_hostile(uint32_t code)
{
    return ranges_contain(hostile_ranges, ARRAY_SIZE(hostile_ranges), code);
}

char *utf8_repair(const char *s)
{
    size_t left = strlen(s);
    char *copy = malloc(left * 3 + 1); /* U+FFFD takes three bytes for one */
    char *out = copy;

    if (!copy)
        return NULL;
    while (left > 0) {
        uint32_t code;
        size_t used = utf8_decode(s, left, &code);
        out += utf8_encode(code, out);
        s += used;
        left -= used;
    }
    *out = '\0';
    return copy;
}
