/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/locks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/lock_name.h"
#include "analysis/merge.h"
#include "analysis/model.h"
#include "analysis/place.h"
#include "analysis/round.h"

#define CONVOY_CONTENDED 0.5
#define CONVOY_QUEUE 2.0
#define CONVOY_TURNS 3.0
#define RUN_GAP_NS 1000000u /* between two waits for the interpreter lock that are one */

/* ---- the stream ---- */

struct row_key {
    const struct lock_table *table;
    const struct model_process *process;
    uint32_t id;
};

static bool row_equal(const void *context, uint32_t item)
{
    const struct row_key *key = context;
    const struct lock_row *row = &key->table->rows[item];
    return row->process == key->process && row->endpoint->id == key->id;
}

static uint64_t row_hash(const struct model_process *process, uint32_t id)
{
    return profile_hash(profile_hash(PROFILE_HASH_START, (uintptr_t)process), id);
}

static struct lock_row *row_get(struct lock_table *table, const struct model_process *process, uint32_t id)
{
    const struct trace_endpoint *endpoint = id < KERNEL_ENDPOINT ? trace_endpoint_find(process->trace, id) : NULL;
    struct row_key key = {table, process, id};
    size_t count = table->index.count;
    bool added;
    if (!endpoint || endpoint->kind != ENDPOINT_LOCK)
        return NULL;
    uint32_t item = profile_index_put(&table->index, row_hash(process, id), row_equal, &key, &added);
    if (added) {
        table->rows = memory_grow(table->rows, count, &table->capacity, sizeof(*table->rows));
        table->rows[item] = (struct lock_row){.process = process, .endpoint = endpoint, .kind = lock_kind_of(endpoint)};
    }
    return &table->rows[item];
}

const struct lock_row *locks_find(const struct lock_table *table, const struct model_process *process, uint32_t id)
{
    struct row_key key = {table, process, id};
    uint32_t item = profile_index_find(&table->index, row_hash(process, id), row_equal, &key);
    return item == UINT32_MAX ? NULL : &table->rows[item];
}

static void owner_add(struct lock_row *row, const struct model_thread *thread, uint32_t stack, double count, double ns,
                      uint64_t max_ns)
{
    struct lock_owner *owner = NULL;
    for (size_t i = 0; i < row->owner_count && !owner; i++) {
        if (row->owners[i].thread == thread && row->owners[i].stack == stack)
            owner = &row->owners[i];
    }
    if (!owner) {
        row->owners = memory_grow(row->owners, row->owner_count, &row->owner_capacity, sizeof(*row->owners));
        owner = &row->owners[row->owner_count++];
        *owner = (struct lock_owner){.thread = thread, .stack = stack};
    }
    owner->count += count;
    owner->ns += ns;
    if (max_ns > owner->max_ns)
        owner->max_ns = max_ns;
}

/* Interpreter lock: what it cost is told by the waits (wait_take), not by the last 5 ms of each. */
static void hold_take(struct model *model, struct model_process *process, const struct event_hold *hold)
{
    struct lock_row *row = row_get(&model->locks, process, hold->lock);
    double weight = hold->weight >= 1 && hold->weight < 1e9f ? (double)hold->weight : 1;
    if (!row)
        return;
    row->left = true;
    if (!(hold->flags & HOLD_CONTENDED)) {
        histogram_add(&row->holds, hold->duration_ns, weight);
        if (hold->duration_ns > row->hold_max_ns)
            row->hold_max_ns = hold->duration_ns;
        return;
    }
    histogram_add(&row->turns, hold->waited_ns, weight * (double)hold->waited_ns);
    row->queue_sum += weight * hold->waiters;
    row->queue_weight += weight;
    if (hold->waiters > row->queue_max)
        row->queue_max = hold->waiters;
    if (row->kind != LOCK_KIND_GIL)
        owner_add(row, model_thread_find(process, hold->slot, hold->tid), hold->stack, weight,
                  weight * (double)hold->waited_ns, hold->waited_ns);
}

static struct lock_run *run_of(struct lock_table *table, const struct model_thread *thread)
{
    if (thread->ordinal >= table->run_count) {
        size_t count = (thread->ordinal + 1) * 2;
        table->runs = memory_resize(table->runs, count, sizeof(*table->runs));
        memset(table->runs + table->run_count, 0, (count - table->run_count) * sizeof(*table->runs));
        table->run_count = count;
    }
    return &table->runs[thread->ordinal];
}

