/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unlocked-mutation: one structure changed by several threads with no lock in common, in memory and in Python. */
#include <stdlib.h>

#include "analysis/mutation_lifecycle.h"
#include "analysis/mutation_native.h"
#include "analysis/mutation_python.h"
#include "analysis/rule.h"

struct state {
    struct memory_list memory;
    struct mutation_native *native;
    struct mutation_lifecycle *lifecycle;
};

static void *rule_begin(struct model *model)
{
    struct state *s = memory_get(1, sizeof(*s));
    (void)model;
    s->native = mutation_native_begin(&s->memory);
    s->lifecycle = mutation_lifecycle_begin(&s->memory);
    return s;
}

static void rule_event(void *state, struct model *model, struct source *source, const union trace_event *event)
{
    struct state *s = state;
    if (event->header.type == EVENT_WATCHED)
        memory_list_add(&s->memory, model_process_of(model, source), &event->watched);
    mutation_native_event(s->native, model, source, event);
    mutation_lifecycle_event(s->lifecycle, model, source, event);
}

static void rule_end(void *state, struct model *model, struct findings *findings)
{
    struct state *s = state;
    mutation_native_end(s->native, model, findings);
    mutation_lifecycle_end(s->lifecycle, model, s->native, findings);
    mutation_python_end(model, findings);
    mutation_lifecycle_free(s->lifecycle);
    mutation_native_free(s->native);
    memory_list_free(&s->memory);
    free(s);
}

const struct rule rule_unlocked_mutation = {.begin = rule_begin, .event = rule_event, .end = rule_end};
