/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/list.h"

#include <stdlib.h>
#include <string.h>

void *list_add(void *items, size_t *count, size_t *capacity, size_t size)
{
    void **list = items;
    if (*count == *capacity) {
        size_t more = *capacity ? 2 * *capacity : 16;
        void *larger = reallocarray(*list, more, size);
        if (!larger)
            return NULL;
        *list = larger;
        *capacity = more;
    }
    return memset((char *)*list + (*count)++ * size, 0, size);
}
