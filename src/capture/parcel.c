/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/parcel.h"

#include <string.h>

#include "base/compiler.h"

#define PARCELS 4096u /* an owner may be away for tens of milliseconds; few are ever touched where none is */

/* Free parcels form a stack (Treiber); `tag` makes a head that comes back look different. Numbers are places + 1. */
union head {
    struct {
        uint32_t number; /* 0: empty */
        uint32_t tag;
    };
    uint64_t word;
};

static struct parcel table[PARCELS] __attribute__((aligned(PARCEL_SIZE)));
static uint64_t free_head; /* any: union head */
static uint32_t fresh;     /* any: numbers up to this one were in use once */

static struct parcel *parcel_at(uint32_t number)
{
    return number ? &table[number - 1] : NULL;
}

static uint32_t number_of(const struct parcel *p)
{
    return p ? (uint32_t)(p - table) + 1 : 0;
}

static struct parcel *parcel_get(void)
{
    union head head = {.word = load_acquire(&free_head)}, next;
    while (head.number) {
        next.number = load_relaxed(&parcel_at(head.number)->next);
        next.tag = head.tag + 1;
        if (cas_acq_rel(&free_head, &head.word, next.word))
            return parcel_at(head.number);
    }
    uint32_t count = load_relaxed(&fresh);
    while (count < PARCELS)
        if (cas_acq_rel(&fresh, &count, count + 1))
            return &table[count];
    return NULL;
}

static void parcel_give(struct parcel *p)
{
    union head head = {.word = load_relaxed(&free_head)}, next;
    do {
        store_relaxed(&p->next, head.number);
        next.number = number_of(p);
        next.tag = head.tag + 1;
    } while (!cas_acq_rel(&free_head, &head.word, next.word));
}

/* So many empty parcels, each with the next one behind it; NULL: there are not so many. */
static struct parcel *chain_get(size_t count)
{
    struct parcel *chain = NULL;
    for (size_t i = 0; i < count; i++) {
        struct parcel *p = parcel_get();
        if (!p) {
            while (chain)
                chain = parcel_next(chain);
            return NULL;
        }
        p->length = 0;
        store_relaxed(&p->next, number_of(chain));
        chain = p;
    }
    return chain;
}

/* Bytes into the chain from `p` on; returns where the next ones go. */
static struct parcel *chain_fill(struct parcel *p, const uint8_t *bytes, uint64_t length)
{
    while (length) {
        if (p->length == sizeof(p->bytes))
            p = parcel_at(p->next);
        uint64_t room = sizeof(p->bytes) - p->length, n = length < room ? length : room;
        memcpy(p->bytes + p->length, bytes, n);
        p->length += (uint32_t)n;
        bytes += n;
        length -= n;
    }
    return p;
}

/* Turns the order round; returns the one that was last. */
static struct parcel *chain_reverse(struct parcel *p)
{
    uint32_t before = 0;
    while (p) {
        uint32_t number = number_of(p), next = p->next;
        store_relaxed(&p->next, before);
        before = number;
        p = parcel_at(next);
    }
    return parcel_at(before);
}

bool parcels_add(uint32_t *list, const struct parcel_label *label, const struct iovec *parts, size_t count,
                 uint64_t skip, uint64_t bytes)
{
    const size_t most = PARCEL_BYTES;
    uint64_t parcels = bytes > skip ? (bytes - skip + most - 1) / most : 0;
    struct parcel *first = parcels && parcels <= PARCELS_AT_ONCE ? chain_get((size_t)parcels) : NULL, *at = first;
    if (!first)
        return parcels == 0;
    for (size_t i = 0; i < count && bytes; i++) {
        uint64_t length = parts[i].iov_len < bytes ? parts[i].iov_len : bytes;
        uint64_t left_out = skip < length ? skip : length;
        at = chain_fill(at, (const uint8_t *)parts[i].iov_base + left_out, length - left_out);
        skip -= left_out;
        bytes -= length;
    }
    for (struct parcel *p = first; p; p = parcel_at(p->next))
        p->label = *label;
    struct parcel *last = chain_reverse(first);
    uint32_t head = load_relaxed(list);
    do
        store_relaxed(&first->next, head);
    while (!cas_acq_rel(list, &head, number_of(last)));
    return true;
}

struct parcel *parcels_take(uint32_t *list)
{
    return chain_reverse(parcel_at(exchange_acq_rel(list, 0)));
}

struct parcel *parcel_next(struct parcel *parcel)
{
    struct parcel *next = parcel_at(parcel->next);
    parcel_give(parcel);
    return next;
}
