/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/waits.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/arena.h"
#include "analysis/model.h"

#define KEY_FLAGS (WAIT_WAITSET | WAIT_SERVER_SIDE | WAIT_GIL_HELD)
#define WEIGHT_MAX 1e9
#define COUNTER_FLAGS (WAIT_WAITSET | WAIT_SERVER_SIDE) /* the exact counters are not kept by interpreter lock */

/* Finalizer of MurmurHash3 (Appleby, public domain): spreads every input bit. */
static uint64_t hash_mix(uint64_t h)
{
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ (h >> 33);
}

static uint64_t row_hash(const struct wait_row *row)
{
    uint64_t h = hash_mix((uintptr_t)row->thread ^ (uint64_t)row->stack << 32);
    h = hash_mix(h ^ row->endpoint ^ (uint64_t)row->call << 32 ^ (uint64_t)row->flags << 48);
    return hash_mix(hash_mix(h ^ (uint64_t)row->phase) ^ row->context.operation ^ (uint64_t)row->context.serving << 32);
}

static bool row_equal(const struct wait_row *a, const struct wait_row *b)
{
    return a->thread == b->thread && a->stack == b->stack && a->endpoint == b->endpoint && a->call == b->call &&
           a->flags == b->flags && a->phase == b->phase && a->context.operation == b->context.operation &&
           a->context.serving == b->context.serving;
}

static void index_place(struct wait_table *table, size_t row)
{
    size_t mask = table->index_size - 1, i = row_hash(&table->rows[row]) & mask;
    while (table->index[i])
        i = (i + 1) & mask;
    table->index[i] = (uint32_t)row + 1;
}

static void index_grow(struct wait_table *table)
{
    table->index_size = table->index_size ? table->index_size * 2 : 1024;
    free(table->index);
    table->index = memory_get(table->index_size, sizeof(*table->index));
    for (size_t i = 0; i < table->count; i++)
        index_place(table, i);
}

static struct wait_row *row_append(struct wait_table *table, const struct wait_row *key)
{
    table->rows = memory_grow(table->rows, table->count, &table->capacity, sizeof(*table->rows));
    table->rows[table->count] = *key;
    return &table->rows[table->count++];
}

static struct wait_row *row_get(struct wait_table *table, const struct wait_row *key)
{
    if (table->count * 2 >= table->index_size)
        index_grow(table);
    size_t mask = table->index_size - 1;
    for (size_t i = row_hash(key) & mask; table->index[i]; i = (i + 1) & mask) {
        struct wait_row *row = &table->rows[table->index[i] - 1];
        if (row_equal(row, key))
            return row;
    }
    struct wait_row *row = row_append(table, key);
    index_place(table, table->count - 1);
    return row;
}

/* A wait stands at least for itself. Less, no number at all or more than WEIGHT_MAX cannot come from a sound recorder.
 */
double wait_weight(const struct event_wait *wait)
{
    if (!(wait->weight >= 1))
        return 1;
    return wait->weight < WEIGHT_MAX ? (double)wait->weight : WEIGHT_MAX;
}

static struct wait_row *row_of_sample(struct wait_table *table, const struct wait_sample *sample)
{
    const struct event_wait *wait = sample->event;
    struct wait_row key = {.thread = sample->thread,
                           .process = sample->process,
                           .endpoint = wait->endpoint,
                           .stack = wait->stack,
                           .call = wait->call,
                           .flags = wait->flags & KEY_FLAGS,
                           .phase = sample->phase,
                           .context = sample->context,
                           .first_ns = wait->header.time_ns};
    return row_get(table, &key);
}

void waits_add(struct wait_table *table, const struct wait_sample *sample)
{
    const struct event_wait *wait = sample->event;
    struct wait_row *row = row_of_sample(table, sample);
    double weight = sample->weight;
    uint64_t end = wait->header.time_ns + wait->duration_ns;
    row->samples++;
    if (wait->result > row->result_max)
        row->result_max = wait->result;
    row->count += weight;
    row->total_ns += weight * (double)wait->duration_ns;
    if (wait->duration_ns >= table->long_limit_ns) {
        row->long_count += weight;
        row->long_ns += weight * (double)wait->duration_ns;
    }
    histogram_add(&row->histogram, wait->duration_ns, weight);
    if (wait->duration_ns > row->max_ns) {
        row->max_ns = wait->duration_ns;
        row->max_at_ns = wait->header.time_ns;
    }
    if (end > row->last_ns)
        row->last_ns = end;
}

