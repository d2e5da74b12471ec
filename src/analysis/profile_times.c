/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/profile_times.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/profile.h"

void profile_times_init(struct profile_times *times, const struct session *session)
{
    uint64_t first = UINT64_MAX, last = 0;
    for (size_t i = 0; i < session->source_count; i++) {
        const struct source *source = &session->sources[i];
        uint64_t start = source->info->start_mono_ns + (uint64_t)source->shift_ns;
        uint64_t end = source->info->end_mono_ns + (uint64_t)source->shift_ns;
        first = start < first ? start : first;
        last = end > last ? end : last;
    }
    *times = (struct profile_times){.start_ns = first, .span_ns = last > first ? last - first : 1};
}

void profile_times_free(struct profile_times *times)
{
    for (size_t i = 0; i < times->index.count; i++)
        free(times->slices[i].list);
    free(times->keys);
    free(times->slices);
    profile_index_free(&times->index);
}

/* Waits come nearly in order of time, so the place is looked for from the end. */
static void slice_add(struct time_slices *slices, uint32_t bucket, double weight)
{
    size_t i = slices->count;
    while (i > 0 && slices->list[i - 1].bucket > bucket)
        i--;
    if (i > 0 && slices->list[i - 1].bucket == bucket) {
        slices->list[i - 1].weight += weight;
        return;
    }
    slices->list = memory_grow(slices->list, slices->count, &slices->capacity, sizeof(*slices->list));
    memmove(&slices->list[i + 1], &slices->list[i], (slices->count - i) * sizeof(*slices->list));
    slices->list[i] = (struct time_slice){bucket, weight};
    slices->count++;
}

/* Position on the time line in buckets, 0 … PROFILE_BUCKETS. */
static double position_of(const struct profile_times *times, const struct model_thread *thread, uint64_t mono_ns)
{
    uint64_t at = mono_ns + (uint64_t)thread->process->source->shift_ns;
    double position = at > times->start_ns ? (double)(at - times->start_ns) / (double)times->span_ns : 0;
    return (position < 1 ? position : 1) * PROFILE_BUCKETS;
}

/* Spreads `weight` evenly over [begin, end] of the time line. */
static void range_add(struct time_slices *slices, double begin, double end, double weight)
{
    uint32_t first = begin < PROFILE_BUCKETS ? (uint32_t)begin : PROFILE_BUCKETS - 1;
    uint32_t last = end < PROFILE_BUCKETS ? (uint32_t)end : PROFILE_BUCKETS - 1;
    if (last <= first) {
        slice_add(slices, first, weight);
        return;
    }
    for (uint32_t bucket = first; bucket <= last; bucket++) {
        double from = bucket > begin ? bucket : begin, to = bucket + 1 < end ? bucket + 1 : end;
        if (to > from)
            slice_add(slices, bucket, weight * (to - from) / (end - begin));
    }
}

void profile_times_range(const struct profile_times *times, const struct model_thread *thread, uint64_t begin_ns,
                         uint64_t end_ns, double weight, struct time_slices *slices)
{
    range_add(slices, position_of(times, thread, begin_ns), position_of(times, thread, end_ns), weight);
}

void profile_times_join(struct time_slices *slices, const struct time_slices *from)
{
    for (size_t i = 0; i < from->count; i++)
        slice_add(slices, from->list[i].bucket, from->list[i].weight);
}

struct key_search {
    const struct profile_times *times;
    struct time_key key;
};

static bool key_equal(const void *context, uint32_t item)
{
    const struct key_search *search = context;
    const struct time_key *a = &search->key, *b = &search->times->keys[item];
    return a->thread == b->thread && a->stack == b->stack && a->endpoint == b->endpoint && a->call == b->call;
}

static uint64_t key_hash(const struct time_key *key)
{
    uint64_t hash = profile_hash(PROFILE_HASH_START, (uintptr_t)key->thread);
    return profile_hash(profile_hash(hash, (uint64_t)key->stack << 32 | key->endpoint), key->call);
}

void profile_times_place(struct profile_times *times, const struct time_key *place, uint64_t begin_ns, uint64_t end_ns,
                         double weight)
{
    struct key_search search = {times, *place};
    bool added;
    uint32_t item = profile_index_put(&times->index, key_hash(&search.key), key_equal, &search, &added);
    if (added) {
        times->keys = memory_grow(times->keys, item, &times->key_capacity, sizeof(*times->keys));
        times->slices = memory_grow(times->slices, item, &times->slice_capacity, sizeof(*times->slices));
        times->keys[item] = search.key;
        times->slices[item] = (struct time_slices){NULL, 0, 0};
    }
    profile_times_range(times, place->thread, begin_ns, end_ns, weight, &times->slices[item]);
}

void profile_times_add(struct profile_times *times, const struct wait_sample *sample)
{
    const struct event_wait *wait = sample->event;
    const struct time_key place = {sample->thread, wait->stack, wait->endpoint, wait->call};
    uint64_t begin = wait->header.time_ns;
    profile_times_place(times, &place, begin, begin + wait->duration_ns, sample->weight * (double)wait->duration_ns);
}

void profile_times_spread(const struct profile_times *times, const struct wait_row *row, double weight,
                          struct time_slices *slices)
{
    struct key_search search = {times, {row->thread, row->stack, row->endpoint, row->call}};
    uint32_t item = profile_index_find(&times->index, key_hash(&search.key), key_equal, &search);
    double sum = 0;
    const struct time_slices recorded = item == UINT32_MAX ? (struct time_slices){NULL, 0, 0} : times->slices[item];
    for (size_t i = 0; i < recorded.count; i++)
        sum += recorded.list[i].weight;
    if (sum > 0) {
        for (size_t i = 0; i < recorded.count; i++)
            slice_add(slices, recorded.list[i].bucket, weight * recorded.list[i].weight / sum);
        return;
    }
    profile_times_range(times, row->thread, row->first_ns, row->last_ns, weight, slices);
}
