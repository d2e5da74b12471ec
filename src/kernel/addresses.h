/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A set of addresses. Zero-initialise before use. */
#ifndef CPROBE_KERNEL_ADDRESSES_H
#define CPROBE_KERNEL_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addresses {
    uint64_t *table; /* 0: free */
    size_t count, capacity;
};

/* True: it was not there. False also where there is no memory, or for address 0. */
bool addresses_add(struct addresses *a, uint64_t address);
bool addresses_has(const struct addresses *a, uint64_t address);
void addresses_clear(struct addresses *a);
void addresses_free(struct addresses *a);

#endif
