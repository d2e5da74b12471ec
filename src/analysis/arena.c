/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE ((size_t)32 << 10)
#define ALIGNMENT _Alignof(max_align_t)

struct block {
    struct block *next;
    size_t used, size;
    _Alignas(max_align_t) unsigned char bytes[];
};

struct arena {
    struct block *blocks; /* the one being filled first */
};

static void memory_exhausted(void)
{
    fputs("cprobe: out of memory while reading the recording; analyse fewer directories at once\n", stderr);
    exit(3);
}

void *memory_get(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        memory_exhausted();
    return memory;
}

void *memory_resize(void *old, size_t count, size_t size)
{
    void *memory = reallocarray(old, count ? count : 1, size);
    if (!memory)
        memory_exhausted();
    return memory;
}

void *memory_grow(void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity ? *capacity * 2 : 16;
    return memory_resize(array, *capacity, size);
}

struct arena *arena_new(void)
{
    return memory_get(1, sizeof(struct arena));
}

void arena_free(struct arena *arena)
{
    if (!arena)
        return;
    for (struct block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(arena);
}

void *arena_get(struct arena *arena, size_t size)
{
    struct block *block = arena->blocks;
    if (size > SIZE_MAX / 2)
        memory_exhausted();
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        block = memory_get(1, sizeof(*block) + room);
        block->size = room;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *memory = block->bytes + block->used;
    block->used += size;
    return memory;
}

char *arena_copy(struct arena *arena, const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(arena_get(arena, size), text, size);
}

char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        return arena_copy(arena, "");
    char *text = arena_get(arena, (size_t)length + 1);
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}
