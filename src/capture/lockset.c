/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/lockset.h"

#include <string.h>

TLS_INITIAL_EXEC struct lockset lockset_self;
uint64_t lockset_orders[LOCKSET_ORDERS];
uint32_t lockset_epoch;

void lockset_remove(struct lockset *s, struct held *h)
{
    if (h->again) {
        h->again--;
        return;
    }
    if (h->since_ns)
        lock_left(h);
    uintptr_t lock = h->lock;
    uint32_t at = (uint32_t)(h - s->held);
    h->lock = 0;
    s->hash ^= lockset_mix(lock);
    memmove(h, h + 1, (s->depth - at - 1) * sizeof(*h));
    signal_fence();
    s->depth--;
}
