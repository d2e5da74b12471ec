/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/mutation_python.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/lock_question.h"
#include "analysis/lock_stacks.h"
#include "analysis/lock_words.h"

static const char rule_name[] = "unlocked-mutation";
static const char remedy_cachetools[] =
    "Caches of cachetools are not thread-safe: pass lock=threading.Lock() to the decorator, or guard every access, "
    "reads "
    "too (they expire and reorder entries), with one lock.";
static const char remedy_any[] =
    "Guard every access to this object, reads too, with one and the same lock, or give each "
    "thread an object of its own.";
static const char remedy_fibers[] =
    "Do not wait (I/O, sleep, a lock) inside of the operation: compute the value first and store it then. Or guard "
    "every "
    "access with a lock that knows the framework (gevent.lock.RLock, asyncio.Lock).";

/* One side of the conflict that a finding shows. */
struct side {
    uint32_t method, tid, stack, locks;
};

/* What is found about the objects of one site. */
struct mutation {
    const struct watched_site *site;
    const struct watched_object *object; /* that is shown */
    const struct watched_pair *pair;     /* of it, that changes it on both sides; NULL: only a hazard */
    struct side first, second;           /* first: was inside */
    uint64_t overlaps, operations, mutations, key_errors;
    size_t threads; /* most of one object */
};

/* ---- what there is ---- */

static bool object_is_guilty(const struct watched_object *object)
{
    return object->locks.hazard_ns || watched_pair_heaviest(object);
}

/* The object with most overlaps, else the busiest one. */
static const struct watched_object *object_worst(const struct watched_site *site)
{
    const struct watched_object *worst = NULL;
    for (size_t i = 0; i < site->count; i++) {
        const struct watched_object *object = site->list[i];
        if (object_is_guilty(object) && (!worst || watched_overlaps(object) > watched_overlaps(worst)))
            worst = object;
    }
    return worst;
}

/* Two examples of different threads whose locks do not exclude each other. */
static void hazard_sides(struct mutation *mutation)
{
    const struct watched_object *object = mutation->object;
    const struct watched_use *uses = object->uses, *first = NULL, *second = NULL;
    for (size_t i = 0; i < object->use_count && !second; i++) {
        for (size_t j = i + 1; j < object->use_count && !second; j++) {
            if (uses[i].event.tid == uses[j].event.tid ||
                watched_locks_exclude(object->process->trace, uses[i].event.locks, uses[j].event.locks))
                continue;
            first = &uses[i];
            second = &uses[j];
        }
    }
    if (!second && object->use_count > 0)
        first = second = &uses[0];
    if (!second)
        return;
    mutation->first = (struct side){first->event.method, first->event.tid, first->event.stack, first->event.locks};
    mutation->second = (struct side){second->event.method, second->event.tid, second->event.stack, second->event.locks};
}

static void overlap_sides(struct mutation *mutation)
{
    const struct event_overlap *event = &mutation->pair->example;
    mutation->first = (struct side){event->other_method, event->other_tid, event->other_stack, event->other_locks};
    mutation->second = (struct side){event->method, event->tid, event->stack, event->locks};
}

static bool mutation_of(const struct watched_site *site, struct mutation *mutation)
{
    *mutation = (struct mutation){.site = site, .object = object_worst(site)};
    if (!mutation->object)
        return false;
    mutation->pair = watched_pair_heaviest(mutation->object);
    for (size_t i = 0; i < site->count; i++) {
        const struct watched_object *object = site->list[i];
        if (!object_is_guilty(object))
            continue;
        mutation->overlaps += watched_overlaps(object);
        mutation->operations += object->operations;
        mutation->mutations += object->mutations;
        mutation->key_errors += object->key_errors;
        if (object->mutators > mutation->threads)
            mutation->threads = object->mutators;
    }
    if (mutation->pair)
        overlap_sides(mutation);
    else
        hazard_sides(mutation);
    return true;
}

/* ---- in words ---- */

static bool is_cachetools(const struct mutation *mutation)
{
    const struct trace_object *source = mutation->object->source;
    return source && strncmp(source->module, "cachetools", 10) == 0;
}

/* Nothing but look-ups, which change no more than the order of its entries, as far as is known. */
static bool only_reorders(const struct mutation *mutation)
{
    for (size_t i = 0; i < mutation->site->count; i++) {
        if (mutation->site->list[i]->changed)
            return false;
    }
    return !mutation->pair && mutation->key_errors == 0;
}

