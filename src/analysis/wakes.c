/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/wakes.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/merge.h"

struct wake_open {
    const struct model_process *process; /* the kernel's side of the waiting thread's */
    uint32_t tid;
    uint64_t begin_ns;
    size_t row;
    double ns;
};

struct open_search {
    const struct wakes *wakes;
    const struct model_process *process;
    uint32_t tid;
};

/* Thread ids mean the same in all processes of one boot. */
static bool open_equal(const void *context, uint32_t item)
{
    const struct open_search *search = context;
    const struct wake_open *open = &search->wakes->open[item];
    return open->tid == search->tid &&
           strcmp(open->process->source->info->boot_id, search->process->source->info->boot_id) == 0;
}

void wakes_wait(struct wakes *wakes, const struct merged *merged, size_t row, double ns)
{
    struct open_search search = {wakes, merged->kernel, merged->offcpu->tid};
    bool added;
    uint32_t item =
        profile_index_put(&wakes->index, profile_hash(PROFILE_HASH_START, search.tid), open_equal, &search, &added);
    if (added)
        wakes->open = memory_grow(wakes->open, item, &wakes->capacity, sizeof(*wakes->open));
    wakes->open[item] =
        (struct wake_open){merged->kernel, merged->offcpu->tid, merged->offcpu->header.time_ns, row, ns};
}

void wakes_vote(struct wait_waker *waker, const struct model_process *process, uint32_t stack, double ns)
{
    if (waker->stack == stack && waker->process == process) {
        waker->stack_ns += ns;
        return;
    }
    waker->stack_ns -= ns;
    if (waker->stack_ns >= 0)
        return;
    waker->process = process;
    waker->stack = stack;
    waker->stack_ns = -waker->stack_ns;
}

void wakes_end(struct wakes *wakes, struct wait_table *table, const struct model_process *process,
               const struct event_wake *event)
{
    struct open_search search = {wakes, process, event->wait_tid};
    uint32_t item =
        profile_index_find(&wakes->index, profile_hash(PROFILE_HASH_START, search.tid), open_equal, &search);
    const struct wake_open *open = item == UINT32_MAX ? NULL : &wakes->open[item];
    if (!open || open->begin_ns != event->wait_ns || event->stack == 0)
        return;
    struct wait_kernel *kernel = &table->rows[open->row].kernel;
    for (size_t i = 0; i < WAIT_WAKERS; i++)
        if (kernel->wakers[i].tid == event->tid && kernel->wakers[i].ns > 0)
            wakes_vote(&kernel->wakers[i], process, event->stack, open->ns);
}

void wakes_free(struct wakes *wakes)
{
    profile_index_free(&wakes->index);
    free(wakes->open);
}
