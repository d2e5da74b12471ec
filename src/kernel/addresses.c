/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/addresses.h"

#include <stdlib.h>
#include <string.h>

static uint64_t *slot_find(uint64_t *table, size_t capacity, uint64_t address)
{
    uint64_t hash = address * UINT64_C(0x9E3779B97F4A7C15);
    for (size_t i = hash >> 32;; i++) {
        uint64_t *slot = &table[i & (capacity - 1)];
        if (!*slot || *slot == address)
            return slot;
    }
}

static bool grow(struct addresses *a)
{
    size_t capacity = a->capacity ? 2 * a->capacity : 256;
    uint64_t *larger = calloc(capacity, sizeof(*larger));
    if (!larger)
        return false;
    for (size_t i = 0; i < a->capacity; i++)
        if (a->table[i])
            *slot_find(larger, capacity, a->table[i]) = a->table[i];
    free(a->table);
    a->table = larger;
    a->capacity = capacity;
    return true;
}

bool addresses_add(struct addresses *a, uint64_t address)
{
    if (!address || (a->count * 4 >= a->capacity * 3 && !grow(a)))
        return false;
    uint64_t *slot = slot_find(a->table, a->capacity, address);
    if (*slot)
        return false;
    *slot = address;
    a->count++;
    return true;
}

bool addresses_has(const struct addresses *a, uint64_t address)
{
    return address && a->capacity && *slot_find(a->table, a->capacity, address) == address;
}

void addresses_clear(struct addresses *a)
{
    if (a->table)
        memset(a->table, 0, a->capacity * sizeof(*a->table));
    a->count = 0;
}

void addresses_free(struct addresses *a)
{
    free(a->table);
    *a = (struct addresses){NULL, 0, 0};
}