static bool is_of_fibers(const struct mutation *mutation)
{
    return mutation->pair && mutation->pair->fibers && !mutation->object->locks.hazard_ns;
}

static const char *title_of(const struct mutation *mutation, struct arena *arena)
{
    const char *name = mutation->site->name;
    if (is_of_fibers(mutation))
        return arena_format(arena, "%s is changed by two greenlets or tasks at once: one waits inside of %s", name,
                            watched_method(mutation->object->process, mutation->first.method));
    if (mutation->pair)
        return arena_format(arena, "%s is changed by %zu threads with no lock in common, several at once", name,
                            mutation->threads);
    return arena_format(arena, "%s is %s %zu threads with no lock in common", name,
                        only_reorders(mutation) ? "reordered by look-ups of" : "changed by", mutation->threads);
}

static const struct model_thread *thread_of(const struct model_process *process, uint32_t tid)
{
    for (size_t i = 0; i < process->thread_count; i++) {
        if (process->threads[i].tid == tid)
            return &process->threads[i];
    }
    return NULL;
}

static void side_stack(struct model *model, const struct mutation *mutation, const struct side *side, const char *what,
                       struct finding *finding)
{
    const struct model_process *process = mutation->object->process;
    const struct stack *stack = symbols_stack(model->symbols, process->trace, side->stack, 0);
    const char *role = arena_format(model->arena, "thread %u %s %s with %s", side->tid, what,
                                    watched_method(process, side->method), lock_words_set(model, process, side->locks));
    finding_stack_add(finding, role, stack, mutation->pair ? (double)mutation->pair->count : 1, 0, model->arena);
}

static void stacks_report(struct model *model, const struct mutation *mutation, struct finding *finding)
{
    side_stack(model, mutation, &mutation->second, mutation->pair ? "began" : "did", finding);
    if (mutation->pair || mutation->first.tid != mutation->second.tid)
        side_stack(model, mutation, &mutation->first, mutation->pair ? "was inside of" : "did", finding);
    if (mutation->site->birth)
        finding_stack_add(finding, "the object was made", mutation->site->birth, 1, 0, model->arena);
}

/* ---- evidence ---- */

static bool method_is(const char *method, const char *const *names)
{
    const char *dot = strrchr(method, '.'), *name = dot ? dot + 1 : method;
    for (; *names; names++) {
        if (strcmp(name, *names) == 0)
            return true;
    }
    return false;
}

/* What becomes of two changes at once to a cache of cachetools: its source, Cache and TTLCache. */
static void races_evidence(const struct mutation *mutation, struct finding *finding, struct arena *arena)
{
    static const char *const removing[] = {"__delitem__", "__setitem__", "pop",    "popitem", "setdefault",
                                           "expire",      "clear",       "update", "__len__", NULL};
    static const char *const sizing[] = {"__delitem__", "__setitem__", "pop",    "popitem",
                                         "setdefault",  "expire",      "update", NULL};
    const struct model_process *process = mutation->object->process;
    const char *first = watched_method(process, mutation->first.method);
    const char *second = watched_method(process, mutation->second.method);
    if (!is_cachetools(mutation))
        return;
    if (method_is(first, removing) && method_is(second, removing))
        evidence_text(finding, "race_of_deletes",
                      arena_format(arena,
                                   "%s and %s both remove entries, expired ones and those that have to make room: "
                                   "who comes second to one gets a KeyError",
                                   first, second));
    if (method_is(first, sizing) && method_is(second, sizing))
        evidence_text(
            finding, "race_of_sizes",
            "currsize is read, changed and stored again: of two such updates at once one is lost, for good. Too "
            "large, it shrinks what the cache can hold, so that it evicts ever more often");
}

static void drift_evidence(const struct mutation *mutation, struct finding *finding, struct arena *arena)
{
    const struct watched_drift *drift = &mutation->object->drift;
    if (drift->since_ns)
        evidence_text(finding, "size_counter",
                      arena_format(arena, "%s says %lld, %s %lld, entries %u", drift->counter,
                                   (long long)drift->last.counter, drift->content, (long long)drift->last.content,
                                   drift->last.entries));
}

