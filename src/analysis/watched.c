/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/watched.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/model.h"

/* ---- objects ---- */

struct key {
    const struct watched_table *table;
    const struct model_process *process;
    uint32_t id;
};

static bool object_equal(const void *context, uint32_t item)
{
    const struct key *key = context;
    const struct watched_object *object = &key->table->objects[item];
    return object->process == key->process && object->id == key->id;
}

static uint64_t key_hash(const struct key *key)
{
    return profile_hash(profile_hash(PROFILE_HASH_START, (uintptr_t)key->process), key->id);
}

/* A fork's child knows its parent's objects by the same numbers; the stacks are in the parent's trace. */
static const struct model_process *parent_with(const struct model *model, const struct model_process *process,
                                               const struct trace_object *source)
{
    for (size_t i = 0; i < model->process_count; i++) {
        const struct model_process *other = &model->processes[i];
        const struct trace_object *same = other->source->info->pid == process->source->info->ppid
                                              ? trace_object_find(other->trace, source->id)
                                              : NULL;
        if (same && same->address == source->address && strcmp(same->class, source->class) == 0)
            return other;
    }
    return NULL;
}

static void birth_find(const struct model *model, struct watched_object *object)
{
    const struct model_process *process = object->process;
    object->source = trace_object_find(process->trace, object->id);
    for (int i = 0; i < 16 && process && object->source; i++) { /* generations */
        const struct trace_object *source = trace_object_find(process->trace, object->id);
        object->birthplace = process;
        object->birth_stack = source->stack;
        if (source->stack)
            return;
        process = parent_with(model, process, source);
    }
}

/* Valid until the next one is added. NULL: too many. */
static struct watched_object *object_get(struct model *model, const struct model_process *process, uint32_t id)
{
    struct watched_table *table = &model->watched;
    const struct key key = {table, process, id};
    bool added = false;
    uint32_t item = table->index.count < WATCHED_OBJECTS
                        ? profile_index_put(&table->index, key_hash(&key), object_equal, &key, &added)
                        : profile_index_find(&table->index, key_hash(&key), object_equal, &key);
    if (item == UINT32_MAX)
        return NULL;
    if (added) {
        table->objects = memory_grow(table->objects, item, &table->capacity, sizeof(*table->objects));
        table->objects[item] = (struct watched_object){.process = process, .id = id};
        birth_find(model, &table->objects[item]);
    }
    return &table->objects[item];
}

size_t watched_count(const struct watched_table *table)
{
    return table->index.count;
}

const char *watched_method(const struct model_process *process, uint32_t method)
{
    const struct trace_method *found = trace_method_find(process->trace, method);
    return found ? found->name : "?";
}

static bool method_writes(const struct model_process *process, uint32_t method)
{
    const struct trace_method *found = trace_method_find(process->trace, method);
    return found && (found->flags & METHOD_MUTATES);
}

/* Of these a KeyError is an answer; of others a surprise. */
static bool is_lookup(const char *method)
{
    static const char *const lookups[] = {"__getitem__", "__delitem__", "__missing__", "pop", "get"};
    const char *dot = strrchr(method, '.'), *name = dot ? dot + 1 : method;
    for (size_t i = 0; i < sizeof(lookups) / sizeof(lookups[0]); i++) {
        if (strcmp(name, lookups[i]) == 0)
            return true;
    }
    return false;
}

/* Looks up only; where this changes the object it puts the entry to another place in its order. */
static bool only_reads(const char *method)
{
    const char *dot = strrchr(method, '.'), *name = dot ? dot + 1 : method;
    return strcmp(name, "__getitem__") == 0 || strcmp(name, "get") == 0;
}

/* ---- events ---- */

static void use_add(struct watched_object *object, const struct event_mutate *event)
{
    if (!event->stack)
        return;
    for (size_t i = 0; i < object->use_count; i++) {
        struct watched_use *use = &object->uses[i];
        if (use->event.method == event->method && use->event.stack == event->stack &&
            use->event.locks == event->locks && (use->event.tid == event->tid || object->use_count == WATCHED_USES)) {
            use->count++;
            return;
        }
    }
    if (object->use_count == WATCHED_USES)
        return;
    object->uses = memory_grow(object->uses, object->use_count, &object->use_capacity, sizeof(*object->uses));
    object->uses[object->use_count++] = (struct watched_use){*event, 1};
}

