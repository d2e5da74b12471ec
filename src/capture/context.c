/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/context.h"

#include <string.h>

#include "capture/recorder.h"
#include "capture/slots.h"

void context_record(struct thread *t, uint64_t time_ns, const struct context *c)
{
    if (!c->operation && !c->serving && !c->locks && !c->owner)
        return;
    struct event_context *e = writer_ring_reserve(&recorder.writer, &t->ring, t->slot->number);
    if (!e)
        return;
    memset(e, 0, sizeof(*e));
    e->header = (struct event_header){EVENT_MAGIC, EVENT_CONTEXT, sizeof(*e), time_ns};
    e->tid = t->tid;
    e->slot = t->slot->number;
    e->operation = c->operation;
    e->serving = c->serving;
    e->locks = c->locks;
    e->lock = c->lock;
    e->owner = c->owner;
    e->owner_stack = c->owner_stack;
    e->fiber = c->fiber;
    writer_ring_commit(t->ring);
}
