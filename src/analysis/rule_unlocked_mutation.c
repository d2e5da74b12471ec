/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unlocked-mutation: one structure changed by several threads with no lock in common, in memory and in Python. */
#include <stdlib.h>

#include "analysis/mutation_life.h"
#include "analysis/mutation_native.h"
#include "analysis/mutation_python.h"
#include "analysis/rule.h"

struct state {
    struct mutation_native *native;
    struct mutation_life *life;
};

static void *rule_begin(struct model *model)
{
    struct state *s = memory_get(1, sizeof(*s));
    (void)model;
    s->native = mutation_native_begin();
    s->life = mutation_life_begin();
    return s;
}

static void rule_event(void *state, struct model *model, struct source *source, const union trace_event *event)
{
    struct state *s = state;
    mutation_native_event(s->native, model, source, event);
    mutation_life_event(s->life, model, source, event);
}

static void rule_end(void *state, struct model *model, struct findings *findings)
{
    struct state *s = state;
    mutation_native_end(s->native, model, findings);
    mutation_life_end(s->life, model, findings);
    mutation_python_end(model, findings);
    free(s);
}

const struct rule rule_unlocked_mutation = {.begin = rule_begin, .event = rule_event, .end = rule_end};
