/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/serving.h"

#include <string.h>

#include "base/sys.h"
#include "capture/python.h"
#include "capture/record.h"
#include "capture/recorder.h"
#include "capture/slots.h"

#define FIBERS 256u
#define PROBES 4u /* places that a fiber may have; then the oldest of them is given up */

struct fiber {
    uintptr_t address; /* 0: free */
    struct served served;
    bool loops; /* waits for many descriptors with its request unanswered */
};

struct fibers {
    bool received; /* since the thread's last wait in a loop */
    struct fiber table[FIBERS];
};

static struct fiber *fiber_probe(struct fibers *f, uintptr_t address, uint32_t i)
{
    uint32_t at = (uint32_t)((uint64_t)(address >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 32);
    return &f->table[(at + i) % FIBERS];
}

static struct fiber *fiber_find(struct fibers *f, uintptr_t address)
{
    for (uint32_t i = 0; i < PROBES; i++)
        if (fiber_probe(f, address, i)->address == address)
            return fiber_probe(f, address, i);
    return NULL;
}

static bool holds(const struct served *s)
{
    return s->operation && conversation_unanswered(s->conversation, s->sequence, s->operation);
}

/* The fiber's entry, made where there is none: in place of one whose request was answered, or else of any. */
static struct fiber *fiber_enter(struct fibers *f, uintptr_t address)
{
    struct fiber *found = fiber_find(f, address);
    for (uint32_t i = 0; i < PROBES && !found; i++)
        if (!fiber_probe(f, address, i)->address)
            found = fiber_probe(f, address, i);
    for (uint32_t i = 0; i < PROBES && !found; i++) {
        struct fiber *p = fiber_probe(f, address, i);
        if (!p->loops && !holds(&p->served))
            found = p;
    }
    if (!found)
        found = fiber_probe(f, address, 0);
    if (found->address != address)
        *found = (struct fiber){.address = address};
    return found;
}

/* ---- where requests belong to the thread ------------------------------------------------------------------------- */

static HOT void leave(struct thread *t, uint64_t now_ns)
{
    struct slot_thread *own = &t->slot->thread;
    if (!t->served.operation)
        return;
    uint64_t took = now_ns > own->served_ns ? now_ns - own->served_ns : 0;
    if (took >= own->turn_ns) {
        own->turn_ns = took;
        own->turn_operation = t->served.operation;
    }
    t->served.operation = 0;
}

static void begin_on_thread(struct thread *t, const struct served *served, uint64_t begin_ns, bool notable, bool more)
{
    if (more && t->served.operation && !notable)
        return;
    if (more)
        t->served.operation = 0; /* in the same instant: it took no time */
    leave(t, begin_ns);
    t->served = *served;
    t->slot->thread.served_ns = begin_ns;
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

static bool fibers_ready(struct thread *t)
{
    if (!t->fibers && !load_relaxed(&recorder.writer.frozen))
        t->fibers = record_memory(sizeof(struct fibers));
    return t->fibers != NULL;
}

HOT void serving_begin(struct thread *t, const struct conversation *c, const struct pending *request, bool notable,
                       bool more)
{
    struct served served = {request->operation, c->id, request->sequence};
    uintptr_t address = python_active() ? python_fiber() : 0;
    if (!address) {
        if (!python_active() || t->fibers == NULL)
            begin_on_thread(t, &served, request->begin_ns, notable, more);
        return;
    }
    if (!fibers_ready(t))
        return;
    struct fiber *f = fiber_enter(t->fibers, address);
    t->fibers->received = true;
    if (!f->loops && !(more && !notable))
        f->served = served;
}

HOT void serving_end(struct thread *t, const struct conversation *c, const struct pending *request, uint64_t now_ns)
{
    if (t->served.conversation == c->id && t->served.sequence == request->sequence)
        leave(t, now_ns);
}

uint32_t serving_now(struct thread *t, uint64_t *fiber)
{
    *fiber = 0;
    if (t->fibers) {
        uintptr_t address = python_fiber();
        const struct fiber *f = address ? fiber_find(t->fibers, address) : NULL;
        *fiber = address;
        return f && !f->loops && holds(&f->served) ? f->served.operation : 0;
    }
    return holds(&t->served) ? t->served.operation : 0;
}

/* A fiber that waits in a loop while its own request is without an answer runs callbacks. */
static void mark_loop(struct fibers *fibers)
{
    uintptr_t address = python_fiber();
    struct fiber *f = address ? fiber_find(fibers, address) : NULL;
    fibers->received = false;
    if (f && holds(&f->served))
        f->loops = true;
}

uint32_t serving_turn(struct thread *t, uint64_t now_ns)
{
    if (t->fibers) {
        if (t->fibers->received)
            mark_loop(t->fibers);
        return 0;
    }
    leave(t, now_ns);
    uint32_t operation = t->slot->thread.turn_operation;
    t->slot->thread.turn_operation = 0;
    t->slot->thread.turn_ns = 0;
    return operation;
}

void serving_forget(struct thread *t)
{
    if (t->fibers)
        sys_munmap(t->fibers, sizeof(struct fibers));
    t->fibers = NULL;
    t->served.operation = 0;
}
