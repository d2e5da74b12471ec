/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/syscalls.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/findings.h"
#include "analysis/model.h"

/* The end of the bucket that holds the percentile: buckets double, so it is at most twice the true value; and never
   more than the longest wait. */
static uint64_t hist_quantile(const struct event_syscall *event, uint64_t percent)
{
    const char *bytes = (const char *)event + event->hist.offset;
    size_t buckets = event->hist.length / sizeof(uint32_t);
    uint64_t total = 0, seen = 0;
    uint32_t count;
    for (size_t i = 0; i < buckets; i++) {
        memcpy(&count, bytes + i * sizeof(count), sizeof(count));
        total += count;
    }
    for (size_t i = 0; i < buckets && i + 1 < 64 && total; i++) {
        memcpy(&count, bytes + i * sizeof(count), sizeof(count));
        seen += count;
        if (seen * 100 >= total * percent) {
            uint64_t end = UINT64_C(2) << i;
            return i + 1 < buckets && end < event->max_ns ? end : event->max_ns;
        }
    }
    return event->max_ns;
}

static void histogram_read(const struct event_syscall *event, struct syscall_row *row, struct arena *arena)
{
    const char *bytes = (const char *)event + event->hist.offset;
    size_t buckets = event->hist.length / sizeof(uint32_t);
    uint32_t count;
    row->histogram = arena_get(arena, (buckets + 1) * sizeof(*row->histogram));
    for (size_t i = 0; i < buckets; i++) {
        memcpy(&count, bytes + i * sizeof(count), sizeof(count));
        if (count)
            row->histogram[row->histogram_count++] =
                (struct syscall_bucket){i + 1 < buckets && i < 62 ? UINT64_C(2) << i : UINT64_MAX, count};
    }
}

void syscalls_add(struct model *model, const struct source *source, const struct event_syscall *event)
{
    struct syscall_table *table = &model->syscalls;
    struct model_process *process = model_process_of(model, source);
    struct model_thread *thread = model_thread_find(process, event->slot, event->tid);
    const char *name = trace_syscall_name(event->syscall);
    if (!name && event->syscall != SYSCALL_NONE)
        name = arena_format(model->arena, "syscall %u", event->syscall);
    table->list = memory_grow(table->list, table->count, &table->capacity, sizeof(*table->list));
    table->list[table->count++] =
        (struct syscall_row){.process = process_info_of(process),
                             .thread = {event->tid, thread ? thread->name : source->info->comm, false},
                             .name = name ? name : "(page fault)",
                             .cause = trace_cause_name(event->cause),
                             .count = event->count,
                             .total_ns = event->total_ns,
                             .runqueue_ns = event->runqueue_ns,
                             .max_ns = event->max_ns,
                             .p50_ns = hist_quantile(event, 50),
                             .p99_ns = hist_quantile(event, 99)};
    histogram_read(event, &table->list[table->count - 1], model->arena);
}

static int row_compare(const void *left, const void *right)
{
    const struct syscall_row *a = left, *b = right;
    if (a->total_ns != b->total_ns)
        return a->total_ns > b->total_ns ? -1 : 1;
    if (a->thread.tid != b->thread.tid)
        return a->thread.tid < b->thread.tid ? -1 : 1;
    return strcmp(a->name, b->name);
}

void syscalls_report(struct model *model, struct report *report, struct arena *arena)
{
    const struct syscall_table *table = &model->syscalls;
    if (table->count == 0)
        return;
    qsort(table->list, table->count, sizeof(*table->list), row_compare);
    report->syscalls = arena_get(arena, table->count * sizeof(*table->list));
    memcpy(report->syscalls, table->list, table->count * sizeof(*table->list));
    report->syscall_count = table->count;
}

void syscalls_free(struct syscall_table *table)
{
    free(table->list);
}
