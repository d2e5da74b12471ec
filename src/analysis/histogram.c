/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/histogram.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/arena.h"

#define OCTAVE_BITS 4 /* 2^4 buckets to the octave */

struct histogram_bucket {
    uint32_t number;
    double weight;
};

/* Values below 16 have a bucket each; above, the top five bits choose. */
static uint32_t bucket_number(uint64_t value)
{
    if (value < (1u << OCTAVE_BITS))
        return (uint32_t)value;
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(value) - OCTAVE_BITS;
    return (shift << OCTAVE_BITS) + (uint32_t)(value >> shift);
}

static uint64_t bucket_middle(uint32_t number)
{
    if (number < (2u << OCTAVE_BITS))
        return number;
    uint32_t shift = (number >> OCTAVE_BITS) - 1;
    uint64_t top = (number & ((1u << OCTAVE_BITS) - 1)) + (1u << OCTAVE_BITS);
    return (top << shift) + ((UINT64_C(1) << shift) >> 1);
}

/* Index of the first bucket with a number >= `number`. */
static size_t bucket_find(const struct histogram *h, uint32_t number)
{
    size_t low = 0, high = h->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (h->buckets[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void weight_add(struct histogram *h, uint32_t number, double weight)
{
    size_t i = bucket_find(h, number);
    if (i == h->count || h->buckets[i].number != number) {
        h->buckets = memory_grow(h->buckets, h->count, &h->capacity, sizeof(*h->buckets));
        memmove(h->buckets + i + 1, h->buckets + i, (h->count - i) * sizeof(*h->buckets));
        h->buckets[i] = (struct histogram_bucket){number, 0};
        h->count++;
    }
    h->buckets[i].weight += weight;
}

void histogram_add(struct histogram *h, uint64_t value_ns, double weight)
{
    weight_add(h, bucket_number(value_ns), weight);
}

void histogram_merge(struct histogram *h, const struct histogram *other, double factor)
{
    for (size_t i = 0; i < other->count; i++)
        weight_add(h, other->buckets[i].number, other->buckets[i].weight * factor);
}

double histogram_weight(const struct histogram *h)
{
    double total = 0;
    for (size_t i = 0; i < h->count; i++)
        total += h->buckets[i].weight;
    return total;
}

uint64_t histogram_quantile(const struct histogram *h, double quantile)
{
    double total = histogram_weight(h), seen = 0;
    for (size_t i = 0; i < h->count; i++) {
        seen += h->buckets[i].weight;
        if (seen >= quantile * total)
            return bucket_middle(h->buckets[i].number);
    }
    return 0;
}

void histogram_free(struct histogram *h)
{
    free(h->buckets);
    *h = (struct histogram){NULL, 0, 0};
}
