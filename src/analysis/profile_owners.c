/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/profile_owners.h"

#include <string.h>

#define NO_CALL 0 /* keeps the places of owners apart from those of waits */

static const struct lock_row *gil_of(const struct model *model, const struct merged *merged)
{
    if (merged->kind != MERGED_WAIT || trace_call_category(merged->wait.event->call) != CALL_LOCK)
        return NULL;
    const struct lock_row *lock = locks_find(&model->locks, merged->wait.process, merged->wait.event->endpoint);
    return lock && lock->kind == LOCK_KIND_GIL ? lock : NULL;
}

void profile_owners_event(struct profile_times *times, const struct model *model, const struct model_process *process,
                          const struct merged *merged, const union trace_event *event)
{
    struct time_key place = {.call = NO_CALL};
    uint64_t begin = event->header.time_ns, end = begin;
    double weight = 0;
    if (event->header.type == EVENT_HOLD && (event->hold.flags & HOLD_CONTENDED)) {
        place.thread = model_thread_find((struct model_process *)process, event->hold.slot, event->hold.tid);
        place.stack = event->hold.stack;
        place.endpoint = event->hold.lock;
        end = begin + event->hold.waited_ns;
        weight = (double)event->hold.weight * (double)event->hold.waited_ns;
    } else if (gil_of(model, merged)) {
        end = begin + merged->wait.event->duration_ns;
        place.thread = model_thread_at(merged->wait.process, merged->wait.context.owner, end);
        place.stack = merged->wait.context.owner_stack;
        place.endpoint = merged->wait.event->endpoint;
        weight = merged->wait.weight * (double)merged->wait.event->duration_ns;
    }
    if (place.thread && weight > 0)
        profile_times_place(times, &place, begin, end, weight);
}

const char *profile_owners_lock(const struct model *model, const struct wait_row *row, struct arena *arena)
{
    bool waits = !row->process->kernel && trace_call_category(row->call) == CALL_LOCK;
    const struct lock_row *lock = waits ? locks_find(&model->locks, row->process, row->endpoint) : NULL;
    if (!lock)
        return NULL;
    const struct lock_class *class = locks_class(&model->locks, lock);
    bool said = strncmp(class->name, class->kind, strlen(class->kind)) == 0; /* of those without a name of their own */
    return arena_format(arena, "[%s%s%s]", said ? "" : class->kind, said ? "" : " ", class->name);
}

static double owners_ns(const struct lock_row *lock)
{
    double sum = 0;
    for (size_t i = 0; i < lock->owner_count; i++)
        sum += lock->owners[i].ns;
    return sum;
}

static struct owner_part part_of(const struct lock_row *lock, const struct lock_owner *owner, double share)
{
    const struct model_process *process = lock->process;
    const struct model_thread *thread = owner->thread ? owner->thread : &process->threads[0];
    return (struct owner_part){.lock = lock,
                               .row = {.thread = (struct model_thread *)thread,
                                       .process = (struct model_process *)process,
                                       .endpoint = lock->endpoint->id,
                                       .stack = owner->stack,
                                       .call = NO_CALL,
                                       .count = lock->contended * share,
                                       .total_ns = lock->wait_ns * share,
                                       .first_ns = thread->first_ns,
                                       .last_ns = thread->last_ns}};
}

bool profile_owners_next(const struct model *model, size_t *lock, size_t *owner, struct owner_part *part)
{
    static const struct lock_owner unknown = {.thread = NULL};
    for (; *lock < model->locks.index.count; ++*lock, *owner = 0) {
        const struct lock_row *row = &model->locks.rows[*lock];
        double sum = owners_ns(row);
        if (row->wait_ns <= 0 || row->process->thread_count == 0)
            continue;
        if (sum > 0 && *owner < row->owner_count) {
            const struct lock_owner *next = &row->owners[(*owner)++];
            *part = part_of(row, next, next->ns / sum);
            return true;
        }
        if (sum <= 0 && (*owner)++ == 0) {
            *part = part_of(row, &unknown, 1);
            return true;
        }
    }
    return false;
}
