/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/symbols_pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct symbols_map_slot {
    uint64_t a, b;
    void *value; /* NULL: free */
};

struct pool_string {
    struct pool_string *next; /* another text with the same hashes */
    size_t length;
    char text[];
};

#define MAP_FIRST_CAPACITY 64

/* Finalizer of MurmurHash3 (Appleby): every bit of the keys reaches the low bits that choose a slot. */
static uint64_t key_mix(uint64_t a, uint64_t b)
{
    uint64_t h = a ^ (b * UINT64_C(0x9e3779b97f4a7c15));
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ (h >> 33);
}

/* The slot that holds the key, or the free one where it belongs. The map has a free slot. */
static struct symbols_map_slot *slot_find(const struct symbols_map *map, uint64_t a, uint64_t b)
{
    size_t mask = map->capacity - 1;
    size_t i = (size_t)key_mix(a, b) & mask;
    while (map->slots[i].value && (map->slots[i].a != a || map->slots[i].b != b))
        i = (i + 1) & mask;
    return &map->slots[i];
}

static int map_grow(struct symbols_map *map)
{
    struct symbols_map bigger = {.capacity = map->capacity ? map->capacity * 2 : MAP_FIRST_CAPACITY,
                                 .count = map->count};
    bigger.slots = calloc(bigger.capacity, sizeof(*bigger.slots));
    if (!bigger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].value)
            *slot_find(&bigger, map->slots[i].a, map->slots[i].b) = map->slots[i];
    }
    free(map->slots);
    *map = bigger;
    return 0;
}

void *symbols_map_find(const struct symbols_map *map, uint64_t a, uint64_t b)
{
    return map->capacity ? slot_find(map, a, b)->value : NULL;
}

int symbols_map_add(struct symbols_map *map, uint64_t a, uint64_t b, void *value)
{
    if (map->count * 4 >= map->capacity * 3) {
        int err = map_grow(map);
        if (err)
            return err;
    }
    *slot_find(map, a, b) = (struct symbols_map_slot){a, b, value};
    map->count++;
    return 0;
}

void symbols_map_free(struct symbols_map *map, void (*release)(void *value))
{
    for (size_t i = 0; release && i < map->capacity; i++) {
        if (map->slots[i].value)
            release(map->slots[i].value);
    }
    free(map->slots);
    *map = (struct symbols_map){0};
}

uint64_t symbols_hash_bytes(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

const char *symbols_pool_bytes(struct symbols_pool *pool, const char *text, size_t length)
{
    uint64_t hash = symbols_hash_bytes(SYMBOLS_HASH_START, text, length);
    struct pool_string *first = symbols_map_find(&pool->strings, hash, length);
    for (struct pool_string *s = first; s; s = s->next) {
        if (!memcmp(s->text, text, length))
            return s->text;
    }
    struct pool_string *s = malloc(sizeof(*s) + length + 1);
    if (!s)
        return NULL;
    *s = (struct pool_string){.length = length};
    memcpy(s->text, text, length);
    s->text[length] = 0;
    if (first) {
        s->next = first->next;
        first->next = s;
    } else if (symbols_map_add(&pool->strings, hash, length, s)) {
        free(s);
        return NULL;
    }
    return s->text;
}

const char *symbols_pool_string(struct symbols_pool *pool, const char *text)
{
    return symbols_pool_bytes(pool, text, strlen(text));
}

static void string_free(void *value)
{
    for (struct pool_string *s = value, *next; s; s = next) {
        next = s->next;
        free(s);
    }
}

void symbols_pool_free(struct symbols_pool *pool)
{
    symbols_map_free(&pool->strings, string_free);
}
