/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/mutation_memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/lock_stacks.h"

void memory_list_add(struct memory_list *l, const struct model_process *process, const struct event_watched *event)
{
    const char *text = (const char *)event + event->name.offset;
    l->list = memory_grow(l->list, l->count, &l->capacity, sizeof(*l->list));
    char *name = memory_get(event->name.length + 1u, 1);
    memcpy(name, text, event->name.length);
    for (char *p = name; *p; p++)
        *p = (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p;
    l->list[l->count++] = (struct memory){process, *event, name};
}

const struct memory *memory_list_find(const struct memory_list *l, const struct model_process *process, uint32_t id)
{
    for (size_t i = l->count; id && i > 0; i--)
        if (l->list[i - 1].process == process && l->list[i - 1].event.id == id)
            return &l->list[i - 1];
    return NULL;
}

void memory_list_free(struct memory_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free((char *)l->list[i].name);
    free(l->list);
}

static const struct stack *allocation(struct model *model, const struct memory *m)
{
    return symbols_stack(model->symbols, m->process->trace, m->event.stack, 0);
}

const char *memory_words(struct model *model, const struct model_process *process, const struct memory *m)
{
    if (!m)
        return "memory";
    if (m->event.kind == WATCH_BLOCK) {
        const struct stack *stack = allocation(model, m);
        const struct place place = place_of(stack, process->program);
        const struct frame *frame = place.user ? place.user : place.driver;
        return frame ? arena_format(model->arena, "a block of %s", words_function(frame, model->arena)) : "a block";
    }
    return arena_format(model->arena, "%s %s", m->event.kind == WATCH_GLOBAL ? "variable" : "region",
                        m->name[0] ? m->name : "without a name");
}

void memory_evidence(struct model *model, const struct memory *m, const struct event_conflict *event,
                     struct finding *finding)
{
    static const char *const kinds[] = {"memory", "heap block", "variable", "region"};
    uint16_t kind = m && m->event.kind <= WATCH_REGION ? m->event.kind : 0;
    evidence_text(finding, "memory", kinds[kind]);
    evidence_text(finding, "address", arena_format(model->arena, "0x%" PRIx64, event->address));
    evidence_count(finding, "bytes", event->second_kind >> 8);
    if (!m)
        return;
    evidence_count(finding, "size", m->event.size);
    evidence_count(finding, "offset", event->offset);
}

void memory_stack(struct model *model, const struct memory *m, struct finding *finding)
{
    if (m && m->event.kind == WATCH_BLOCK && m->event.stack)
        finding_stack_add(finding, "allocated", allocation(model, m), 1, 0, model->arena);
}
