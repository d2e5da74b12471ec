/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/lock_words.h"

#include "analysis/lock_name.h"

static const char *name_of(struct model *model, const struct model_process *process, uint32_t lock)
{
    const struct lock_row *row = locks_find(&model->locks, process, lock);
    const struct trace_endpoint *endpoint = trace_endpoint_find(process->trace, lock);
    if (row)
        return locks_class(&model->locks, row)->name;
    return endpoint && endpoint->kind == ENDPOINT_LOCK ? lock_name(model, process, endpoint, 0) : "a lock";
}

const char *lock_words_set(struct model *model, const struct model_process *process, uint32_t set)
{
    const struct trace_lockset *locks = set ? trace_lockset_find(process->trace, set) : NULL;
    const char *text = "";
    if (!locks || locks->count == 0)
        return set ? "a lock" : "no lock";
    for (size_t i = 0; i < locks->count; i++)
        text = arena_format(model->arena, "%s%s%s%s", text,
                            i == 0                  ? ""
                            : i + 1 == locks->count ? " and "
                                                    : ", ",
                            name_of(model, process, locks->locks[i]), locks->shared[i] ? " for reading" : "");
    return text;
}
