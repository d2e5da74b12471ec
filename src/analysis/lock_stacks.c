/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/lock_stacks.h"

#include <string.h>

#include "analysis/round.h"

void finding_stack_add(struct finding *finding, const char *role, const struct stack *stack, double count, double ns,
                       struct arena *arena)
{
    if (!stack || stack->count == 0)
        return;
    struct finding_stack *stacks = arena_get(arena, (finding->stack_count + 1) * sizeof(*stacks));
    if (finding->stack_count > 0)
        memcpy(stacks, finding->stacks, finding->stack_count * sizeof(*stacks));
    stacks[finding->stack_count++] = (struct finding_stack){role, stack, round_whole(count), round_whole(ns)};
    finding->stacks = stacks;
}

const char *stack_words(const struct stack *stack, const struct model_process *process, struct arena *arena)
{
    struct place place = place_of(stack, process->program);
    const struct frame *frame = place.user ? place.user : place.driver;
    return frame ? words_frame(frame, arena) : NULL;
}
