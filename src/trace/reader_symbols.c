/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Functions that were named when they were recorded. Generated code is replaced by other code at the same place. */
#include "trace/reader_private.h"

#include <errno.h>
#include <stdlib.h>

/* More symbols than this before an address are not looked at: a bound for damaged files. */
#define BACK_MAX 1024

static int symbol_compare(const void *a, const void *b)
{
    const struct trace_symbol *x = a, *y = b;
    int by_start = number_compare(x->start, y->start);
    return by_start ? by_start : number_compare(x->loaded, y->loaded);
}

int symbols_finish(struct trace *t)
{
    const struct trace_symbol *s = t->symbols.items;
    uint64_t reach = 0;
    if (t->symbols.count)
        qsort(t->symbols.items, t->symbols.count, sizeof(*s), symbol_compare);
    for (size_t i = 0; i < t->symbols.count; i++) {
        uint64_t *item = reader_list_add(&t->symbol_reach, sizeof(*item));
        if (!item)
            return -ENOMEM;
        reach = s[i].end > reach ? s[i].end : reach;
        *item = reach;
    }
    return 0;
}

const struct trace_symbol *trace_symbol_find(const struct trace *t, uint64_t pc, uint32_t generation)
{
    const struct trace_symbol *s = t->symbols.items, *best = NULL;
    const uint64_t *reach = t->symbol_reach.items;
    size_t low = 0, high = t->symbols.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s[middle].start <= pc)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t back = 0; low > 0 && back < BACK_MAX && reach[low - 1] > pc; back++, low--)
        if (pc < s[low - 1].end && s[low - 1].loaded <= generation && (!best || s[low - 1].loaded > best->loaded))
            best = &s[low - 1];
    return best;
}
