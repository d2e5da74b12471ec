/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unlocked-mutation: one structure changed by several threads with no lock in common. In Python: mutation_python.h. */
#include "analysis/mutation_python.h"
#include "analysis/rule.h"

static void rule_end(void *state, struct model *model, struct findings *findings)
{
    (void)state;
    mutation_python_end(model, findings);
}

const struct rule rule_unlocked_mutation = {.end = rule_end};
