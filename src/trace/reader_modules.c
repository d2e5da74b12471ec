/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which file was mapped at an address when a stack was taken: libraries are loaded and unloaded, and addresses reused.
 */
#include "trace/reader_private.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Modules that overlap an address without having been mapped at once begin at different addresses only where libraries
 * of different size took turns. More starts than this before the address are not looked at: a bound for damaged files.
 */
#define STARTS_MAX 256

static int module_compare(const void *a, const void *b)
{
    const struct trace_module *x = a, *y = b;
    int by_start = number_compare(x->start, y->start);
    return by_start ? by_start : number_compare(x->loaded, y->loaded);
}

/* Number of modules that sort before or at (start, loaded). */
static size_t modules_up_to(const struct trace *t, uint64_t start, uint32_t loaded)
{
    const struct trace_module *m = t->modules.items;
    const struct trace_module key = {.start = start, .loaded = loaded};
    size_t low = 0, high = t->modules.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (module_compare(&m[middle], &key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* What was mapped later at the same start has replaced the earlier module, whether its UNLOAD was recorded or not. */
static void modules_end_replaced(struct trace *t)
{
    struct trace_module *m = t->modules.items;
    for (size_t i = 0; i + 1 < t->modules.count; i++)
        if (m[i].start == m[i + 1].start)
            m[i].unloaded = m[i + 1].loaded;
}

static void modules_apply_unloads(struct trace *t)
{
    struct trace_module *m = t->modules.items;
    const struct unload *u = t->unloads.items;
    for (size_t i = 0; i < t->unloads.count; i++) {
        /* Loaded before: at the same generation it is the next one, which took the place. */
        size_t n = u[i].unloaded ? modules_up_to(t, u[i].start, u[i].unloaded - 1) : 0;
        if (n && m[n - 1].start == u[i].start && m[n - 1].unloaded > u[i].unloaded)
            m[n - 1].unloaded = u[i].unloaded;
    }
}

int modules_finish(struct trace *t)
{
    const struct trace_module *m = t->modules.items;
    if (t->modules.count)
        qsort(t->modules.items, t->modules.count, sizeof(*m), module_compare);
    modules_end_replaced(t);
    modules_apply_unloads(t);
    reader_list_free(&t->unloads);

    uint64_t reach = 0;
    for (size_t i = 0; i < t->modules.count; i++) {
        uint64_t *item = reader_list_add(&t->module_reach, sizeof(*item));
        if (!item)
            return -ENOMEM;
        reach = m[i].end > reach ? m[i].end : reach;
        *item = reach;
    }
    return 0;
}

size_t trace_module_count(const struct trace *t)
{
    return t->modules.count;
}

const struct trace_module *trace_module_at(const struct trace *t, size_t i)
{
    const struct trace_module *all = t->modules.items;
    return i < t->modules.count ? &all[i] : NULL;
}

const struct trace_module *trace_module_find(const struct trace *t, uint64_t pc, uint32_t generation)
{
    const struct trace_module *m = t->modules.items;
    const uint64_t *reach = t->module_reach.items;
    uint64_t start = pc;
    for (int starts = 0; starts < STARTS_MAX; starts++) {
        size_t n = modules_up_to(t, start, UINT32_MAX);
        if (!n || reach[n - 1] <= pc)
            return NULL;
        start = m[n - 1].start;
        n = modules_up_to(t, start, generation);
        if (n && m[n - 1].start == start && generation < m[n - 1].unloaded && pc < m[n - 1].end)
            return &m[n - 1];
        if (start == 0)
            return NULL;
        start--;
    }
    return NULL;
}
