/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Thread slots and their exact counters, which may be spread over several segments. */
#include "trace/reader_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TOTAL_MAX_NS (UINT64_C(1) << 63) /* the slot of ended threads sums over many of them */

static bool site_usable(const struct trace_site *s)
{
    return s->first_ns < TIME_MAX_NS && s->last_ns < TIME_MAX_NS && s->turn_max_ns < TIME_MAX_NS &&
           s->idle_ns < TOTAL_MAX_NS && s->turn_ns < TOTAL_MAX_NS;
}

static bool counter_usable(const struct trace_counter *c)
{
    return c->first_ns < TIME_MAX_NS && c->last_ns < TIME_MAX_NS && c->max_ns < TIME_MAX_NS &&
           c->total_ns < TOTAL_MAX_NS;
}

/* Blanks what cannot be true, so that nobody has to check again. */
static void slot_clean(struct trace *t, struct trace_thread_slot *slot, uint64_t offset)
{
    text_clean(slot->name, sizeof(slot->name));
    if (slot->start_ns >= TIME_MAX_NS || slot->end_ns >= TIME_MAX_NS) {
        damage_add(t, offset, "a thread with an impossible life time");
        slot->start_ns = t->info.start_mono_ns;
        slot->end_ns = 0;
    }
    if (slot->cpu_first_at_ns >= TIME_MAX_NS || slot->cpu_last_at_ns >= TIME_MAX_NS ||
        slot->cpu_first_ns >= TIME_MAX_NS || slot->cpu_last_ns >= TIME_MAX_NS) {
        damage_add(t, offset, "a thread with an impossible CPU time");
        slot->cpu_first_ns = slot->cpu_first_at_ns = slot->cpu_last_ns = slot->cpu_last_at_ns = 0;
    }
    time_seen(t, slot->end_ns);
    time_seen(t, slot->cpu_last_at_ns);
    for (size_t i = 0; i < TRACE_SITES; i++) {
        struct trace_site *site = &slot->sites[i];
        if (!site->endpoint || !site_usable(site)) {
            if (site->endpoint)
                damage_add(t, offset, "an event loop with impossible times");
            memset(site, 0, sizeof(*site));
        }
        time_seen(t, site->last_ns);
    }
}

static int counters_collect(struct trace *t, uint32_t owner, const uint8_t *bytes, size_t size, uint64_t offset)
{
    for (size_t at = 0; size - at >= sizeof(struct trace_counter); at += sizeof(struct trace_counter)) {
        struct trace_counter c;
        memcpy(&c, bytes + at, sizeof(c));
        if (c.count == 0 || c.call == 0) /* call 0: copied while its owner was about to publish it */
            continue;
        if (!counter_usable(&c)) {
            damage_add(t, offset + at, "a counter with impossible times");
            continue;
        }
        time_seen(t, c.last_ns);
        struct counter_entry *entry = reader_list_add(&t->loose, sizeof(*entry));
        if (!entry)
            return -ENOMEM;
        entry->owner = owner;
        entry->counter = c;
    }
    return 0;
}

int thread_load(struct trace *t, const struct segment *s, uint64_t offset, uint32_t size)
{
    size_t got;
    int err = scratch_read(t, offset, size, &got);
    if (err)
        return err;
    const size_t head = SEGMENT_HEADER_SIZE + sizeof(struct trace_thread_slot);
    if (got < head) {
        damage_add(t, offset, "a thread's record is cut short");
        return 0;
    }
    struct trace_thread_slot slot;
    memcpy(&slot, t->scratch + SEGMENT_HEADER_SIZE, sizeof(slot));
    if (slot.tid == 0 && slot.threads == 0) /* no thread has it yet */
        return 0;

    struct thread_entry *entry = reader_list_add(&t->threads, sizeof(*entry));
    if (!entry)
        return -ENOMEM;
    slot_clean(t, &slot, offset);
    memcpy(&entry->slot, &slot, sizeof(slot));
    entry->view.number = s->owner;
    return counters_collect(t, s->owner, t->scratch + head, got - head, offset + head);
}

int counters_load(struct trace *t, const struct segment *s, uint64_t offset, uint32_t size)
{
    size_t got;
    int err = scratch_read(t, offset, size, &got);
    if (err || got <= SEGMENT_HEADER_SIZE)
        return err;
    return counters_collect(t, s->owner, t->scratch + SEGMENT_HEADER_SIZE, got - SEGMENT_HEADER_SIZE,
                            offset + SEGMENT_HEADER_SIZE);
}

static int entry_compare(const void *a, const void *b)
{
    return number_compare(((const struct thread_entry *)a)->view.number, ((const struct thread_entry *)b)->view.number);
}

static int owner_compare(const void *key, const void *item)
{
    return number_compare(*(const uint32_t *)key, ((const struct thread_entry *)item)->view.number);
}

/* Sorts the threads by number; of several with one number the first stays. */
static void threads_sort(struct trace *t)
{
    struct thread_entry *e = t->threads.items;
    size_t kept = 0;
    if (t->threads.count)
        qsort(e, t->threads.count, sizeof(*e), entry_compare);
    for (size_t i = 0; i < t->threads.count; i++) {
        if (kept && e[kept - 1].view.number == e[i].view.number) {
            damage_add(t, 0, "two threads with slot number %u", e[i].view.number);
            continue;
        }
        if (kept != i)
            memcpy(&e[kept], &e[i], sizeof(*e));
        kept++;
    }
    t->threads.count = kept;
}

int threads_finish(struct trace *t)
{
    threads_sort(t);
    const struct counter_entry *loose = t->loose.items;
    t->counters = calloc(t->loose.count + 1, sizeof(*t->counters));
    if (!t->counters)
        return -ENOMEM;

    for (size_t i = 0; i < t->loose.count; i++) {
        struct thread_entry *e = reader_list_find(&t->threads, sizeof(*e), &loose[i].owner, owner_compare);
        if (e)
            e->view.counter_count++;
        else
            damage_add(t, 0, "a counter of thread slot %u, which does not exist", loose[i].owner);
    }
    struct trace_counter *next = t->counters;
    struct thread_entry *entries = t->threads.items;
    for (size_t i = 0; i < t->threads.count; i++) {
        entries[i].view.slot = &entries[i].slot;
        entries[i].view.counters = next;
        next += entries[i].view.counter_count;
        entries[i].view.counter_count = 0;
    }
    for (size_t i = 0; i < t->loose.count; i++) {
        struct thread_entry *e = reader_list_find(&t->threads, sizeof(*e), &loose[i].owner, owner_compare);
        if (e)
            t->counters[(size_t)(e->view.counters - t->counters) + e->view.counter_count++] = loose[i].counter;
    }
    reader_list_free(&t->loose);
    return 0;
}

size_t trace_thread_count(const struct trace *t)
{
    return t->threads.count;
}

const struct trace_thread *trace_thread_at(const struct trace *t, size_t i)
{
    const struct thread_entry *entries = t->threads.items;
    return i < t->threads.count ? &entries[i].view : NULL;
}
