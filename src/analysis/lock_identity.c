/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/lock_identity.h"

#include <string.h>

const char *lock_shared_name(const struct model_process *process, uint32_t lock)
{
    const struct trace_endpoint *endpoint = trace_endpoint_find(process->trace, lock);
    return endpoint && endpoint->kind == ENDPOINT_FILE && endpoint->text[0] ? endpoint->text : NULL;
}

bool locks_meet(const struct model_process *a, const struct model_process *b)
{
    return strcmp(a->source->info->boot_id, b->source->info->boot_id) == 0;
}

bool lock_is_same(const struct model_process *process_a, uint32_t a, const struct model_process *process_b, uint32_t b)
{
    if (process_a == process_b)
        return a == b;
    const char *name_a = lock_shared_name(process_a, a), *name_b = lock_shared_name(process_b, b);
    return name_a && name_b && strcmp(name_a, name_b) == 0 && locks_meet(process_a, process_b);
}
