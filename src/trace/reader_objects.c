/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What LOG events say about watched objects and the methods that operate on them. */
#include "trace/reader_private.h"

#include <errno.h>

static const char *event_text(struct trace *t, const union trace_event *e, event_str_t str)
{
    return reader_text(&t->memory, (const uint8_t *)e + str.offset, str.length);
}

static int born_add(struct trace *t, const union trace_event *e)
{
    struct trace_object *o = reader_list_add(&t->objects, sizeof(*o));
    if (!o)
        return -ENOMEM;
    o->id = e->object.id;
    o->stack = e->object.stack;
    o->address = e->object.address;
    o->time_ns = e->header.time_ns;
    o->tid = e->object.tid;
    o->flags = e->object.flags;
    o->module = event_text(t, e, e->object.module);
    o->class = event_text(t, e, e->object.class);
    return o->module && o->class ? 0 : -ENOMEM;
}

static int method_add(struct trace *t, const union trace_event *e)
{
    struct trace_method *m = reader_list_add(&t->methods, sizeof(*m));
    if (!m)
        return -ENOMEM;
    m->id = e->method.id;
    m->flags = e->method.flags;
    m->name = event_text(t, e, e->method.name);
    return m->name ? 0 : -ENOMEM;
}

int object_add(struct trace *t, const union trace_event *e)
{
    return e->header.type == EVENT_OBJECT ? born_add(t, e) : method_add(t, e);
}

static int number_find(const void *a, const void *b)
{
    return number_compare(*(const uint32_t *)a, *(const uint32_t *)b);
}
_Static_assert(offsetof(struct trace_object, id) == 0 && offsetof(struct trace_method, id) == 0, "number_find");

void objects_finish(struct trace *t)
{
    reader_list_sort_by_id(&t->objects, sizeof(struct trace_object));
    reader_list_sort_by_id(&t->methods, sizeof(struct trace_method));
}

size_t trace_object_count(const struct trace *t)
{
    return t->objects.count;
}

const struct trace_object *trace_object_at(const struct trace *t, size_t i)
{
    const struct trace_object *all = t->objects.items;
    return i < t->objects.count ? &all[i] : NULL;
}

const struct trace_object *trace_object_find(const struct trace *t, uint32_t id)
{
    return reader_list_find(&t->objects, sizeof(struct trace_object), &id, number_find);
}

const struct trace_method *trace_method_find(const struct trace *t, uint32_t id)
{
    return reader_list_find(&t->methods, sizeof(struct trace_method), &id, number_find);
}
