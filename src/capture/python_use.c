/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/python_use.h"

#include <string.h>

#include "capture/locks.h"
#include "capture/python.h"
#include "capture/python_drift.h"
#include "capture/python_overlap.h"
#include "capture/python_window.h"
#include "capture/recorder.h"
#include "capture/slots.h"
#include "capture/stack.h"
#include "capture/wait.h"

#define SECOND_NS UINT64_C(1000000000)
#define SAMPLE_NS (SECOND_NS / 4) /* from one example of an object to the next */

static struct {
    uint32_t pid;        /* process that the operations under way are of */
    uint16_t used, free; /* as in python_objects.c */
    struct use at[USES + 1];
} uses;

/* Greenlets: the module's C API (greenlet.h, PyGreenlet_GetCurrent_NUM) once somebody has imported it. */
static struct {
    uint64_t next_ns; /* when to look again whether it was */
    py_object *(*current)(void);
} greenlets;

#define GREENLET_API_CURRENT 4

struct use *python_use_at(uint16_t index)
{
    return &uses.at[index];
}

static COLD void greenlets_find(uint64_t now_ns)
{
    greenlets.next_ns = now_ns + SECOND_NS / 10;
    py_object *modules = PYTHON(PyImport_GetModuleDict)();
    py_object *module = modules ? PYTHON(PyDict_GetItemString)(modules, "greenlet") : NULL;
    py_object *capsule = module ? PYTHON(PyObject_GetAttrString)(module, "_C_API") : NULL;
    if (!capsule) {
        PYTHON(PyErr_Clear)(); /* perhaps it is just being imported */
        return;
    }
    void *const *api = PYTHON(PyCapsule_GetPointer)(capsule, "greenlet._C_API");
    if (api)
        greenlets.current = (py_object * (*)(void)) api[GREENLET_API_CURRENT];
    else
        PYTHON(PyErr_Clear)();
    PYTHON(Py_DecRef)(capsule);
}

uintptr_t python_greenlet(uint64_t now_ns)
{
    if (unlikely(!greenlets.current) && now_ns >= greenlets.next_ns)
        greenlets_find(now_ns);
    if (likely(!greenlets.current))
        return 0;
    py_object *current = greenlets.current();
    if (current)
        PYTHON(Py_DecRef)(current);
    else
        PYTHON(PyErr_Clear)();
    return (uintptr_t)current;
}

static bool enter(struct thread *t, uint64_t now_ns)
{
    if (!recorder_on() || t->in_vfork || !thread_enter(t, FRAME_ADDRESS))
        return false;
    if (t->slot || thread_prepare(t, now_ns))
        return true;
    thread_leave(t);
    return false;
}

/* ---- what is under way ---- */

static void use_free(uint16_t index)
{
    uses.at[index].object = NULL;
    uses.at[index].next = uses.free;
    uses.free = index;
}

/* In a fork's child the other threads are gone, and so is what they were doing. */
static COLD void uses_forked(void)
{
    uses.pid = recorder.pid;
    python_overlap_forget(NULL);
    for (uint16_t i = 1; i <= uses.used; i++) {
        struct use *u = &uses.at[i];
        if (!u->object)
            continue;
        u->overlaps = 0;
        u->object->first = u->object->inside = 0;
    }
    for (uint16_t i = 1; i <= uses.used; i++) {
        struct use *u = &uses.at[i];
        if (!u->object)
            continue;
        if (u->thread != &thread_self) {
            use_free(i);
            continue;
        }
        u->next = u->object->first;
        u->object->first = i;
        u->object->inside++;
    }
}

/* The operation that the calling thread, or fiber, is in on this object; NULL: none. */
static struct use *use_around(const struct python_object *o, const struct thread *t, uintptr_t fiber)
{
    struct use *u = &uses.at[t->use];
    if (likely(t->use && u->object == o && u->thread == t && u->fiber == fiber))
        return u;
    for (uint16_t i = o->first; i; i = u->next) {
        u = &uses.at[i];
        if (u->thread == t && u->fiber == fiber)
            return u;
    }
    return NULL;
}

static uint16_t use_take(void)
{
    uint16_t index = uses.free;
    if (index)
        uses.free = uses.at[index].next;
    else if (uses.used < USES)
        index = ++uses.used;
    return index;
}

static void use_unlink(uint16_t index)
{
    struct use *u = &uses.at[index];
    uint16_t *link = &u->object->first;
    while (*link && *link != index)
        link = &uses.at[*link].next;
    if (*link)
        *link = u->next;
    u->object->inside--;
}

void python_uses_forget(struct python_object *o)
{
    python_overlap_forget(o);
    for (uint16_t i = o->first, next; i; i = next) { /* freed inside a method: by C code that went wrong */
        next = uses.at[i].next;
        use_free(i);
    }
}

/* ---- locks ---- */

/* Which thread has been seen with a lock, in operations on watched objects. One that its maker alone has ever had
   (every Python thread makes and holds one for as long as it lives, so that others can join it) protects nothing. Any
   thread writes here, with or without the GIL. */
