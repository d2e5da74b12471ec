/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/python_overlap.h"

#include <string.h>

#include "capture/python.h"
#include "capture/recorder.h"
#include "capture/stack.h"

#define WAITING 64u        /* overlaps whose operations have not both ended */
#define RECORDED_FIRST 32u /* of each object and pair of methods; then one a second of each object */
#define SECOND_NS UINT64_C(1000000000)
#define LOOKED_AT 8 /* operations inside that are looked at for one to name */

struct side {
    uint16_t use; /* 0: ended */
    uint8_t locks;
    uintptr_t lock[USE_LOCKS];
    uint32_t tid, method, stack, set;
    uint64_t fiber, begin_ns;
};

struct overlap {
    struct python_object *object; /* NULL: free */
    struct python_pair *pair;
    struct side first, second;
    uint64_t count;
    uint32_t flags;
};
static struct overlap waiting[WAITING];

static struct python_pair *pair_find(struct python_object *o, uint16_t first, uint16_t second)
{
    for (size_t i = 0; i < PYTHON_PAIRS; i++) {
        struct python_pair *p = &o->pairs[i];
        if (!p->first) {
            p->first = first;
            p->second = second;
        }
        if (p->first == first && p->second == second)
            return p;
    }
    return NULL;
}

static void side_begin(struct side *s, uint16_t index)
{
    const struct use *u = python_use_at(index);
    memset(s, 0, sizeof(*s));
    s->use = index;
    s->tid = u->tid;
    s->method = u->method->id;
    s->begin_ns = u->begin_ns;
    s->fiber = u->fiber;
}

/* A fiber that is not running, or perhaps not, has its frames elsewhere: its stack is taken when its operation ends. */
static uint32_t other_stack(const struct use *other, uint32_t *flags)
{
    if (!other->fiber)
        return stack_of_thread(&thread_self, other->state);
    *flags |= OVERLAP_OTHER_AT_END;
    return 0;
}

static void wait_for_both(struct python_pair *pair, uint16_t first, uint16_t second, uint64_t now_ns)
{
    struct use *me = python_use_at(second), *other = python_use_at(first);
    struct python_object *o = me->object;
    struct overlap *v = waiting;
    while (v < waiting + WAITING && v->object)
        v++;
    if (v == waiting + WAITING)
        return;
    side_begin(&v->first, first);
    side_begin(&v->second, second);
    v->flags = 0;
    v->first.stack = other_stack(other, &v->flags);
    v->second.stack = stack_capture(&thread_self);
    v->count = pair->count;
    v->pair = pair;
    v->object = o;
    other->overlaps++;
    me->overlaps++;
    pair->recorded++;
    o->overlap_ns = now_ns;
}

void python_overlap_begin(uint16_t index)
{
    struct use *me = python_use_at(index);
    struct python_object *o = me->object;
    bool writes = me->flags & USE_WRITES;
    uint16_t at = o->first;
    for (int i = 0; at && i < LOOKED_AT; i++) {
        if (writes || python_use_at(at)->flags & USE_WRITES)
            break;
        at = python_use_at(at)->next;
    }
    if (!at)
        return;
    struct use *other = python_use_at(at);
    me->flags |= USE_OVERLAPPED | USE_FOUND;
    other->flags |= USE_OVERLAPPED;
    struct python_pair *pair = pair_find(o, other->method->id, me->method->id);
    if (!pair || (pair->protected && !pair->confirmed && me->begin_ns - o->overlap_ns < SECOND_NS))
        return;
    pair->count++;
    if (pair->recorded < RECORDED_FIRST || me->begin_ns - o->overlap_ns >= SECOND_NS)
        wait_for_both(pair, at, index, me->begin_ns);
}

static bool lock_in_common(const struct side *a, const struct side *b)
{
    for (uint8_t i = 0; i < a->locks; i++)
        for (uint8_t j = 0; j < b->locks; j++)
            if (a->lock[i] == b->lock[j])
                return true;
    return false;
}

static void write_overlap(const struct overlap *v)
{
    const struct side *me = &v->second, *other = &v->first;
    struct event_overlap *e = (void *)writer_log_reserve(&recorder.writer, sizeof(*e), 0);
    if (!e)
        return;
    e->header.time_ns = me->begin_ns;
    e->other_begin_ns = other->begin_ns;
    e->fiber = me->fiber;
    e->other_fiber = other->fiber;
    e->object = v->object->id;
    e->method = me->method;
    e->other_method = other->method;
    e->tid = me->tid;
    e->other_tid = other->tid;
    e->stack = me->stack;
    e->other_stack = other->stack;
    e->locks = me->set;
    e->other_locks = other->set;
    e->flags = v->flags;
    e->count = v->count;
    writer_log_commit(&e->header, EVENT_OVERLAP);
}

static void settle(struct overlap *v)
{
    if (lock_in_common(&v->first, &v->second)) {
        v->pair->protected = 1;
        if (!v->pair->confirmed)
            v->pair->count = 0;
    } else {
        v->pair->confirmed = 1;
        if (v->object->id != OBJECT_OVERFLOW_ID)
            write_overlap(v);
    }
    v->object = NULL;
}

static void side_end(struct overlap *v, struct side *s, const struct use *u, uint32_t locks)
{
    s->use = 0;
    s->set = locks;
    s->locks = u->locks;
    for (uint8_t i = 0; i < u->locks; i++)
        s->lock[i] = u->lock[i].lock;
    if (s == &v->first && (v->flags & OVERLAP_OTHER_AT_END))
        s->stack = stack_capture(&thread_self);
    if (!v->first.use && !v->second.use)
        settle(v);
}

void python_overlap_end(uint16_t index, uint32_t locks)
{
    const struct use *u = python_use_at(index);
    for (struct overlap *v = waiting; v < waiting + WAITING; v++) {
        if (!v->object)
            continue;
        if (v->first.use == index)
            side_end(v, &v->first, u, locks);
        else if (v->second.use == index)
            side_end(v, &v->second, u, locks);
    }
}

void python_overlap_forget(const struct python_object *o)
{
    for (struct overlap *v = waiting; v < waiting + WAITING; v++)
        if (!o || v->object == o)
            v->object = NULL;
}