static size_t processes_of(const struct model *model, const struct watched_site *site)
{
    bool *known = memory_get(model->process_count, sizeof(*known));
    size_t count = 0;
    for (size_t i = 0; i < site->count; i++) {
        bool *process = &known[site->list[i]->process - model->processes];
        count += !*process;
        *process = true;
    }
    free(known);
    return count;
}

static void overlap_evidence(const struct mutation *mutation, struct finding *finding)
{
    double share = mutation->operations > 0 ? (double)mutation->overlaps / (double)mutation->operations : 0;
    evidence_count(finding, "overlaps", mutation->overlaps);
    evidence_ratio(finding, "overlap_share", share < 1 ? share : 1);
}

static void evidence_report(struct model *model, const struct mutation *mutation, struct finding *finding)
{
    const struct watched_object *object = mutation->object;
    const struct model_process *process = object->process;
    struct arena *arena = model->arena;
    evidence_text(finding, "confidence", mutation->pair ? "confirmed" : "hazard");
    evidence_count(finding, "threads", mutation->threads);
    if (mutation->pair)
        overlap_evidence(mutation, finding);
    lock_question_evidence(model, object, finding);
    evidence_text(finding, "method", watched_method(process, mutation->second.method));
    evidence_text(finding, "other_method", watched_method(process, mutation->first.method));
    evidence_text(finding, "locks", lock_words_set(model, process, mutation->second.locks));
    evidence_text(finding, "other_locks", lock_words_set(model, process, mutation->first.locks));
    drift_evidence(mutation, finding, arena);
    races_evidence(mutation, finding, arena);
    evidence_text(finding, "object", mutation->site->name);
    evidence_count(finding, "operations", mutation->operations);
    evidence_count(finding, "changes", mutation->mutations);
    evidence_count(finding, "key_errors", mutation->key_errors);
    evidence_count(finding, "objects", mutation->site->count);
    evidence_count(finding, "processes", processes_of(model, mutation->site));
    if (object->first_error_ns)
        evidence_text(finding, "first_error_seen",
                      words_time(source_real_ns(process->source, object->first_error_ns), arena));
}

static void time_add(struct finding *finding, const struct model_process *process, uint64_t ns)
{
    uint64_t real = source_real_ns(process->source, ns);
    if (!ns)
        return;
    if (!finding->first_real_ns || real < finding->first_real_ns)
        finding->first_real_ns = real;
    if (real > finding->last_real_ns)
        finding->last_real_ns = real;
}

static void times_report(const struct mutation *mutation, struct finding *finding)
{
    for (size_t i = 0; i < mutation->site->count; i++) {
        const struct watched_object *object = mutation->site->list[i];
        time_add(finding, object->process, object->locks.hazard_ns);
        if (object->locks.hazard_ns)
            time_add(finding, object->process, object->locks.last.time_ns);
        for (size_t j = 0; j < object->pair_count; j++) {
            if (!object->pairs[j].writes)
                continue;
            time_add(finding, object->process, object->pairs[j].first_ns);
            time_add(finding, object->process, object->pairs[j].last_ns);
        }
    }
}

static void mutation_report(struct model *model, const struct mutation *mutation, struct findings *findings)
{
    const struct model_process *process = mutation->object->process;
    const struct model_thread *thread = thread_of(process, mutation->second.tid);
    struct finding *finding = findings_add(findings, rule_name);
    finding->id = place_hash_text(mutation->site->id, rule_name);
    finding->count = mutation->pair ? mutation->overlaps : mutation->mutations;
    finding->process = process_info_of(process);
    finding->thread =
        thread ? thread_info_of(thread) : (struct thread_info){mutation->second.tid, "ended thread", false};
    if (only_reorders(mutation))
        finding->severity = SEVERITY_WARNING;
    finding->title = title_of(mutation, model->arena);
    finding->remedy = is_of_fibers(mutation) ? remedy_fibers : is_cachetools(mutation) ? remedy_cachetools : remedy_any;
    finding->operation = watched_method(process, mutation->second.method);
    times_report(mutation, finding);
    stacks_report(model, mutation, finding);
    evidence_report(model, mutation, finding);
}

void mutation_python_end(struct model *model, struct findings *findings)
{
    size_t count;
    const struct watched_site *sites = watched_sites(model, &count);
    for (size_t i = 0; i < count; i++) {
        struct mutation mutation;
        if (mutation_of(&sites[i], &mutation))
            mutation_report(model, &mutation, findings);
    }
}
