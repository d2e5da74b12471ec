/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What LOG events say about locks: where they were initialised, and which of them were held together. */
#include "trace/reader_private.h"

#include <errno.h>

static int birth_add(struct trace *t, const union trace_event *e)
{
    struct trace_lock *l = reader_list_add(&t->locks, sizeof(*l));
    if (!l)
        return -ENOMEM;
    *l = (struct trace_lock){e->lock.id, e->lock.stack, e->lock.pc};
    return 0;
}

/* The three blocks must agree on how many locks there are. */
static int set_add(struct trace *t, const union trace_event *e)
{
    const struct event_lockset *event = &e->lockset;
    size_t count = event->shared.length;
    if (event->locks.length != count * sizeof(uint32_t) || event->places.length != count * sizeof(uint64_t)) {
        damage_add(t, 0, "a set of locks whose parts do not fit together");
        return 0;
    }
    struct trace_lockset *s = reader_list_add(&t->locksets, sizeof(*s));
    if (!s)
        return -ENOMEM;
    const uint8_t *bytes = (const uint8_t *)e;
    s->id = event->id;
    s->modules = event->modules;
    s->count = count;
    s->locks = reader_bytes(&t->memory, bytes + event->locks.offset, event->locks.length);
    s->places = reader_bytes(&t->memory, bytes + event->places.offset, event->places.length);
    s->shared = reader_bytes(&t->memory, bytes + event->shared.offset, event->shared.length);
    return count == 0 || (s->locks && s->places && s->shared) ? 0 : -ENOMEM;
}

static int shared_add(struct trace *t, const union trace_event *e)
{
    struct trace_shared *s = reader_list_add(&t->shared, sizeof(*s));
    if (!s)
        return -ENOMEM;
    *s = (struct trace_shared){e->shared.id, 0, e->shared.device, e->shared.inode, e->shared.offset};
    return 0;
}

int lock_add(struct trace *t, const union trace_event *e)
{
    switch (e->header.type) {
    case EVENT_LOCK:
        return birth_add(t, e);
    case EVENT_LOCKSET:
        return set_add(t, e);
    case EVENT_SHARED:
        return shared_add(t, e);
    default:
        return 0;
    }
}

static int number_find(const void *a, const void *b)
{
    return number_compare(*(const uint32_t *)a, *(const uint32_t *)b);
}
_Static_assert(offsetof(struct trace_lock, id) == 0 && offsetof(struct trace_lockset, id) == 0, "number_find");
_Static_assert(offsetof(struct trace_shared, id) == 0, "number_find");

void locks_finish(struct trace *t)
{
    reader_list_sort_by_id(&t->locks, sizeof(struct trace_lock));
    reader_list_sort_by_id(&t->locksets, sizeof(struct trace_lockset));
    reader_list_sort_by_id(&t->shared, sizeof(struct trace_shared));
}

const struct trace_lock *trace_lock_find(const struct trace *t, uint32_t id)
{
    return reader_list_find(&t->locks, sizeof(struct trace_lock), &id, number_find);
}

const struct trace_lockset *trace_lockset_find(const struct trace *t, uint32_t id)
{
    return reader_list_find(&t->locksets, sizeof(struct trace_lockset), &id, number_find);
}

const struct trace_shared *trace_shared_find(const struct trace *t, uint32_t id)
{
    return reader_list_find(&t->shared, sizeof(struct trace_shared), &id, number_find);
}
