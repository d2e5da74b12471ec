/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hash index over items that its user keeps in an array: finds an equal item's number or gives the next one. */
#ifndef CPROBE_ANALYSIS_PROFILE_INDEX_H
#define CPROBE_ANALYSIS_PROFILE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise. */
struct profile_index {
    uint32_t *slots;  /* item + 1; 0: free */
    uint64_t *hashes; /* by item */
    size_t slot_count, count, capacity;
};

#define PROFILE_HASH_START UINT64_C(0xcbf29ce484222325)
/* Adds a number, or a text (NULL is a text of its own), to a hash. */
uint64_t profile_hash(uint64_t hash, uint64_t value);
uint64_t profile_hash_text(uint64_t hash, const char *text);

/* The number of the item with this hash for which equal(context, number) holds. Else a new one, which is the number of
   items so far, and *added; the caller then stores the item under it. */
uint32_t profile_index_put(struct profile_index *index, uint64_t hash,
                           bool (*equal)(const void *context, uint32_t item), const void *context, bool *added);
/* The same without adding: UINT32_MAX where there is no such item. */
uint32_t profile_index_find(const struct profile_index *index, uint64_t hash,
                            bool (*equal)(const void *context, uint32_t item), const void *context);
void profile_index_free(struct profile_index *index);

#endif
