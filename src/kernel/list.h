/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CPROBE_KERNEL_LIST_H
#define CPROBE_KERNEL_LIST_H

#include <stddef.h>

/* `items` is the address of a pointer to an allocated array of `*count` items of `size` bytes with room for
   `*capacity`. Returns one more item, zeroed; NULL: no memory, the list stays. */
void *list_add(void *items, size_t *count, size_t *capacity, size_t size);

#endif
