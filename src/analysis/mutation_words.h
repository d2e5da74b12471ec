/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words that findings of unlocked-mutation about memory have in common. All live as long as the model. */
#ifndef CPROBE_ANALYSIS_MUTATION_WORDS_H
#define CPROBE_ANALYSIS_MUTATION_WORDS_H

#include "analysis/findings.h"

/* The locks of a lockset, "none" for 0. */
const char *mutation_locks(struct model *model, const struct model_process *process, uint32_t set);
/* The function of the user's code in a stack, "code without a name" where there is none. */
const char *mutation_place(struct model *model, const struct model_process *process, uint32_t stack);
struct thread_info mutation_thread(const struct model_process *process, uint32_t tid);
/* Adds a stack with the role "thread TID DOES", and evidence `key` that says the same and where. */
void mutation_stack(struct model *model, const struct model_process *process, struct finding *f, const char *key,
                    uint32_t tid, uint32_t stack, const char *does);

#endif
