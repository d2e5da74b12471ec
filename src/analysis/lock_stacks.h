/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stacks of findings about locks, beside those of the waits: owners, waiters, both sides of an order. */
#ifndef CPROBE_ANALYSIS_LOCK_STACKS_H
#define CPROBE_ANALYSIS_LOCK_STACKS_H

#include "analysis/findings.h"
#include "analysis/place.h"

/* Puts `stack` behind the finding's, unless it has no frame. */
void finding_stack_add(struct finding *finding, const char *role, const struct stack *stack, double count, double ns,
                       struct arena *arena);

/* "slow_audit (server.c:45)": the user's line that a stack ends in, else the library's; NULL: neither is known. */
const char *stack_words(const struct stack *stack, const struct model_process *process, struct arena *arena);

#endif
