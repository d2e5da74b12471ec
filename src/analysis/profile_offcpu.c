/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/profile_offcpu.h"

#include "analysis/waker.h"

#include <stdlib.h>
#include <string.h>

#define WAKER_FLAGS (OFFCPU_FLAG_UNFINISHED | OFFCPU_FLAG_WAKER_IRQ | OFFCPU_FLAG_WAKER_SOFTIRQ)

void profile_offcpu_free(struct profile_offcpu *offcpu)
{
    for (size_t i = 0; i < offcpu->count; i++)
        free(offcpu->rows[i].slices.list);
    free(offcpu->rows);
    free(offcpu->open);
    profile_index_free(&offcpu->index);
    profile_index_free(&offcpu->open_index);
}

struct row_search {
    const struct profile_offcpu *offcpu;
    struct offcpu_row row;
};

static bool row_equal(const void *context, uint32_t item)
{
    const struct row_search *search = context;
    const struct offcpu_row *a = &search->row, *b = &search->offcpu->rows[item];
    return a->part == b->part && a->thread == b->thread && a->kernel == b->kernel && a->stack == b->stack &&
           a->inside == b->inside && a->inside_stack == b->inside_stack && a->inside_call == b->inside_call &&
           a->syscall == b->syscall && a->cause == b->cause && a->waker == b->waker && a->flags == b->flags &&
           a->waking == b->waking && a->waking_stack == b->waking_stack;
}

static uint64_t row_hash(const struct offcpu_row *row)
{
    uint64_t hash = profile_hash(PROFILE_HASH_START, (uintptr_t)row->thread);
    hash = profile_hash(hash, (uint64_t)row->stack << 32 | row->waker);
    hash = profile_hash(hash, row->waking_stack);
    hash = profile_hash(hash, (uint64_t)row->inside_stack << 32 | (uint64_t)row->inside_call << 8 | row->part);
    return profile_hash(hash, (uint64_t)row->syscall << 32 | (uint64_t)row->cause << 16 | row->flags);
}

static struct offcpu_row *row_get(struct profile_offcpu *offcpu, const struct offcpu_row *key)
{
    struct row_search search = {offcpu, *key};
    bool added;
    uint32_t item = profile_index_put(&offcpu->index, row_hash(key), row_equal, &search, &added);
    if (added) {
        offcpu->rows = memory_grow(offcpu->rows, item, &offcpu->capacity, sizeof(*offcpu->rows));
        offcpu->rows[item] = *key;
        offcpu->count++;
    }
    return &offcpu->rows[item];
}

/* Adds a stretch of the wait, `from` after its begin, to the row. */
static void stretch_add(struct profile_offcpu *offcpu, const struct offcpu_row *key, const struct merged *merged,
                        uint64_t from, uint64_t duration_ns)
{
    double total_ns = merged->weight * (double)duration_ns;
    uint64_t begin = merged->offcpu->header.time_ns + from;
    if (duration_ns == 0)
        return;
    struct offcpu_row *row = row_get(offcpu, key);
    row->count += merged->weight;
    row->total_ns += total_ns;
    profile_times_range(offcpu->times, merged->sleeper, begin, begin + duration_ns, total_ns, &row->slices);
}

/* ---- wakers ---- */

/* A wait whose waker's stack may still come. */
struct open_wakeup {
    const struct model_process *process; /* of the waiting thread */
    struct offcpu_row key;
    struct event_offcpu event;
    struct merged merged; /* its `offcpu` is not valid */
    bool taken;           /* it is in a row */
};

struct open_search {
    const struct profile_offcpu *offcpu;
    const struct model_process *process;
    uint32_t tid;
};

/* Thread ids mean the same in all processes of one boot. */
static bool open_equal(const void *context, uint32_t item)
{
    const struct open_search *search = context;
    const struct open_wakeup *open = &search->offcpu->open[item];
    return open->event.tid == search->tid &&
           strcmp(open->process->source->info->boot_id, search->process->source->info->boot_id) == 0;
}

