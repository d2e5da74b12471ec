/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/profile_index.h"

#include <stdlib.h>

#include "analysis/arena.h"

/* Finalizer of MurmurHash3 (Appleby, public domain). */
uint64_t profile_hash(uint64_t hash, uint64_t value)
{
    uint64_t h = hash * 31 + value;
    h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

uint64_t profile_hash_text(uint64_t hash, const char *text)
{
    uint64_t h = PROFILE_HASH_START; /* FNV-1a */
    if (!text)
        return profile_hash(hash, 0);
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return profile_hash(hash, h);
}

static void slot_place(struct profile_index *index, uint32_t item)
{
    size_t mask = index->slot_count - 1, i = index->hashes[item] & mask;
    while (index->slots[i])
        i = (i + 1) & mask;
    index->slots[i] = item + 1;
}

static void slots_grow(struct profile_index *index)
{
    index->slot_count = index->slot_count ? index->slot_count * 2 : 1024;
    free(index->slots);
    index->slots = memory_get(index->slot_count, sizeof(*index->slots));
    for (size_t i = 0; i < index->count; i++)
        slot_place(index, (uint32_t)i);
}

uint32_t profile_index_find(const struct profile_index *index, uint64_t hash,
                            bool (*equal)(const void *context, uint32_t item), const void *context)
{
    size_t mask = index->slot_count - 1;
    if (index->slot_count == 0)
        return UINT32_MAX;
    for (size_t i = hash & mask; index->slots[i]; i = (i + 1) & mask) {
        uint32_t item = index->slots[i] - 1;
        if (index->hashes[item] == hash && equal(context, item))
            return item;
    }
    return UINT32_MAX;
}

uint32_t profile_index_put(struct profile_index *index, uint64_t hash,
                           bool (*equal)(const void *context, uint32_t item), const void *context, bool *added)
{
    uint32_t item = profile_index_find(index, hash, equal, context);
    *added = item == UINT32_MAX;
    if (!*added)
        return item;
    if (index->count * 2 >= index->slot_count)
        slots_grow(index);
    index->hashes = memory_grow(index->hashes, index->count, &index->capacity, sizeof(*index->hashes));
    index->hashes[index->count] = hash;
    slot_place(index, (uint32_t)index->count);
    return (uint32_t)index->count++;
}

void profile_index_free(struct profile_index *index)
{
    free(index->slots);
    free(index->hashes);
    *index = (struct profile_index){0};
}
