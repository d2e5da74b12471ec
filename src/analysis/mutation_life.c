/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/mutation_life.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/lock_stacks.h"
#include "analysis/model.h"
#include "analysis/mutation_memory.h"
#include "analysis/rule.h"

static const char rule_name[] = "unlocked-mutation";
static const char remedy[] =
    "Hold one lock wherever such blocks are put into the structure, looked for in it, and taken "
    "out of it; free them after that.";

struct seen {
    const struct model_process *process;
    struct event_lifecycle event;
    const char *memory; /* in words */
    uint64_t id;        /* of the finding */
    bool told;
};

struct mutation_life {
    struct memory_list memory;
    struct seen *list;
    size_t count, capacity;
};

struct mutation_life *mutation_life_begin(void)
{
    return memory_get(1, sizeof(struct mutation_life));
}

void mutation_life_event(struct mutation_life *m, struct model *model, struct source *source,
                         const union trace_event *event)
{
    const struct model_process *process = model_process_of(model, source);
    if (event->header.type == EVENT_WATCHED)
        memory_list_add(&m->memory, process, &event->watched);
    if (event->header.type != EVENT_LIFECYCLE)
        return;
    m->list = memory_grow(m->list, m->count, &m->capacity, sizeof(*m->list));
    m->list[m->count++] = (struct seen){.process = process, .event = event->lifecycle};
}

static const struct stack *stack_of(struct model *model, const struct seen *s, uint32_t id)
{
    return symbols_stack(model->symbols, s->process->trace, id, 0);
}

static void seen_name(const struct mutation_life *m, struct model *model, struct seen *s)
{
    const struct event_lifecycle *e = &s->event;
    s->memory = memory_words(model, s->process, memory_list_find(&m->memory, s->process, e->watched));
    s->id = place_hash_text(place_hash_text(place_hash_text(PLACE_HASH_START, rule_name), "life"), s->memory);
    s->id ^= place_of(stack_of(model, s, e->stack), s->process->program).hash * UINT64_C(0x9e3779b97f4a7c15);
}

/* Breakpoints have told of such blocks, which says more. `count`: findings that there were before. */
static bool caught(const struct findings *findings, size_t count, const struct seen *s)
{
    const size_t length = strlen(s->memory);
    for (size_t i = 0; i < count; i++) {
        const struct finding *f = &findings->list[i];
        if (strcmp(f->rule, rule_name) == 0 && strncmp(f->title, s->memory, length) == 0 && f->title[length] == ' ')
            return true;
    }
    return false;
}

static struct thread_info thread_of(const struct seen *s)
{
    for (size_t i = 0; i < s->process->thread_count; i++)
        if (s->process->threads[i].tid == s->event.tid)
            return thread_info_of(&s->process->threads[i]);
    return (struct thread_info){s->event.tid, "", false};
}

static void finding_make(struct model *model, const struct seen *s, struct findings *findings)
{
    const struct event_lifecycle *e = &s->event;
    const bool freed = e->kind == LIFECYCLE_FREED;
    const struct stack *allocated = stack_of(model, s, e->first_stack), *ended = stack_of(model, s, e->stack);
    const char *where = stack_words(ended, s->process, model->arena);
    struct finding *f = findings_add(findings, rule_name);
    f->id = s->id;
    f->severity = SEVERITY_WARNING;
    f->process = process_info_of(s->process);
    f->thread = thread_of(s);
    f->title = arena_format(model->arena, "%s is %s by another thread than the one that made it, without a lock, in %s",
                            s->memory, freed ? "freed" : "resized", where ? where : "code without a name");
    f->remedy = remedy;
    evidence_text(f, "confidence", "likely");
    evidence_text(f, "memory", "heap block");
    evidence_text(f, "address", arena_format(model->arena, "0x%llx", (unsigned long long)e->start));
    evidence_time(f, "lived_for", e->header.time_ns - e->first_ns);
    finding_stack_add(f, arena_format(model->arena, "thread %u %s it", e->tid, freed ? "frees" : "resizes"), ended, 1,
                      0, model->arena);
    finding_stack_add(f, arena_format(model->arena, "allocated, by thread %u", e->first_tid), allocated, 1, 0,
                      model->arena);
}

/* Counts what belongs to the finding of `s`. */
static void finding_count(struct mutation_life *m, const struct seen *s, struct finding *f)
{
    f->first_real_ns = UINT64_MAX;
    for (size_t i = 0; i < m->count; i++) {
        struct seen *other = &m->list[i];
        if (other->id != s->id)
            continue;
        uint64_t real = source_real_ns(other->process->source, other->event.header.time_ns);
        other->told = true;
        f->count++;
        f->first_real_ns = real < f->first_real_ns ? real : f->first_real_ns;
        f->last_real_ns = real > f->last_real_ns ? real : f->last_real_ns;
    }
    evidence_count(f, "pairs_of_threads", f->count);
}

void mutation_life_end(struct mutation_life *m, struct model *model, struct findings *findings)
{
    const size_t before = findings->count;
    for (size_t i = 0; i < m->count; i++)
        seen_name(m, model, &m->list[i]);
    for (size_t i = 0; i < m->count; i++) {
        struct seen *s = &m->list[i];
        if (s->told || !(s->event.flags & LIFECYCLE_CROSSED) || caught(findings, before, s))
            continue;
        finding_make(model, s, findings);
        finding_count(m, s, &findings->list[findings->count - 1]);
    }
    free(m->list);
    memory_list_free(&m->memory);
    free(m);
}