#define TAKERS 8192u
#define TAKER_PROBES 32u
#define TAKER_MANY UINT32_MAX

static struct taker {
    uintptr_t lock; /* 0: free */
    uint32_t tid;   /* 0: being entered; TAKER_MANY: more than one thread */
} takers[TAKERS];

static bool lock_is_private(uintptr_t lock, uint32_t tid)
{
    uint32_t at = (uint32_t)(lockset_mix(lock) >> 20) % TAKERS;
    for (uint32_t i = 0; i < TAKER_PROBES; i++, at = (at + 1) % TAKERS) {
        uintptr_t found = load_acquire(&takers[at].lock);
        if (!found && cas_acq_rel(&takers[at].lock, &found, lock)) {
            store_relaxed(&takers[at].tid, tid);
            return locks_maker(lock) == tid;
        }
        if (found != lock)
            continue;
        uint32_t taker = load_relaxed(&takers[at].tid);
        if (taker != tid && taker != TAKER_MANY)
            store_relaxed(&takers[at].tid, TAKER_MANY);
        return taker == tid && locks_maker(lock) == tid;
    }
    return false;
}

static void use_lock(struct use *u, const struct held *h)
{
    for (uint8_t i = 0; i < u->locks; i++)
        if (u->lock[i].lock == h->lock)
            return;
    if (!lock_is_private(h->lock, u->tid) && u->locks < USE_LOCKS)
        u->lock[u->locks++] = *h;
}

/* The interpreter's own locks are no protection: every thread takes the GIL's. */
void lock_entered_inside(const struct held *h)
{
    struct thread *t = &thread_self;
    struct use *u = &uses.at[t->use];
    if (!t->use || !u->object || u->thread != t || python_owns(h->lock))
        return;
    u->flags |= USE_LOCKS_INSIDE;
    use_lock(u, h);
}

static void locks_at_begin(struct use *u)
{
    for (uint16_t i = 0; i < lockset_self.depth; i++)
        if (locks_held(&lockset_self.held[i]))
            use_lock(u, &lockset_self.held[i]);
}

/* ---- begin ---- */

static void use_fill(struct use *u, struct python_object *o, const struct python_method *method, uint64_t now_ns)
{
    struct thread *t = &thread_self;
    u->object = o;
    u->method = method;
    u->thread = t;
    u->state = python_thread();
    u->begin_ns = now_ns;
    u->tid = t->tid;
    u->window = python_window_now(now_ns);
    u->outer = t->use;
    u->inside = o->inside;
    u->overlaps = 0;
    u->flags = method->flags & METHOD_MUTATES ? USE_WRITES : 0;
    u->locks = 0;
    if (unlikely(lockset_self.depth))
        locks_at_begin(u);
}

static void use_enter(uint16_t index, struct python_object *o)
{
    struct use *u = &uses.at[index];
    if (!o->first_tid)
        o->first_tid = u->tid;
    else if (!o->second_tid && o->first_tid != u->tid)
        o->second_tid = u->tid;
    if (unlikely(o->inside)) {
        python_object_number(o, u->begin_ns);
        python_overlap_begin(index);
    }
    u->next = o->first;
    o->first = index;
    o->inside++;
    u->thread->use = index;
    lockset_self.inside = 1;
}

uint16_t python_use_begin(struct python_object *o, const struct python_method *method)
{
    struct thread *t = &thread_self;
    if (unlikely(uses.pid != recorder.pid))
        uses_forked();
    uint64_t now = 0;
    uintptr_t fiber = unlikely(greenlets.current != NULL) ? python_greenlet(now) : 0;
    struct use *around = o->inside ? use_around(o, t, fiber) : NULL;
    if (around) {
        around->flags |= method->flags & METHOD_MUTATES ? USE_WRITES : 0;
        return 0;
    }
    now = clock_now();
    if (unlikely(!greenlets.current) && now >= greenlets.next_ns)
        fiber = python_greenlet(now);
    if (!enter(t, now))
        return 0;
    uint16_t index = use_take();
    if (likely(index != 0)) {
        uses.at[index].fiber = fiber;
        use_fill(&uses.at[index], o, method, now);
        use_enter(index, o);
    }
    thread_leave(t);
    return index;
}

/* ---- end ---- */

static void method_number(struct python_method *m, uint64_t now_ns)
{
    uint32_t cursor = sizeof(struct event_method);
    size_t length = strlen(m->name);
    struct event_method *e = (void *)writer_log_reserve(&recorder.writer, cursor, (uint32_t)length);
    m->written = 1;
    if (!e)
        return;
    e->header.time_ns = now_ns;
    e->id = m->id;
    e->name = writer_log_string(&e->header, &cursor, m->name, length);
    e->flags = m->flags;
    e->reserved = 0;
    writer_log_commit(&e->header, EVENT_METHOD);
}

