/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/watched_windows.h"

#include <stdlib.h>

#include "analysis/arena.h"

#define KEPT_MAX 1000000 /* 40 MB */

/* Half of the windows go. */
static void thin_out(struct watched_windows *windows)
{
    size_t kept = 0;
    windows->stride = windows->stride ? 2 * windows->stride : 2;
    for (size_t i = 0; i < windows->count; i++) {
        if (windows->list[i].window % windows->stride == 0)
            windows->list[kept++] = windows->list[i];
    }
    windows->count = kept;
}

static uint32_t fiber_hash(uint64_t fiber)
{
    return (uint32_t)((fiber * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

void watched_windows_add(struct watched_windows *windows, uint32_t object, const struct event_mutate *event)
{
    if (!event->window)
        return;
    if (windows->count >= KEPT_MAX && windows->stride < UINT32_MAX / 2)
        thin_out(windows);
    if (windows->count >= 2 * KEPT_MAX || (windows->stride && event->window % windows->stride != 0))
        return;
    windows->list = memory_grow(windows->list, windows->count, &windows->capacity, sizeof(*windows->list));
    windows->list[windows->count++] = (struct watched_operation){
        .begin_ns = event->header.time_ns,
        .duration_ns = event->duration_ns < UINT32_MAX ? (uint32_t)event->duration_ns : UINT32_MAX,
        .object = object,
        .window = event->window,
        .tid = event->tid,
        .fiber = fiber_hash(event->fiber),
        .writes = event->flags & MUTATE_WRITE,
        .met = event->inside > 0};
}

static int operation_compare(const void *left, const void *right)
{
    const struct watched_operation *a = left, *b = right;
    if (a->object != b->object)
        return a->object < b->object ? -1 : 1;
    if (a->window != b->window)
        return a->window < b->window ? -1 : 1;
    return a->begin_ns < b->begin_ns ? -1 : a->begin_ns > b->begin_ns;
}

void watched_windows_finish(struct watched_windows *windows)
{
    if (windows->count > 0)
        qsort(windows->list, windows->count, sizeof(*windows->list), operation_compare);
}

void watched_windows_free(struct watched_windows *windows)
{
    free(windows->list);
}

static size_t object_first(const struct watched_windows *windows, uint32_t object)
{
    size_t low = 0, high = windows->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (windows->list[middle].object < object)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t watched_windows_met(const struct watched_windows *windows, uint32_t object)
{
    uint64_t met = 0;
    for (size_t i = object_first(windows, object); i < windows->count && windows->list[i].object == object; i++)
        met += windows->list[i].met;
    return met;
}

/* The operations of one window, those of an interpreter split. The caller frees them. */
static struct replay_operation *window_operations(const struct watched_operation *list, size_t count, bool interpreter)
{
    struct replay_operation *operations = memory_get(count, sizeof(*operations));
    for (size_t i = 0; i < count; i++)
        operations[i] = (struct replay_operation){.begin_ns = list[i].begin_ns,
                                                  .end_ns = list[i].begin_ns + list[i].duration_ns,
                                                  .thread = (uint64_t)list[i].tid << 32 | list[i].fiber,
                                                  .shared = !list[i].writes,
                                                  .run_ns = list[i].duration_ns};
    if (interpreter)
        replay_split(operations, count);
    return operations;
}

/* The next window of the object, from *position on: how many operations it has; 0: there is none. */
static size_t window_next(const struct watched_windows *windows, uint32_t object, size_t position)
{
    size_t end = position;
    while (end < windows->count && windows->list[end].object == object &&
           windows->list[end].window == windows->list[position].window)
        end++;
    return end - position;
}

struct watched_standing watched_windows_standing(const struct watched_windows *windows, uint32_t object)
{
    struct watched_standing standing = {0, 0};
    struct histogram others = {NULL, 0, 0};
    double stood = 0, all = 0;
    size_t count, position = object_first(windows, object);
    for (; (count = window_next(windows, object, position)) > 0; position += count) {
        struct replay_operation *operations = window_operations(windows->list + position, count, true);
        for (size_t i = 0; i < count; i++) {
            stood += operations[i].stood_ns > 0;
            if (operations[i].stood_ns == 0)
                histogram_add(&others, operations[i].run_ns, 1);
        }
        all += (double)count;
        free(operations);
    }
    standing.share = all > 0 ? stood / all : 0;
    standing.usual_ns = histogram_quantile(&others, 0.99);
    histogram_free(&others);
    return standing;
}

void watched_windows_replay(const struct watched_windows *windows, uint32_t object, const struct replay_setup *setup,
                            struct replay_result *result)
{
    size_t count, position = object_first(windows, object);
    for (; (count = window_next(windows, object, position)) > 0; position += count) {
        struct replay_operation *operations = window_operations(windows->list + position, count, setup->interpreter);
        replay_window(operations, count, setup, result);
        free(operations);
    }
}
