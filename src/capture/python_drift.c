/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/python_drift.h"

#include <string.h>

#include "capture/recorder.h"

#define SECOND_NS UINT64_C(1000000000)
#define FIRST_NS UINT64_C(50000000)   /* from one look to the next, at first */
#define SELDOM_NS UINT64_C(250000000) /* later, at least */
#define FIRST_CHECKS 20u
#define COST_SHARE 1000u
#define PATIENCE_NS SECOND_NS     /* that is waited for a moment when nobody is inside */
#define ENTRIES_MAX 50000         /* whose sizes are added up; larger ones are not looked at */
#define AGAIN_NS (60 * SECOND_NS) /* from one attempt to the next, where there is no account to check */
#define RECORDS_FIRST 32u         /* then the time between two doubles, up to 64 s */

/* Names of attributes, private ones as Python mangles them. */
static const char counter_name[] = "_Cache__currsize", data_name[] = "_Cache__data", sizes_name[] = "_Cache__size";
static const char *const link_names[] = {NULL,
                                         "_TTLCache__links",
                                         "_LRUCache__order",
                                         "_TLRUCache__items",
                                         "_LFUCache__counter",
                                         "_MRUCache__order",
                                         "_FIFOCache__order"};
#define LINKS_NONE 0xff

static struct {
    py_object *counter, *data, *sizes; /* interned names */
    py_object *links[ARRAY_SIZE(link_names)];
} names;

struct figures {
    int64_t counter, content;
    uint32_t entries, links, flags;
    bool sized; /* entries are of different size */
};

/* The attribute, which the object keeps alive; NULL: it has none. Not what __getattr__ would make up. */
static py_object *attribute(py_object *object, py_object **name, const char *text)
{
    if (!*name)
        *name = PYTHON(PyUnicode_InternFromString)(text);
    py_object *value = *name ? PYTHON(PyObject_GenericGetAttr)(object, *name) : NULL;
    if (value)
        PYTHON(Py_DecRef)(value);
    else
        PYTHON(PyErr_Clear)();
    return value;
}

static bool is_dict(py_object *object)
{
    return object && PYTHON(PyType_IsSubtype)(python_type_of(object), PYTHON(PyDict_Type));
}

static bool number_read(py_object *object, double *out)
{
    if (python_type_of(object) == PYTHON(PyFloat_Type)) {
        *out = PYTHON(PyFloat_AsDouble)(object);
        return *out > -1e15 && *out < 1e15;
    }
    if (python_type_of(object) != PYTHON(PyLong_Type))
        return false;
    long long value = PYTHON(PyLong_AsLongLong)(object);
    if (value == -1) /* or too large for it */
        PYTHON(PyErr_Clear)();
    *out = (double)value;
    return true;
}

static bool sizes_add(py_object *sizes, double *sum)
{
    py_object *key, *value;
    ssize_t at = 0;
    double size;
    *sum = 0;
    while (PYTHON(PyDict_Next)(sizes, &at, &key, &value)) {
        if (!number_read(value, &size))
            return false;
        *sum += size;
    }
    return true;
}

static uint32_t links_count(struct python_class *class, py_object *object, uint32_t *flags)
{
    py_object *links = NULL;
    if (class->links && class->links != LINKS_NONE)
        links = attribute(object, &names.links[class->links], link_names[class->links]);
    for (uint8_t i = 1; !class->links && i < ARRAY_SIZE(link_names); i++)
        if ((links = attribute(object, &names.links[i], link_names[i])))
            class->links = i;
    if (!class->links)
        class->links = LINKS_NONE;
    if (!is_dict(links)) {
        *flags |= DRIFT_NO_LINKS;
        return 0;
    }
    return (uint32_t)PYTHON(PyDict_Size)(links);
}

/* false: this object is none whose account can be checked. */
static bool figures_read(const struct python_object *o, struct figures *f)
{
    py_object *counter = attribute(o->address, &names.counter, counter_name);
    py_object *data = attribute(o->address, &names.data, data_name);
    py_object *sizes = attribute(o->address, &names.sizes, sizes_name);
    double count, sum;
    memset(f, 0, sizeof(*f));
    if (!counter || !sizes || !is_dict(data) || !number_read(counter, &count))
        return false;
    f->entries = (uint32_t)PYTHON(PyDict_Size)(data);
    sum = f->entries; /* where no sizes are kept every entry counts as one */
    f->sized = is_dict(sizes);
    if (f->sized && (f->entries > ENTRIES_MAX || !sizes_add(sizes, &sum)))
        return false;
    f->counter = (int64_t)count;
    f->content = (int64_t)sum;
    f->links = links_count(o->class, o->address, &f->flags);
    return true;
}

static void write_drift(const struct python_object *o, const struct figures *f, uint64_t now_ns)
{
    static const char counter[] = "currsize", content[] = "sum of sizes";
    uint32_t cursor = sizeof(struct event_drift);
    struct event_drift *e = (void *)writer_log_reserve(&recorder.writer, cursor, sizeof(counter) + sizeof(content) - 2);
    if (!e)
        return;
    e->header.time_ns = now_ns;
    e->counter = f->counter;
    e->content = f->content;
    e->checks = o->drift.checks;
    e->object = o->id;
    e->flags = f->flags;
    e->entries = f->entries;
    e->links = f->links;
    e->counter_name = writer_log_string(&e->header, &cursor, counter, sizeof(counter) - 1);
    e->content_name = writer_log_string(&e->header, &cursor, content, sizeof(content) - 1);
    writer_log_commit(&e->header, EVENT_DRIFT);
}

/* One number for both disagreements: of the counter, and of the order. */
static int64_t difference_of(const struct figures *f)
{
    int64_t links = f->flags & DRIFT_NO_LINKS ? 0 : (int64_t)f->links - (int64_t)f->entries;
    return (f->counter - f->content) * 65537 + links;
}

static bool worth_recording(const struct python_drift *d, int64_t difference, uint64_t now_ns)
{
    uint32_t doubled = d->records > RECORDS_FIRST ? d->records - RECORDS_FIRST : 0;
    if (d->checks == 1)
        return true;
    return difference != d->difference && now_ns - d->recorded_ns >= SECOND_NS << (doubled < 6 ? doubled : 6);
}

/* What is under way accounts for one entry an operation: a larger difference is there to stay. */
static bool certain(const struct python_object *o, const struct figures *f)
{
    int64_t difference = f->counter > f->content ? f->counter - f->content : f->content - f->counter;
    return !o->inside || (!f->sized && difference > o->inside);
}

void python_drift_check(struct python_object *o, uint64_t now_ns)
{
    struct python_drift *d = &o->drift;
    struct figures f;
    if (o->inside && now_ns < d->next_ns + PATIENCE_NS)
        return;
    if (!figures_read(o, &f) || !certain(o, &f)) {
        d->next_ns = now_ns + (o->inside ? 0 : AGAIN_NS);
        return;
    }
    d->checks++;
    int64_t difference = difference_of(&f);
    if (worth_recording(d, difference, now_ns) && o->id != OBJECT_OVERFLOW_ID) {
        write_drift(o, &f, now_ns);
        d->difference = difference;
        d->recorded_ns = now_ns;
        d->records++;
    }
    uint64_t least = d->checks < FIRST_CHECKS ? FIRST_NS : SELDOM_NS;
    uint64_t cost = (clock_now() - now_ns) * COST_SHARE;
    d->next_ns = now_ns + (cost > least ? cost : least);
}
