/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounded set of hashes that gives each a number, its place: open addressing, lock-free, nothing is ever taken out.
 * What the hash stands for is written to the trace by whoever entered it first. Two things with the same 64-bit hash
 * are taken for one.
 */
#ifndef CPROBE_CAPTURE_INTERNED_H
#define CPROBE_CAPTURE_INTERNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

#define INTERNED_PROBES 32u

struct interned {
    uint64_t *hash; /* any: `size` words, 0: free */
    uint32_t size;
    uint32_t limit; /* most that are entered; half of `size` keeps probing short */
    uint32_t count; /* any */
};

/* A static table for at most `most` hashes. */
#define INTERNED(name, most)                  \
    static uint64_t name##_words[2 * (most)]; \
    static struct interned name = {name##_words, 2 * (most), (most), 0}

/* Its place, or -1: not entered. hash: not 0 */
static inline int32_t interned_find(const struct interned *t, uint64_t hash)
{
    uint32_t at = (uint32_t)(((hash >> 32) * t->size) >> 32);
    for (uint32_t i = 0; i < INTERNED_PROBES; i++, at = at + 1 == t->size ? 0 : at + 1) {
        uint64_t found = load_acquire(&t->hash[at]);
        if (found == hash)
            return (int32_t)at;
        if (!found)
            return -1;
    }
    return -1;
}

/* Its place, entered where it is new (*fresh); -1: no room. */
static inline int32_t interned_enter(struct interned *t, uint64_t hash, bool *fresh)
{
    uint32_t at = (uint32_t)(((hash >> 32) * t->size) >> 32);
    *fresh = false;
    for (uint32_t i = 0; i < INTERNED_PROBES; i++, at = at + 1 == t->size ? 0 : at + 1) {
        uint64_t found = load_acquire(&t->hash[at]);
        if (!found && load_relaxed(&t->count) >= t->limit)
            return -1;
        if (!found && cas_acq_rel(&t->hash[at], &found, hash)) {
            add_relaxed(&t->count, 1);
            *fresh = true;
            return (int32_t)at;
        }
        if (found == hash)
            return (int32_t)at;
    }
    return -1;
}

static inline bool interned_known(const struct interned *t, uint32_t place)
{
    return place < t->size && load_acquire(&t->hash[place]) != 0;
}

/* One step of a multiplicative hash over whole words, as of stacks (stack.c). */
static inline uint64_t hash_word(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 29);
}

/* Words at a time: this runs once for each request. */
static inline uint64_t hash_text(uint64_t h, const char *text, size_t length)
{
    uint64_t word = length;
    for (h = hash_word(h, word); length >= sizeof(word); text += sizeof(word), length -= sizeof(word)) {
        memcpy(&word, text, sizeof(word));
        h = hash_word(h, word);
    }
    word = 0;
    for (size_t i = 0; i < length; i++)
        word = word << 8 | (uint8_t)text[i];
    return hash_word(h, word);
}

/* The last step: never 0. */
static inline uint64_t hash_end(uint64_t h)
{
    h = hash_word(h, h >> 32);
    return h | (h == 0);
}

#endif
