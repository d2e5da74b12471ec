/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/mutation_native.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/mutation_words.h"
#include "analysis/place.h"
#include "analysis/rule.h"
#include "base/compiler.h"

static const char rule_name[] = "unlocked-mutation";
static const char remedy[] =
    "Hold one lock around every access to it, reads that lead to a write included; a mere counter or "
    "flag can be an atomic variable instead.";

enum confidence { POSSIBLE, LIKELY, CONFIRMED, CONFIDENCES };
static const char *const confidence_names[CONFIDENCES] = {"possible", "likely", "confirmed"};
static const enum severity severities[CONFIDENCES] = {SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_ERROR};

struct seen {
    const struct model_process *process;
    struct event_conflict event;
    enum confidence confidence;
    const char *memory; /* in words */
    uint64_t id;        /* of the finding */
    bool told;
};

struct mutation_native {
    const struct memory_list *memory;
    struct seen *list;
    size_t count, capacity;
};

struct mutation_native *mutation_native_begin(const struct memory_list *memory)
{
    struct mutation_native *m = memory_get(1, sizeof(*m));
    m->memory = memory;
    return m;
}

void mutation_native_event(struct mutation_native *m, struct model *model, struct source *source,
                           const union trace_event *event)
{
    if (event->header.type != EVENT_CONFLICT)
        return;
    uint16_t flags = event->conflict.flags;
    m->list = memory_grow(m->list, m->count, &m->capacity, sizeof(*m->list));
    m->list[m->count++] = (struct seen){
        .process = model_process_of(model, source),
        .event = event->conflict,
        .confidence = flags & CONFLICT_LOST   ? CONFIRMED
                      : flags & CONFLICT_READ ? POSSIBLE
                                              : LIKELY,
    };
}

/* ---- words ---- */

static const struct stack *stack_of(struct model *model, const struct seen *s, uint32_t id)
{
    return symbols_stack(model->symbols, s->process->trace, id, 0);
}

static const char *access_words(uint16_t kind)
{
    static const char *const words[] = {"touches", "reads", "writes", "changes"};
    return words[kind & 3];
}

/* Small numbers as such, pointers in hexadecimal. */
static const char *value_words(struct model *model, uint64_t value)
{
    return arena_format(model->arena, value < 1000000000 ? "%" PRIu64 : "0x%" PRIx64, value);
}

static const char *title_of(struct model *model, const struct seen *s)
{
    const struct event_conflict *e = &s->event;
    const char *first = mutation_place(model, s->process, e->first_stack),
               *second = mutation_place(model, s->process, e->second_stack);
    bool same = strcmp(first, second) == 0;
    switch (s->confidence) {
    case CONFIRMED:
        return arena_format(model->arena, "%s is changed by several threads without a lock: an update in %s was lost",
                            s->memory, second);
    case LIKELY:
        return arena_format(model->arena, "%s is written by two threads at once without a lock, in %s%s%s", s->memory,
                            first, same ? "" : " and ", same ? "" : second);
    default:
        return arena_format(model->arena, "%s is read in %s while another thread writes it, without a lock", s->memory,
                            e->first_kind & CONFLICT_WRITES ? second : first);
    }
}

/* ---- findings ---- */

/* The same whichever of the two came first. */
static uint64_t finding_id(struct model *model, const struct seen *s)
{
    const struct model_process *process = s->process;
    uint64_t a = place_of(stack_of(model, s, s->event.first_stack), process->program).hash;
    uint64_t b = place_of(stack_of(model, s, s->event.second_stack), process->program).hash;
    uint64_t id = place_hash_text(place_hash_text(PLACE_HASH_START, rule_name), s->memory);
    return (id ^ (a + b + (a ^ b))) * UINT64_C(0x9e3779b97f4a7c15);
}

static void add_values(struct model *model, const struct seen *s, struct finding *f)
{
    const struct event_conflict *e = &s->event;
    evidence_text(f, "value_first", value_words(model, e->first_value));
    evidence_text(f, "value_meanwhile", value_words(model, e->second_value));
    if (e->third_stack)
        evidence_text(f, "value_that_overwrote_it", value_words(model, e->third_value));
}

