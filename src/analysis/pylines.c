/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/pylines.h"

#define PYTHON_3_8 0x0308
#define PYTHON_3_10 0x030a
#define PYTHON_3_11 0x030b
#define PYTHON_3_13 0x030d

/* A line that a damaged table makes negative or absurd is unknown. */
static uint32_t line_clip(int64_t line)
{
    return line > 0 && line <= INT32_MAX ? (uint32_t)line : 0;
}

/* Pairs (bytes of code, signed lines): the line changes after so many bytes. The last line lasts to the end. */
static uint32_t lnotab_find(const uint8_t *table, size_t size, uint32_t lasti, uint32_t first_line)
{
    int64_t line = first_line;
    uint64_t address = 0;
    for (size_t i = 0; i + 1 < size; i += 2) {
        address += table[i];
        if (address > lasti)
            break;
        line += (int8_t)table[i + 1];
    }
    return line_clip(line);
}

/* Pairs (bytes of code, signed lines): a run of so many bytes whose line differs by so much; -128: it has no line. */
static uint32_t runs_find(const uint8_t *table, size_t size, uint32_t lasti, uint32_t first_line)
{
    int64_t line = first_line;
    uint64_t end = 0;
    for (size_t i = 0; i + 1 < size; i += 2) {
        int8_t delta = (int8_t)table[i + 1];
        if (delta != -128)
            line += delta;
        end += table[i];
        if (lasti < end)
            return delta == -128 ? 0 : line_clip(line);
    }
    return 0;
}

/* Entries begin with a byte that has bit 7 set; all bytes that follow in an entry have it clear. */
#define ENTRY_START 0x80
#define ENTRY_NO_LINE 15
#define ENTRY_LONG 14
#define ENTRY_NO_COLUMNS 13
#define ENTRY_ONE_LINE 10
#define CODE_UNIT 2 /* bytes */

/* Six bits a byte, least significant first; bit 6: more follow. Zigzag with the sign in bit 0. */
static int64_t svarint_read(const uint8_t *table, size_t size, size_t at)
{
    uint64_t value = 0;
    for (unsigned shift = 0; at < size && shift < 36; shift += 6, at++) {
        if (table[at] & ENTRY_START)
            break;
        value |= (uint64_t)(table[at] & 0x3f) << shift;
        if (!(table[at] & 0x40))
            break;
    }
    return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

static int64_t entry_line_delta(unsigned code, const uint8_t *table, size_t size, size_t at)
{
    if (code == ENTRY_LONG || code == ENTRY_NO_COLUMNS)
        return svarint_read(table, size, at);
    return code >= ENTRY_ONE_LINE && code < ENTRY_NO_COLUMNS ? (int64_t)(code - ENTRY_ONE_LINE) : 0;
}

static uint32_t locations_find(const uint8_t *table, size_t size, uint32_t lasti, uint32_t first_line)
{
    int64_t line = first_line;
    uint64_t end = 0;
    for (size_t i = 0; i < size;) {
        uint8_t start = table[i++];
        if (!(start & ENTRY_START))
            return 0;
        unsigned code = (start >> 3) & 15;
        line += entry_line_delta(code, table, size, i);
        end += (uint64_t)((start & 7) + 1) * CODE_UNIT;
        if (lasti < end)
            return code == ENTRY_NO_LINE ? 0 : line_clip(line);
        while (i < size && !(table[i] & ENTRY_START))
            i++;
    }
    return 0;
}

uint32_t pylines_find(uint16_t version, const uint8_t *table, size_t size, uint32_t lasti, uint32_t first_line)
{
    if (version < PYTHON_3_8 || version > PYTHON_3_13)
        return 0;
    if (version < PYTHON_3_10)
        return lnotab_find(table, size, lasti, first_line);
    if (version < PYTHON_3_11)
        return runs_find(table, size, lasti, first_line);
    return locations_find(table, size, lasti, first_line);
}