static void open_take(struct profile_offcpu *offcpu, struct open_wakeup *open)
{
    if (open->taken)
        return;
    open->taken = true;
    open->merged.offcpu = &open->event;
    stretch_add(offcpu, &open->key, &open->merged, 0, open->event.duration_ns);
}

static void open_add(struct profile_offcpu *offcpu, const struct offcpu_row *key, const struct merged *merged)
{
    struct open_search search = {offcpu, merged->kernel, merged->offcpu->tid};
    bool added;
    uint32_t item = profile_index_put(&offcpu->open_index, profile_hash(PROFILE_HASH_START, search.tid), open_equal,
                                      &search, &added);
    if (added)
        offcpu->open = memory_grow(offcpu->open, item, &offcpu->open_capacity, sizeof(*offcpu->open));
    else
        open_take(offcpu, &offcpu->open[item]);
    offcpu->open[item] = (struct open_wakeup){merged->kernel, *key, *merged->offcpu, *merged, false};
}

void profile_offcpu_wake(struct profile_offcpu *offcpu, const struct model_process *process,
                         const struct event_wake *event)
{
    struct open_search search = {offcpu, process, event->wait_tid};
    uint32_t item =
        profile_index_find(&offcpu->open_index, profile_hash(PROFILE_HASH_START, search.tid), open_equal, &search);
    struct open_wakeup *open = item == UINT32_MAX ? NULL : &offcpu->open[item];
    if (!open || open->taken || open->event.header.time_ns != event->wait_ns || event->stack == 0)
        return;
    open->key.waking = process;
    open->key.waking_stack = event->stack;
    open_take(offcpu, open);
}

void profile_offcpu_finish(struct profile_offcpu *offcpu)
{
    for (size_t i = 0; i < offcpu->open_index.count; i++)
        open_take(offcpu, &offcpu->open[i]);
}

/* ---- waits ---- */

void profile_offcpu_add(struct profile_offcpu *offcpu, const struct merged *merged)
{
    const struct event_offcpu *event = merged->offcpu;
    const struct event_wait *inside = merged->kind == MERGED_DETAIL ? merged->wait.event : NULL;
    struct offcpu_row key = {.part = OFFCPU_BLOCKED,
                             .thread = merged->wait.thread,
                             .kernel = merged->kernel,
                             .stack = event->stack,
                             .syscall = event->syscall,
                             .cause = event->cause};
    if (inside && inside->stack != 0) {
        key.inside = merged->wait.process;
        key.inside_stack = inside->stack;
        key.inside_call = inside->call;
    }
    stretch_add(offcpu, &key, merged, 0, event->duration_ns);
    key.part = OFFCPU_RUNNABLE;
    stretch_add(offcpu, &key, merged, event->duration_ns, event->runqueue_ns);
    key.part = OFFCPU_WAKER;
    key.waker = event->waker;
    key.flags = event->flags & WAKER_FLAGS;
    open_add(offcpu, &key, merged);
}

static const char *waker_text(const struct model *model, const struct offcpu_row *row, struct arena *arena)
{
    if (row->flags & OFFCPU_FLAG_UNFINISHED)
        return "[not woken before the recording ended]";
    if (waker_is_hardware(row->waker, row->flags, row->cause))
        return "[woken by a timer or a device]";
    if (row->waker == 0)
        return "[woken by an unknown thread]";
    const char *how = row->flags & OFFCPU_FLAG_WAKER_SOFTIRQ ? "in an interrupt, perhaps by" : "by";
    return arena_format(arena, "[woken %s %s]", how, waker_name(model, row->thread->process, row->waker, arena));
}

const char *profile_offcpu_leaf(const struct profile_offcpu *offcpu, const struct offcpu_row *row, struct arena *arena)
{
    if (row->part == OFFCPU_WAKER)
        return waker_text(offcpu->model, row, arena);
    if (row->part == OFFCPU_RUNNABLE)
        return "[runnable: waiting for a CPU]";
    if (row->cause == OFFCPU_CAUSE_DISK)
        return "[disk]";
    return row->cause == OFFCPU_CAUSE_FAULT ? "[page fault]" : NULL;
}