/* The owner that ends a run of waits for the interpreter lock had it during the whole run, or let others have it that
   did: the one who is known is charged. */
static void gil_take(struct model *model, struct lock_row *row, const struct wait_sample *wait)
{
    const struct event_wait *event = wait->event;
    struct lock_run *run = run_of(&model->locks, wait->thread);
    if (event->header.time_ns > run->end_ns + RUN_GAP_NS)
        run->ns = 0;
    run->ns += wait->weight * (double)event->duration_ns;
    run->end_ns = event->header.time_ns + event->duration_ns;
    if (run->ns > (double)row->hold_max_ns)
        row->hold_max_ns = round_whole(run->ns);
    if (!wait->context.owner_stack || (event->flags & WAIT_FAILED))
        return;
    owner_add(row, model_thread_at(wait->process, wait->context.owner, run->end_ns), wait->context.owner_stack,
              wait->weight, run->ns, round_whole(run->ns));
    run->ns = 0;
}

static void wait_take(struct model *model, const struct merged *merged)
{
    if (merged->kind != MERGED_WAIT || merged->idle || trace_call_category(merged->wait.event->call) != CALL_LOCK)
        return;
    struct lock_row *row = row_get(&model->locks, merged->wait.process, merged->wait.event->endpoint);
    if (row && row->kind == LOCK_KIND_GIL)
        gil_take(model, row, &merged->wait);
}

void lock_table_event(struct model *model, struct model_process *process, const union trace_event *event)
{
    if (event->header.type == EVENT_HOLD)
        hold_take(model, process, &event->hold);
    else if (event->header.type == EVENT_WAIT)
        wait_take(model, model->wait);
}

/* ---- afterwards ---- */

/* threading.Thread.join waits for a lock that the other thread has for as long as it lives (CPython 3.8 to 3.12). */
static bool stack_joins(const struct stack *stack)
{
    for (size_t i = 0; i < stack->count; i++) {
        const struct frame *frame = &stack->frames[i];
        if (frame->kind == FRAME_PYTHON)
            return strcmp(frame->module, "threading") == 0 && strstr(frame->function, "_wait_for_tstate_lock");
    }
    return false;
}

bool locks_joins(const struct model *model, const struct model_process *process, uint32_t lock, uint32_t stack)
{
    const struct trace_endpoint *endpoint = trace_endpoint_find(process->trace, lock);
    return endpoint && endpoint->kind == ENDPOINT_LOCK && lock_kind_of(endpoint) == LOCK_KIND_SEMAPHORE &&
           stack_joins(symbols_stack(model->symbols, process->trace, stack, 0));
}

const struct lock_row *locks_waited(const struct model *model, const struct wait_row *row)
{
    if (row->process->kernel || trace_call_category(row->call) != CALL_LOCK || row->count <= 0)
        return NULL;
    const struct lock_row *lock = locks_find(&model->locks, row->process, row->endpoint);
    if (!lock)
        return NULL;
    switch (lock->kind) {
    case LOCK_KIND_MUTEX:
    case LOCK_KIND_RWLOCK:
    case LOCK_KIND_SPIN:
    case LOCK_KIND_GIL:
        return lock;
    case LOCK_KIND_SEMAPHORE:
        return lock->left && !locks_joins(model, row->process, row->endpoint, row->stack) ? lock : NULL;
    default:
        return NULL;
    }
}

static void counters_take(struct model *model, const struct model_process *process)
{
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct trace_thread *thread = process->threads[i].source;
        for (size_t j = 0; j < thread->counter_count; j++) {
            const struct trace_counter *counter = &thread->counters[j];
            struct lock_row *row = NULL;
            if (trace_call_category(counter->call) == CALL_HOLD)
                row = row_get(&model->locks, process, counter->endpoint);
            if (!row)
                continue;
            row->left = true;
            row->acquisitions += (double)counter->count;
            row->held_ns += (double)counter->total_ns;
            row->users++;
            if (counter->max_ns > row->hold_max_ns)
                row->hold_max_ns = counter->max_ns;
        }
    }
}

