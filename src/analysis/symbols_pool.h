/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory of the symbolizer: strings kept once, and a hash map with two-word keys. Neither is safe for use by several
 * threads at once.
 */
#ifndef CPROBE_ANALYSIS_SYMBOLS_POOL_H
#define CPROBE_ANALYSIS_SYMBOLS_POOL_H

#include <stddef.h>
#include <stdint.h>

/* Zero-initialise before use. */
struct symbols_map {
    struct symbols_map_slot *slots;
    size_t capacity; /* power of two, or 0 */
    size_t count;
};

/* The value stored under (a, b), or NULL. */
void *symbols_map_find(const struct symbols_map *map, uint64_t a, uint64_t b);
/* Stores a non-NULL value under a key that is not in the map yet; -ENOMEM leaves the map as it was. */
int symbols_map_add(struct symbols_map *map, uint64_t a, uint64_t b, void *value);
/* Calls `release` (may be NULL) on each value and frees the map's own memory; the map is empty again. */
void symbols_map_free(struct symbols_map *map, void (*release)(void *value));

/* Zero-initialise before use. */
struct symbols_pool {
    struct symbols_map strings; /* by hash and length of the text */
};

/* The pool's own copy of `text`, the same pointer for the same text, valid until symbols_pool_free; NULL: no memory. */
const char *symbols_pool_string(struct symbols_pool *pool, const char *text);
/* The same for the first `length` bytes of `text`, none of them NUL. */
const char *symbols_pool_bytes(struct symbols_pool *pool, const char *text, size_t length);
void symbols_pool_free(struct symbols_pool *pool);

/* FNV-1a (Fowler, Noll, Vo), 64 bits, continued from `hash`. */
uint64_t symbols_hash_bytes(uint64_t hash, const void *data, size_t size);
#define SYMBOLS_HASH_START UINT64_C(0xcbf29ce484222325)

#endif