static void mutate_take(struct model *model, const struct model_process *process, const struct event_mutate *event)
{
    struct watched_object *object = object_get(model, process, event->object);
    bool writes = event->flags & MUTATE_WRITE;
    if (!object)
        return;
    watched_locks_add(&object->locks, process->trace, event, writes);
    if (object->locks.shared_ns && writes) {
        use_add(object, event);
        object->changed |= !only_reads(watched_method(process, event->method));
    }
    if (writes && (event->flags & MUTATE_RAISED) && (event->flags & MUTATE_OVERLAPPED) && !object->first_error_ns)
        object->first_error_ns = event->header.time_ns + event->duration_ns;
    watched_windows_add(&model->watched.windows, (uint32_t)(object - model->watched.objects), event);
}

/* Whether a look-up has come to load what it did not find: then it stores it as well. */
static bool stack_loads(struct model *model, const struct model_process *process, uint32_t stack_id)
{
    const struct stack *stack = stack_id ? symbols_stack(model->symbols, process->trace, stack_id, 0) : NULL;
    for (size_t i = 0; stack && i < stack->count; i++) {
        const char *dot = strrchr(stack->frames[i].function, '.');
        if (stack->frames[i].kind == FRAME_PYTHON && dot && strcmp(dot, ".__missing__") == 0)
            return true;
    }
    return false;
}

/* Both change the object, and not merely the order of its entries. A look-up that gives up its thread does more. */
static bool overlap_writes(struct model *model, const struct model_process *process, const struct event_overlap *event,
                           bool fibers)
{
    if (!method_writes(process, event->method) || !method_writes(process, event->other_method))
        return false;
    return fibers || !only_reads(watched_method(process, event->method)) ||
           !only_reads(watched_method(process, event->other_method)) ||
           stack_loads(model, process, event->other_stack) || stack_loads(model, process, event->stack);
}

static struct watched_pair *pair_get(struct watched_object *object, const struct event_overlap *event, bool fibers)
{
    for (size_t i = 0; i < object->pair_count; i++) {
        struct watched_pair *pair = &object->pairs[i];
        if (pair->method == event->method && pair->other == event->other_method && pair->fibers == fibers)
            return pair;
    }
    if (object->pair_count == WATCHED_PAIRS)
        return NULL;
    object->pairs = memory_grow(object->pairs, object->pair_count, &object->pair_capacity, sizeof(*object->pairs));
    struct watched_pair *pair = &object->pairs[object->pair_count++];
    *pair = (struct watched_pair){.method = event->method,
                                  .other = event->other_method,
                                  .fibers = fibers,
                                  .first_ns = event->header.time_ns,
                                  .example = *event};
    return pair;
}

/* Who has the same lock waits for the other inside: that is how it should be. */
static void overlap_take(struct model *model, const struct model_process *process, const struct event_overlap *event)
{
    bool fibers = event->tid == event->other_tid;
    if (watched_locks_exclude(process->trace, event->locks, event->other_locks) ||
        (fibers && event->fiber == event->other_fiber))
        return;
    struct watched_object *object = object_get(model, process, event->object);
    struct watched_pair *pair = object ? pair_get(object, event, fibers) : NULL;
    if (!pair)
        return;
    pair->count = event->count > pair->count + 1 ? event->count : pair->count + 1;
    pair->last_ns = event->header.time_ns;
    if (!pair->writes)
        pair->writes = overlap_writes(model, process, event, fibers);
    if (event->stack && event->other_stack && !(pair->example.stack && pair->example.other_stack))
        pair->example = *event;
}

static int64_t magnitude(int64_t number)
{
    return number < 0 ? number == INT64_MIN ? INT64_MAX : -number : number;
}

/* Wraps where a hostile trace's numbers are too far apart. */
static int64_t difference_of(const struct event_drift *event)
{
    return (int64_t)((uint64_t)event->counter - (uint64_t)event->content);
}

static bool drift_differs(const struct event_drift *event)
{
    return (!(event->flags & DRIFT_NO_COUNTER) && event->counter != event->content) ||
           (!(event->flags & DRIFT_NO_LINKS) && event->links != event->entries);
}

static const char *drift_text(const struct event_drift *event, event_str_t text, struct arena *arena)
{
    return arena_format(arena, "%.*s", (int)text.length, (const char *)event + text.offset);
}

static void drift_take(struct model *model, const struct model_process *process, const struct event_drift *event)
{
    struct watched_object *object = object_get(model, process, event->object);
    if (!object)
        return;
    struct watched_drift *drift = &object->drift;
    drift->checks = event->checks > drift->checks ? event->checks : drift->checks;
    if (!drift_differs(event)) {
        drift->right_ns = event->header.time_ns;
        return;
    }
    if (!drift->since_ns) {
        drift->since_ns = event->header.time_ns;
        drift->first = *event;
        drift->counter = drift_text(event, event->counter_name, model->arena);
        drift->content = drift_text(event, event->content_name, model->arena);
    }
    drift->last = *event;
    drift->records++;
    if (magnitude(difference_of(event)) > magnitude(drift->most))
        drift->most = difference_of(event);
}