static void add_sides(struct model *model, const struct seen *s, struct finding *f)
{
    const struct event_conflict *e = &s->event;
    mutation_stack(model, s->process, f, "first", e->first_tid, e->first_stack, access_words(e->first_kind));
    mutation_stack(model, s->process, f, "second", e->second_tid, e->second_stack,
                   arena_format(model->arena, "%s meanwhile", access_words(e->second_kind)));
    if (e->third_stack)
        mutation_stack(model, s->process, f, "third", e->first_tid, e->third_stack,
                       e->flags & CONFLICT_LOST ? "overwrites that with what it made of the old value"
                                                : "overwrites that");
    evidence_text(f, "locks_first", mutation_locks(model, s->process, e->first_locks));
    evidence_text(f, "locks_second", mutation_locks(model, s->process, e->second_locks));
}

static void finding_make(struct mutation_native *m, struct model *model, const struct seen *s,
                         struct findings *findings)
{
    const struct event_conflict *e = &s->event;
    const struct memory *memory = memory_list_find(m->memory, s->process, e->watched);
    struct finding *f = findings_add(findings, rule_name);
    f->id = s->id;
    f->severity = severities[s->confidence];
    f->process = process_info_of(s->process);
    f->thread = mutation_thread(s->process, e->first_tid);
    f->title = title_of(model, s);
    f->remedy = remedy;
    evidence_text(f, "confidence", confidence_names[s->confidence]);
    add_sides(model, s, f);
    add_values(model, s, f);
    memory_evidence(model, memory, e, f);
    memory_stack(model, memory, f);
}

/* Counts what belongs to the finding of `s`: other conflicts with its id, and reads of the same memory. */
static void finding_count(struct mutation_native *m, const struct seen *s, struct finding *f)
{
    uint64_t kinds[CONFIDENCES] = {0};
    f->first_real_ns = UINT64_MAX;
    for (size_t i = 0; i < m->count; i++) {
        struct seen *other = &m->list[i];
        bool read =
            other->confidence == POSSIBLE && other->process == s->process && strcmp(other->memory, s->memory) == 0;
        if (other->id != s->id && !read)
            continue;
        uint64_t real = source_real_ns(other->process->source, other->event.header.time_ns);
        other->told = true;
        kinds[other->confidence]++;
        f->first_real_ns = real < f->first_real_ns ? real : f->first_real_ns;
        f->last_real_ns = real > f->last_real_ns ? real : f->last_real_ns;
    }
    f->count = kinds[POSSIBLE] + kinds[LIKELY] + kinds[CONFIRMED];
    if (kinds[CONFIRMED])
        evidence_count(f, "updates_lost", kinds[CONFIRMED]);
    if (kinds[LIKELY])
        evidence_count(f, "written_at_once", kinds[LIKELY]);
    if (kinds[POSSIBLE])
        evidence_count(f, "read_while_written", kinds[POSSIBLE]);
}

/* The memory has a lock, but not everybody takes it. Where nobody does, values are polled that are meant to be. */
static bool guarded(const struct seen *s)
{
    return s->event.first_locks || s->event.second_locks;
}

void mutation_native_end(struct mutation_native *m, struct model *model, struct findings *findings)
{
    for (size_t i = 0; i < m->count; i++) {
        struct seen *s = &m->list[i];
        s->memory = memory_words(model, s->process, memory_list_find(m->memory, s->process, s->event.watched));
        s->id = finding_id(model, s);
    }
    for (int confidence = CONFIRMED; confidence >= POSSIBLE; confidence--)
        for (size_t i = 0; i < m->count; i++) {
            struct seen *s = &m->list[i];
            if (s->told || (int)s->confidence != confidence || (confidence == POSSIBLE && !guarded(s)))
                continue;
            finding_make(m, model, s, findings);
            finding_count(m, s, &findings->list[findings->count - 1]);
        }
}

bool mutation_native_told(const struct mutation_native *m, const struct model_process *process, const char *memory)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->list[i].told && m->list[i].process == process && strcmp(m->list[i].memory, memory) == 0)
            return true;
    return false;
}

void mutation_native_free(struct mutation_native *m)
{
    free(m->list);
    free(m);
}
