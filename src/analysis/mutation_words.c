/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/mutation_words.h"

#include "analysis/lock_name.h"
#include "analysis/lock_stacks.h"

const char *mutation_locks(struct model *model, const struct model_process *process, uint32_t set)
{
    const struct trace_lockset *locks = set ? trace_lockset_find(process->trace, set) : NULL;
    const char *text = NULL;
    for (size_t i = 0; locks && i < locks->count; i++) {
        const struct trace_endpoint *endpoint = trace_endpoint_find(process->trace, locks->locks[i]);
        const char *name =
            endpoint && endpoint->kind == ENDPOINT_LOCK ? lock_name(model, process, endpoint, 0) : "a lock";
        text = arena_format(model->arena, "%s%s%s%s", text ? text : "", text ? ", " : "", name,
                            locks->shared[i] ? " for reading" : "");
    }
    return text ? text : "none";
}

const char *mutation_place(struct model *model, const struct model_process *process, uint32_t stack)
{
    const char *words = stack_words(symbols_stack(model->symbols, process->trace, stack, 0), process, model->arena);
    return words ? words : "code without a name";
}

struct thread_info mutation_thread(const struct model_process *process, uint32_t tid)
{
    for (size_t i = 0; i < process->thread_count; i++)
        if (process->threads[i].tid == tid)
            return thread_info_of(&process->threads[i]);
    return (struct thread_info){tid, "", false};
}

void mutation_stack(struct model *model, const struct model_process *process, struct finding *f, const char *key,
                    uint32_t tid, uint32_t stack, const char *does)
{
    const char *role = arena_format(model->arena, "thread %u %s", tid, does);
    finding_stack_add(f, role, symbols_stack(model->symbols, process->trace, stack, 0), 1, 0, model->arena);
    evidence_text(f, key, arena_format(model->arena, "%s, in %s", role, mutation_place(model, process, stack)));
}