void watched_event(struct model *model, struct model_process *process, const union trace_event *event)
{
    switch (event->header.type) {
    case EVENT_MUTATE:
        if (event->mutate.object > OBJECT_OVERFLOW_ID)
            mutate_take(model, process, &event->mutate);
        break;
    case EVENT_OVERLAP:
        if (event->overlap.object > OBJECT_OVERFLOW_ID)
            overlap_take(model, process, &event->overlap);
        break;
    case EVENT_DRIFT:
        if (event->drift.object > OBJECT_OVERFLOW_ID)
            drift_take(model, process, &event->drift);
        break;
    default:
        break;
    }
}

/* ---- exact counts ---- */

static void counter_take(struct watched_object *object, const struct trace_counter *counter)
{
    const struct model_process *process = object->process;
    object->operations += counter->count;
    object->busy_ns += counter->total_ns;
    object->found_inside += counter->bytes;
    if (method_writes(process, counter->flags))
        object->mutations += counter->count;
    if (!is_lookup(watched_method(process, counter->flags)))
        object->key_errors += counter->failed;
    if (!object->first_ns || counter->first_ns < object->first_ns)
        object->first_ns = counter->first_ns;
    if (counter->last_ns > object->last_ns)
        object->last_ns = counter->last_ns;
}

/* A thread has a counter for each method, and counts once. */
static void thread_take(struct model *model, const struct model_thread *thread)
{
    for (size_t i = 0; i < thread->source->counter_count; i++) {
        const struct trace_counter *counter = &thread->source->counters[i];
        if (trace_call_category(counter->call) != CALL_OBJECT || counter->endpoint <= OBJECT_OVERFLOW_ID)
            continue;
        struct watched_object *object = object_get(model, thread->process, counter->endpoint);
        if (!object)
            continue;
        counter_take(object, counter);
        if (object->user != thread)
            object->threads++;
        object->user = thread;
        if (!method_writes(thread->process, counter->flags))
            continue;
        if (object->mutator != thread)
            object->mutators++;
        object->mutator = thread;
    }
}

void watched_finish(struct model *model)
{
    for (size_t i = 0; i < model->process_count; i++) {
        const struct model_process *process = &model->processes[i];
        for (size_t j = 0; j < process->thread_count; j++)
            thread_take(model, &process->threads[j]);
    }
    for (size_t i = 0; i < watched_count(&model->watched); i++) {
        struct watched_object *object = &model->watched.objects[i];
        if (object->mutators < object->locks.count) /* counters of ended threads may have been folded together */
            object->mutators = object->locks.count;
        if (object->threads < object->mutators)
            object->threads = object->mutators;
    }
    watched_windows_finish(&model->watched.windows);
}

void watched_free(struct watched_table *table)
{
    for (size_t i = 0; i < watched_count(table); i++) {
        watched_locks_free(&table->objects[i].locks);
        free(table->objects[i].uses);
        free(table->objects[i].pairs);
    }
    watched_windows_free(&table->windows);
    profile_index_free(&table->index);
    free(table->objects);
}

/* The recorder's table of pairs is small and only told now and then; its count of all is exact. */
uint64_t watched_overlaps(const struct watched_object *object)
{
    uint64_t count = 0;
    for (size_t i = 0; i < object->pair_count; i++) {
        if (object->pairs[i].writes)
            count += object->pairs[i].count;
    }
    return count > 0 && object->found_inside > count ? object->found_inside : count;
}

static bool pair_looks_up(const struct watched_object *object, const struct watched_pair *pair)
{
    return is_lookup(watched_method(object->process, pair->method)) ||
           is_lookup(watched_method(object->process, pair->other));
}

const struct watched_pair *watched_pair_heaviest(const struct watched_object *object)
{
    const struct watched_pair *best = NULL;
    for (size_t i = 0; i < object->pair_count; i++) {
        const struct watched_pair *pair = &object->pairs[i];
        if (!pair->writes)
            continue;
        bool worse = best && pair_looks_up(object, pair) > pair_looks_up(object, best);
        bool better = best && pair_looks_up(object, pair) < pair_looks_up(object, best);
        if (!best || better || (!worse && pair->count > best->count))
            best = pair;
    }
    return best;
}