static bool thread_holds(const struct model_thread *thread, uint32_t lock)
{
    for (size_t i = 0; i < thread->source->counter_count; i++) {
        const struct trace_counter *counter = &thread->source->counters[i];
        if (counter->endpoint == lock && trace_call_category(counter->call) == CALL_HOLD)
            return true;
    }
    return false;
}

static void waits_take(struct model *model)
{
    const struct wait_row *last = NULL; /* rows of one thread and lock stand together */
    for (size_t i = 0; i < model->waits.count; i++) {
        const struct wait_row *wait = &model->waits.rows[i];
        if (trace_call_category(wait->call) != CALL_LOCK || wait->process->kernel)
            continue;
        struct lock_row *row = row_get(&model->locks, wait->process, wait->endpoint);
        if (!row || !locks_waited(model, wait))
            continue;
        bool again = last && last->thread == wait->thread && last->endpoint == wait->endpoint;
        row->users += !again && !thread_holds(wait->thread, wait->endpoint);
        last = wait;
        row->contended += wait->count;
        row->wait_ns += wait->total_ns;
        histogram_merge(&row->waits, &wait->histogram, 1);
        if (wait->max_ns > row->wait_max_ns)
            row->wait_max_ns = wait->max_ns;
    }
}

static const struct lock_owner *owner_heaviest(const struct lock_row *row)
{
    const struct lock_owner *best = NULL;
    for (size_t i = 0; i < row->owner_count; i++) {
        if (!best || row->owners[i].ns > best->ns)
            best = &row->owners[i];
    }
    return best;
}

struct named_row {
    struct lock_row *row;
    const char *name;
};

static int named_compare(const void *left, const void *right)
{
    const struct named_row *a = left, *b = right;
    if (a->row->process != b->row->process)
        return a->row->process < b->row->process ? -1 : 1;
    int order = strcmp(a->name, b->name);
    return order ? order : a->row < b->row ? -1 : a->row > b->row;
}

static uint64_t quantile_of(const struct histogram *histogram, double quantile, uint64_t max_ns)
{
    uint64_t value = histogram_quantile(histogram, quantile);
    return value < max_ns ? value : max_ns;
}

static void class_fill(struct lock_class *class)
{
    struct histogram holds = {0}, waits = {0}, turns = {0};
    double queue = 0, weight = 0;
    for (size_t i = 0; i < class->row_count; i++) {
        const struct lock_row *row = class->rows[i];
        class->acquisitions += row->acquisitions;
        class->held_ns += row->held_ns;
        class->contended += row->contended;
        class->wait_ns += row->wait_ns;
        class->wait_max_ns = row->wait_max_ns > class->wait_max_ns ? row->wait_max_ns : class->wait_max_ns;
        class->hold_max_ns = row->hold_max_ns > class->hold_max_ns ? row->hold_max_ns : class->hold_max_ns;
        class->queue_max = row->queue_max > class->queue_max ? row->queue_max : class->queue_max;
        class->users = row->users > class->users ? row->users : class->users;
        queue += row->queue_sum;
        weight += row->queue_weight;
        histogram_merge(&holds, &row->holds, 1);
        histogram_merge(&waits, &row->waits, 1);
        histogram_merge(&turns, &row->turns, 1);
    }
    /* Each contended acquisition was one, whatever the estimate says. */
    if (class->acquisitions < class->contended)
        class->acquisitions = class->contended;
    class->queue_mean = weight > 0 ? queue / weight : 0;
    class->wait_p99_ns = quantile_of(&waits, 0.99, class->wait_max_ns);
    class->hold_p50_ns = quantile_of(&holds, 0.5, class->hold_max_ns);
    class->hold_p99_ns = quantile_of(&holds, 0.99, class->hold_max_ns);
    class->turn_ns = histogram_quantile(&turns, 0.5);
    histogram_free(&holds);
    histogram_free(&waits);
    histogram_free(&turns);
}

bool locks_convoy(const struct lock_class *class)
{
    return class->contended > 0 && class->turn_ns > 0 && class->rows[0]->kind != LOCK_KIND_GIL &&
           class->queue_mean >= CONVOY_QUEUE && class->contended >= CONVOY_CONTENDED * class->acquisitions &&
           class->wait_ns / class->contended >= CONVOY_TURNS * (double)class->turn_ns;
}

