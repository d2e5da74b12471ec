/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strings of the recorded program, made safe to print and to put into JSON, in memory that is freed as a whole. */
#include "trace/reader_private.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE (64u << 10)

struct memory_chunk {
    struct memory_chunk *next;
    size_t used, size;
    uint64_t data[];
};

static void *memory_take(struct reader_memory *a, size_t size)
{
    size = (size + 7) & ~(size_t)7;
    struct memory_chunk *c = a->chunks;
    if (!c || c->size - c->used < size) {
        size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        c = malloc(sizeof(*c) + room);
        if (!c)
            return NULL;
        *c = (struct memory_chunk){.next = a->chunks, .used = 0, .size = room};
        a->chunks = c;
    }
    void *place = (uint8_t *)c->data + c->used;
    c->used += size;
    return place;
}

void reader_memory_free(struct reader_memory *a)
{
    while (a->chunks) {
        struct memory_chunk *next = a->chunks->next;
        free(a->chunks);
        a->chunks = next;
    }
}

/*
 * Bytes of the well-formed UTF-8 sequence at `s` (The Unicode Standard, table 3-7) if it is not a control character
 * (C0, DEL, C1: terminals obey those too), else 0.
 */
static size_t printable_length(const uint8_t *s, size_t left)
{
    uint8_t c = s[0];
    if (c < 0x80)
        return c >= 0x20 && c != 0x7f;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    size_t n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (left < n)
        return 0;
    uint8_t low = c == 0xc2 ? 0xa0 : c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

static void bytes_clean(uint8_t *s, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t n = printable_length(s + i, length - i);
        if (!n)
            s[i] = '?';
        i += n ? n : 1;
    }
}

void *reader_bytes(struct reader_memory *a, const void *bytes, size_t length)
{
    void *copy = memory_take(a, length);
    if (copy && length)
        memcpy(copy, bytes, length);
    return copy;
}

char *reader_text(struct reader_memory *a, const void *bytes, size_t length)
{
    char *copy = memory_take(a, length + 1);
    if (!copy)
        return NULL;
    if (length)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    bytes_clean((uint8_t *)copy, length);
    return copy;
}

void text_clean(char *text, size_t size)
{
    text[size - 1] = '\0';
    bytes_clean((uint8_t *)text, strlen(text));
}
