/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/lockset.h"

#include <string.h>

#include "capture/gil.h"

TLS_INITIAL_EXEC struct lockset lockset_self;
uint64_t lockset_orders[LOCKSET_ORDERS];
uint32_t lockset_epoch;

void lockset_drop(const void *lock)
{
    struct lockset *s = &lockset_self;
    struct held *h;
    while ((h = lockset_find(s, lock)) != NULL) {
        h->again = 0;
        h->since_ns = 0;
        lockset_remove(s, h);
    }
}

void lockset_remove(struct lockset *s, struct held *h)
{
    if (h->again) {
        h->again--;
        return;
    }
    if (h->since_ns)
        lock_left(h);
    uint32_t at = (uint32_t)(h - s->held);
    h->lock = 0;
    memmove(h, h + 1, (s->depth - at - 1) * sizeof(*h));
    s->held[s->depth - 1].lock = 0; /* an entry is empty from when it is entered until it is filled */
    s->held[s->depth - 1].since_ns = 0;
    signal_fence();
    s->depth--;
}

void lockset_request_python(const struct lockset *s, uintptr_t lock, uintptr_t pc, unsigned kind, unsigned flags)
{
    uintptr_t gil = gil_held(pc);
    if (s->depth || gil)
        lockset_request_with(s, lock, kind, flags, gil);
}
