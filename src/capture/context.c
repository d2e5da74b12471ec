/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/context.h"

#include "capture/recorder.h"
#include "capture/slots.h"

void context_record(struct thread *t, uint64_t time_ns, const struct event_context *known)
{
    if (!known->operation && !known->serving && !known->locks && !known->owner)
        return;
    struct event_context *e = writer_ring_reserve(&recorder.writer, &t->ring, t->slot->number);
    if (!e)
        return;
    *e = *known;
    e->header = (struct event_header){EVENT_MAGIC, EVENT_CONTEXT, sizeof(*e), time_ns};
    e->tid = t->tid;
    e->slot = t->slot->number;
    writer_ring_commit(t->ring);
}