static void waker_add(struct wait_kernel *kernel, const struct event_offcpu *event, double ns)
{
    uint16_t flags = event->flags & (OFFCPU_FLAG_WAKER_IRQ | OFFCPU_FLAG_WAKER_SOFTIRQ);
    struct wait_waker *least = &kernel->wakers[0];
    for (size_t i = 0; i < WAIT_WAKERS; i++) {
        struct wait_waker *waker = &kernel->wakers[i];
        if (waker->ns > 0 && waker->tid == event->waker && waker->flags == flags) {
            waker->ns += ns;
            return;
        }
        if (waker->ns < least->ns)
            least = waker;
    }
    if (ns > least->ns)
        *least = (struct wait_waker){.tid = event->waker, .flags = flags, .ns = ns};
}

size_t waits_add_kernel(struct wait_table *table, const struct wait_sample *sample, const struct event_offcpu *event,
                        double weight)
{
    const struct wait_row *row = row_of_sample(table, sample);
    size_t number = (size_t)(row - table->rows);
    struct wait_kernel *kernel = &table->rows[number].kernel;
    double both = sample->weight * weight;
    kernel->seen_ns += both * (double)(event->duration_ns + event->runqueue_ns);
    kernel->runqueue_ns += both * (double)event->runqueue_ns;
    if (event->flags & OFFCPU_FLAG_UNFINISHED)
        kernel->unfinished += both;
    else
        waker_add(kernel, event, both * (double)event->duration_ns);
    return number;
}

static int counter_key_compare(const struct wait_row *a, const struct wait_row *b)
{
    if (a->thread != b->thread)
        return a->thread->ordinal < b->thread->ordinal ? -1 : 1;
    if (a->call != b->call)
        return a->call < b->call ? -1 : 1;
    if (a->counted_as != b->counted_as)
        return a->counted_as < b->counted_as ? -1 : 1;
    return (a->flags & COUNTER_FLAGS) - (b->flags & COUNTER_FLAGS);
}

static int row_compare(const void *left, const void *right)
{
    const struct wait_row *a = left, *b = right;
    int order = counter_key_compare(a, b);
    if (order)
        return order;
    if (a->stack != b->stack)
        return a->stack < b->stack ? -1 : 1;
    if (a->endpoint != b->endpoint)
        return a->endpoint < b->endpoint ? -1 : 1;
    if (a->phase != b->phase)
        return a->phase < b->phase ? -1 : 1;
    if (a->context.operation != b->context.operation)
        return a->context.operation < b->context.operation ? -1 : 1;
    if (a->context.serving != b->context.serving)
        return a->context.serving < b->context.serving ? -1 : 1;
    return a->flags - b->flags;
}

static bool counter_is_for(const struct trace_counter *counter, const struct wait_row *row, uint32_t endpoint)
{
    return counter->endpoint == endpoint && counter->call == row->call &&
           (counter->flags & COUNTER_FLAGS) == (row->flags & COUNTER_FLAGS);
}

/* A thread whose counters are full adds up what it waits for anew under ENDPOINT_OVERFLOW. */
static uint32_t row_counter(const struct wait_row *row)
{
    const struct trace_thread *thread = row->thread->source;
    uint32_t counted_as = row->endpoint;
    for (size_t i = 0; i < thread->counter_count; i++) {
        if (counter_is_for(&thread->counters[i], row, row->endpoint))
            return row->endpoint;
        if (counter_is_for(&thread->counters[i], row, ENDPOINT_OVERFLOW))
            counted_as = ENDPOINT_OVERFLOW;
    }
    return counted_as;
}

void waits_sort(struct wait_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        table->rows[i].counted_as = row_counter(&table->rows[i]);
    if (table->count > 0)
        qsort(table->rows, table->count, sizeof(*table->rows), row_compare);
    free(table->index);
    table->index = NULL;
    table->index_size = 0;
    table->sorted = table->count;
}

