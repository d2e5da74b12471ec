/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/mutation_lifecycle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/mutation_words.h"
#include "analysis/place.h"
#include "analysis/rule.h"

static const char rule_name[] = "unlocked-mutation";
static const char remedy[] = "Hold one lock around everything that links, unlinks and frees such blocks.";

struct seen {
    const struct model_process *process;
    struct event_lifecycle event;
    const char *memory; /* in words */
    bool told;
};

struct mutation_lifecycle {
    const struct memory_list *memory;
    struct seen *list;
    size_t count, capacity;
};

struct mutation_lifecycle *mutation_lifecycle_begin(const struct memory_list *memory)
{
    struct mutation_lifecycle *m = memory_get(1, sizeof(*m));
    m->memory = memory;
    return m;
}

void mutation_lifecycle_event(struct mutation_lifecycle *m, struct model *model, struct source *source,
                              const union trace_event *event)
{
    if (event->header.type != EVENT_LIFECYCLE)
        return;
    m->list = memory_grow(m->list, m->count, &m->capacity, sizeof(*m->list));
    m->list[m->count++] = (struct seen){.process = model_process_of(model, source), .event = event->lifecycle};
}

static bool same_place(const struct seen *a, const struct seen *b)
{
    return a->process == b->process && a->event.site == b->event.site && strcmp(a->memory, b->memory) == 0;
}

static const char *deed(const struct seen *s)
{
    return s->event.kind == LIFECYCLE_RESIZED ? "resizes" : "frees";
}

static uint64_t finding_id(struct model *model, const struct seen *s)
{
    const struct stack *stack = symbols_stack(model->symbols, s->process->trace, s->event.stack, 0);
    uint64_t id = place_hash_text(place_hash_text(PLACE_HASH_START, rule_name), s->memory);
    return (id ^ place_of(stack, s->process->program).hash) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Counts what was seen at the place of `s`. */
static void finding_count(struct mutation_lifecycle *m, const struct seen *s, struct finding *f)
{
    f->first_real_ns = UINT64_MAX;
    for (size_t i = 0; i < m->count; i++) {
        struct seen *other = &m->list[i];
        if (!same_place(s, other))
            continue;
        uint64_t real = source_real_ns(other->process->source, other->event.header.time_ns);
        other->told = true;
        f->count++;
        f->first_real_ns = real < f->first_real_ns ? real : f->first_real_ns;
        f->last_real_ns = real > f->last_real_ns ? real : f->last_real_ns;
    }
}

static void finding_make(struct mutation_lifecycle *m, struct model *model, const struct seen *s,
                         struct findings *findings)
{
    const struct event_lifecycle *e = &s->event;
    struct finding *f = findings_add(findings, rule_name);
    f->id = finding_id(model, s);
    f->severity = SEVERITY_WARNING;
    f->process = process_info_of(s->process);
    f->thread = mutation_thread(s->process, e->tid);
    f->title = arena_format(model->arena,
                            "%s is %s by another thread than the one that allocated it, without a lock, and the other "
                            "way round, in %s",
                            s->memory, e->kind == LIFECYCLE_RESIZED ? "resized" : "freed",
                            mutation_place(model, s->process, e->stack));
    f->remedy = remedy;
    evidence_text(f, "confidence", "likely");
    mutation_stack(model, s->process, f, "second", e->tid, e->stack, deed(s));
    mutation_stack(model, s->process, f, "first", e->first_tid, e->first_stack, "allocates");
    evidence_text(f, "locks_first", mutation_locks(model, s->process, e->first_locks));
    evidence_text(f, "locks_second", mutation_locks(model, s->process, e->locks));
    evidence_text(f, "memory", "heap block");
    evidence_text(f, "address", arena_format(model->arena, "0x%" PRIx64, e->start));
    if (e->header.time_ns > e->first_ns)
        evidence_time(f, "lived", e->header.time_ns - e->first_ns);
    finding_count(m, s, f);
    evidence_count(f, "pairs_of_threads", f->count);
}

void mutation_lifecycle_end(struct mutation_lifecycle *m, struct model *model, const struct mutation_native *native,
                            struct findings *findings)
{
    for (size_t i = 0; i < m->count; i++) {
        struct seen *s = &m->list[i];
        s->memory = memory_words(model, s->process, memory_list_find(m->memory, s->process, s->event.watched));
    }
    for (size_t i = 0; i < m->count; i++) {
        const struct seen *s = &m->list[i];
        if (!s->told && s->event.flags & LIFECYCLE_CROSSED && !mutation_native_told(native, s->process, s->memory))
            finding_make(m, model, s, findings);
    }
}

void mutation_lifecycle_free(struct mutation_lifecycle *m)
{
    free(m->list);
    free(m);
}