static void count(const struct use *u, uint64_t now_ns, bool key_error)
{
    struct trace_counter *c = slot_counter(u->thread->slot, CALL_object, u->method->id, u->object->id);
    uint64_t duration = now_ns - u->begin_ns;
    if (unlikely(!c)) {
        writer_lose(&recorder.writer, TRACE_LOST_RING_FULL, 1);
        return;
    }
    if (!c->count)
        c->first_ns = u->begin_ns;
    c->total_ns += duration;
    c->max_ns = duration > c->max_ns ? duration : c->max_ns;
    c->failed += key_error;
    c->bytes += (u->flags & (USE_FOUND | USE_LOCKS_INSIDE)) == USE_FOUND;
    c->last_ns = now_ns;
    store_release(&c->count, c->count + 1);
}

/* 0: the thread that used the object first, 1: the one that did so second, 2: another one. */
static unsigned thread_rank(const struct python_object *o, const struct use *u)
{
    return u->tid == o->first_tid ? 0 : u->tid == o->second_tid ? 1 : 2;
}

/* Whether this method has not been used with these locks yet: by the object's first thread, its second one or others,
   before it was shared or since. The set is told by its addresses alone, which costs no look-up. */
static bool combination_new(struct python_object *o, const struct use *u)
{
    uint64_t h = u->method->id;
    for (uint8_t i = 0; i < u->locks; i++)
        h ^= lockset_mix(u->lock[i].lock);
    h = (h << 3 | (uint64_t)(o->second_tid != 0) << 2 | thread_rank(o, u)) * UINT64_C(0x9E3779B97F4A7C15);
    uint32_t key = (uint32_t)(h >> 32) | 1;
    for (size_t i = 0; i < PYTHON_COMBINATIONS; i++) {
        if (o->combinations[i] == key)
            return false;
        if (!o->combinations[i]) {
            o->combinations[i] = key;
            return true;
        }
    }
    return false;
}

static void write_mutate(const struct use *u, uint64_t now_ns, uint32_t locks, uint32_t stack, bool raised)
{
    struct thread *t = u->thread;
    bool overlapped = (u->flags & (USE_OVERLAPPED | USE_LOCKS_INSIDE)) == USE_OVERLAPPED;
    struct event_mutate *e = writer_ring_reserve(&recorder.writer, &t->ring, t->slot->number);
    if (!e)
        return;
    memset(e, 0, sizeof(*e));
    e->header = (struct event_header){EVENT_MAGIC, EVENT_MUTATE, sizeof(*e), u->begin_ns};
    e->duration_ns = now_ns - u->begin_ns;
    e->fiber = u->fiber;
    e->tid = u->tid;
    e->slot = t->slot->number;
    e->stack = stack;
    e->object = u->object->id;
    e->method = u->method->id;
    e->locks = locks;
    e->flags = (uint16_t)((u->window ? MUTATE_WINDOW : 0) | (raised ? MUTATE_RAISED : 0) |
                          (overlapped ? MUTATE_OVERLAPPED : 0) | (u->flags & USE_WRITES ? MUTATE_WRITE : 0));
    e->inside = u->inside;
    e->window = u->window;
    writer_ring_commit(t->ring);
}

static void use_record(struct use *u, uint16_t index, uint64_t now_ns, bool raised, bool key_error)
{
    struct python_object *o = u->object;
    struct python_method *m = (struct python_method *)u->method;
    python_object_number(o, now_ns);
    if (unlikely(!m->written))
        method_number(m, now_ns);
    count(u, now_ns, key_error);
    bool own = o->id != OBJECT_OVERFLOW_ID;
    bool example = own && (combination_new(o, u) || (now_ns >= o->sample_ns && o->second_tid));
    uint32_t locks = u->locks && (example || u->overlaps || u->window) ? locks_set_of(u->lock, u->locks) : 0;
    if (unlikely(u->overlaps))
        python_overlap_end(index, locks);
    if (likely(!example && !(u->window && own)))
        return;
    if (example)
        o->sample_ns = now_ns + SAMPLE_NS;
    write_mutate(u, now_ns, locks, example ? stack_capture(u->thread) : 0, raised);
}

void python_use_end(uint16_t index, bool raised)
{
    struct use *u = &uses.at[index];
    struct thread *t = &thread_self;
    struct python_object *o = u->object;
    uint64_t now = clock_now();
    bool key_error = raised && PYTHON(PyErr_ExceptionMatches)(*(py_object **)PYTHON(PyExc_KeyError));
    if (!o || u->thread != t)
        return;
    t->use = uses.at[u->outer].object && uses.at[u->outer].thread == t ? u->outer : 0;
    lockset_self.inside = t->use != 0;
    use_unlink(index);
    if (enter(t, now)) {
        use_record(u, index, now, raised, key_error);
        if (unlikely(now >= o->drift.next_ns) && !raised)
            python_drift_check(o, now);
        thread_leave(t);
    }
    use_free(index);
}
