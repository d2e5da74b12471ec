/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/lock_identity.h"

#include <string.h>

struct lock_identity lock_identity_of(const struct model_process *process, uint32_t lock)
{
    const struct trace_endpoint *endpoint = trace_endpoint_find(process->trace, lock);
    const struct trace_shared *shared = trace_shared_find(process->trace, lock);
    if (endpoint && endpoint->kind == ENDPOINT_FILE && endpoint->text[0])
        return (struct lock_identity){.path = endpoint->text};
    if (shared)
        return (struct lock_identity){NULL, shared->device, shared->inode, shared->offset};
    return (struct lock_identity){.path = NULL};
}

bool lock_identity_is_own(const struct lock_identity *identity)
{
    return !identity->path && identity->device == 0 && identity->inode == 0 && identity->offset == 0;
}

static int number_compare(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

int lock_identity_compare(const struct lock_identity *a, const struct lock_identity *b)
{
    if (!a->path != !b->path)
        return a->path ? 1 : -1;
    int order = a->path ? strcmp(a->path, b->path) : number_compare(a->device, b->device);
    if (order == 0)
        order = number_compare(a->inode, b->inode);
    return order ? order : number_compare(a->offset, b->offset);
}

static bool processes_share(const struct model_process *a, const struct model_process *b)
{
    return strcmp(a->source->info->boot_id, b->source->info->boot_id) == 0;
}

bool lock_is_same(const struct model_process *process_a, uint32_t a, const struct model_process *process_b, uint32_t b)
{
    if (process_a == process_b)
        return a == b && a != ENDPOINT_OVERFLOW; /* that one stands for many */
    struct lock_identity left = lock_identity_of(process_a, a), right = lock_identity_of(process_b, b);
    return !lock_identity_is_own(&left) && lock_identity_compare(&left, &right) == 0 &&
           processes_share(process_a, process_b);
}
