/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory that findings of unlocked-mutation are about: blocks, variables, regions (event WATCHED). */
#ifndef CPROBE_ANALYSIS_MUTATION_MEMORY_H
#define CPROBE_ANALYSIS_MUTATION_MEMORY_H

#include "analysis/findings.h"

struct memory {
    const struct model_process *process;
    struct event_watched event;
    const char *name; /* of variables and regions; owned by the list */
};

struct memory_list {
    struct memory *list;
    size_t count, capacity;
};

/* Copies what it needs of the event. */
void memory_list_add(struct memory_list *l, const struct model_process *process, const struct event_watched *event);
/* NULL: not known. */
const struct memory *memory_list_find(const struct memory_list *l, const struct model_process *process, uint32_t id);
void memory_list_free(struct memory_list *l);

/* "a block of lru_cache_new", "variable hits", "region routing table"; "memory" for NULL. The same for all blocks of
   one place. */
const char *memory_words(struct model *model, const struct model_process *process, const struct memory *memory);
/* Size, where in it, of what kind. */
void memory_evidence(struct model *model, const struct memory *memory, const struct event_conflict *event,
                     struct finding *finding);
/* Where a block was allocated. */
void memory_stack(struct model *model, const struct memory *memory, struct finding *finding);

#endif