/* Rows [return value, *end) that belong to the counter's key. */
static size_t rows_of_counter(const struct wait_table *table, const struct wait_row *key, size_t *end)
{
    size_t low = 0, high = table->sorted;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (counter_key_compare(&table->rows[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (*end = low; *end < table->sorted && counter_key_compare(&table->rows[*end], key) == 0; ++*end)
        continue;
    return low;
}

/* A counter that begins and ends in one phase leaves no doubt; else the rows' own samples tell. */
static void phase_settle(struct wait_row *row, const struct trace_counter *counter)
{
    enum wait_phase first = thread_phase(row->thread, counter->first_ns);
    if (first == PHASE_AFTER || (counter->last_ns > 0 && thread_phase(row->thread, counter->last_ns - 1) == first))
        row->phase = first;
}

static void row_scale(struct wait_row *row, double count_factor, double time_factor)
{
    row->count *= count_factor;
    row->total_ns *= time_factor;
}

/* Samples without a stack only say that there was time; where others of the same counter have one, those speak for it.
 */
static void rows_calibrate(struct wait_row *rows, size_t count, const struct trace_counter *counter)
{
    double total = 0, waits = 0;
    struct wait_row *heaviest = &rows[0];
    bool stacks = rows[count - 1].stack != 0; /* sorted by stack: none first */
    for (size_t i = 0; i < count; i++) {
        if (stacks && rows[i].stack == 0) {
            row_scale(&rows[i], 0, 0);
            rows[i].long_count = rows[i].long_ns = 0;
            rows[i].max_ns = 0;
            continue;
        }
        total += rows[i].total_ns;
        waits += rows[i].count;
        if (rows[i].total_ns >= heaviest->total_ns)
            heaviest = &rows[i];
    }
    for (size_t i = 0; i < count; i++) {
        row_scale(&rows[i], waits > 0 ? (double)counter->count / waits : 0,
                  total > 0 ? (double)counter->total_ns / total : 0);
        phase_settle(&rows[i], counter);
    }
    if (count == 1) {
        rows[0].first_ns = counter->first_ns;
        rows[0].last_ns = counter->last_ns;
    }
    if (counter->max_ns > heaviest->max_ns) {
        bool recorded = false;
        for (size_t i = 0; i < count; i++)
            recorded |= rows[i].max_ns >= counter->max_ns;
        if (!recorded) { /* its record was overwritten since */
            heaviest->max_ns = counter->max_ns;
            heaviest->max_at_ns = 0;
        }
    }
}

static void counter_row_add(struct wait_table *table, const struct wait_row *key, const struct trace_counter *counter)
{
    struct wait_row *row = row_append(table, key);
    row->count = (double)counter->count;
    row->total_ns = (double)counter->total_ns;
    row->max_ns = counter->max_ns;
    row->first_ns = counter->first_ns;
    row->last_ns = counter->last_ns;
    row->phase = PHASE_LOOP;
    if (counter->max_ns >= table->long_limit_ns) {
        row->long_count = 1;
        row->long_ns = (double)counter->max_ns;
    }
    phase_settle(row, counter);
}

static bool counter_is_idle(const struct trace_counter *counter, const struct model_thread *thread)
{
    return (counter->flags & WAIT_WAITSET) && thread_owns_site(thread, counter->endpoint);
}

static void counter_calibrate(struct wait_table *table, struct model_thread *thread,
                              const struct trace_counter *counter)
{
    struct wait_row key = {.thread = thread,
                           .process = thread->process,
                           .endpoint = counter->endpoint,
                           .counted_as = counter->endpoint,
                           .call = counter->call,
                           .flags = counter->flags & COUNTER_FLAGS};
    size_t end, begin = rows_of_counter(table, &key, &end);
    if (begin < end)
        rows_calibrate(&table->rows[begin], end - begin, counter);
    else
        counter_row_add(table, &key, counter);
}

static void counters_calibrate(struct wait_table *table, struct model_thread *thread, bool idle)
{
    for (size_t i = 0; i < thread->source->counter_count; i++) {
        const struct trace_counter *counter = &thread->source->counters[i];
        if (trace_call_waits(counter->call) && counter_is_idle(counter, thread) == idle)
            counter_calibrate(table, thread, counter);
    }
}

void waits_calibrate(struct wait_table *table, struct model_thread *thread)
{
    counters_calibrate(table, thread, false);
}

void waits_calibrate_idle(struct wait_table *table, struct model_thread *thread)
{
    counters_calibrate(table, thread, true);
}

void waits_free(struct wait_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        histogram_free(&table->rows[i].histogram);
    free(table->rows);
    free(table->index);
    *table = (struct wait_table){.long_limit_ns = table->long_limit_ns};
}