static int class_compare(const void *left, const void *right)
{
    const struct lock_class *a = left, *b = right;
    if (a->wait_ns != b->wait_ns)
        return a->wait_ns > b->wait_ns ? -1 : 1;
    if (a->acquisitions != b->acquisitions)
        return a->acquisitions > b->acquisitions ? -1 : 1;
    if (a->process != b->process)
        return a->process < b->process ? -1 : 1;
    return strcmp(a->name, b->name);
}

static uint64_t class_id(const struct lock_class *class)
{
    char text[512];
    if (strstr(class->name, " 0x"))
        return 0;
    const char *line = strstr(class->name, " (");
    size_t length = line ? (size_t)(line - class->name) : strlen(class->name);
    snprintf(text, sizeof(text), "%.*s", (int)length, class->name);
    return place_hash_text(place_hash_text(PLACE_HASH_START, text), class->process->program);
}

static void classes_make(struct model *model, const struct named_row *named, size_t count)
{
    struct lock_table *table = &model->locks;
    struct lock_row **rows = arena_get(model->arena, count * sizeof(void *));
    struct lock_class *classes = arena_get(model->arena, (count + 1) * sizeof(*classes));
    table->classes = classes;
    for (size_t i = 0; i < count; i++) {
        struct lock_class *last = &classes[table->class_count];
        rows[i] = named[i].row;
        if (i == 0 || last[-1].process != named[i].row->process || strcmp(last[-1].name, named[i].name) != 0) {
            *last = (struct lock_class){.process = named[i].row->process,
                                        .name = named[i].name,
                                        .kind = lock_kind_name(named[i].row->kind),
                                        .rows = &rows[i]};
            last->id = class_id(last);
            table->class_count++;
        }
        classes[table->class_count - 1].row_count++;
    }
    for (size_t i = 0; i < table->class_count; i++)
        class_fill(&table->classes[i]);
    if (table->class_count > 0)
        qsort(table->classes, table->class_count, sizeof(*table->classes), class_compare);
    for (size_t i = 0; i < table->class_count; i++) {
        for (size_t j = 0; j < table->classes[i].row_count; j++)
            table->classes[i].rows[j]->class = (uint32_t)i;
    }
}

/* The mutex inside CPython's interpreter lock (Python/ceval_gil.h): who waits for it waits for that lock. How long it
   is held itself says nothing. */
static bool row_is_gil_mutex(const struct lock_row *row, const char *name)
{
    return row->kind == LOCK_KIND_MUTEX && strncmp(name, "_PyRuntime+", 11) == 0;
}

static const char *gil_mutex_join(struct lock_row *row)
{
    row->kind = LOCK_KIND_GIL;
    row->acquisitions = row->held_ns = row->queue_sum = row->queue_weight = 0;
    row->queue_max = 0;
    row->hold_max_ns = 0;
    histogram_free(&row->holds);
    row->holds = (struct histogram){NULL, 0, 0};
    return "GIL";
}

void lock_table_finish(struct model *model)
{
    struct lock_table *table = &model->locks;
    for (size_t i = 0; i < model->process_count; i++)
        counters_take(model, &model->processes[i]);
    waits_take(model);
    size_t count = table->index.count;
    struct named_row *named = memory_get(count + 1, sizeof(*named));
    for (size_t i = 0; i < count; i++) {
        struct lock_row *row = &table->rows[i];
        const struct lock_owner *owner = owner_heaviest(row);
        named[i] = (struct named_row){row, lock_name(model, row->process, row->endpoint, owner ? owner->stack : 0)};
        if (row_is_gil_mutex(row, named[i].name))
            named[i].name = gil_mutex_join(row);
    }
    if (count > 0)
        qsort(named, count, sizeof(*named), named_compare);
    classes_make(model, named, count);
    free(named);
}

const struct lock_class *locks_class(const struct lock_table *table, const struct lock_row *row)
{
    return &table->classes[row->class];
}

void lock_table_free(struct lock_table *table)
{
    for (size_t i = 0; i < table->index.count; i++) {
        free(table->rows[i].owners);
        histogram_free(&table->rows[i].holds);
        histogram_free(&table->rows[i].waits);
        histogram_free(&table->rows[i].turns);
    }
    free(table->rows);
    free(table->runs);
    profile_index_free(&table->index);
    *table = (struct lock_table){.rows = NULL};
}
