/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/python_objects.h"

#include <string.h>

#include "base/sys.h"
#include "capture/python.h"
#include "capture/python_use.h"
#include "capture/recorder.h"
#include "capture/stack.h"
#include "capture/thread.h"

#define CLASSES 256u
#define BUCKETS 4096u
#define NUMBERS_MAX 1024u  /* objects with a number of their own in the trace; */
#define NUMBERS_ALONE 512u /* of which so many may be used by one thread only */

static struct {
    uint32_t class_count;
    uint32_t numbers;
    uint16_t used, free; /* objects[1 … used] were used once; those of `free` are free again */
    uint16_t buckets[BUCKETS];
    struct python_class classes[CLASSES];
    struct python_object objects[PYTHON_OBJECTS + 1]; /* the first one stands for none */
} table;

static uint16_t *bucket_of(const py_object *address)
{
    return &table.buckets[((uintptr_t)address * UINT64_C(0x9E3779B97F4A7C15)) >> 52];
}

_Static_assert(BUCKETS == 1u << (64 - 52), "bucket_of");

/* ---- classes ---- */

struct python_class *python_class_find(const py_object *type)
{
    for (uint32_t i = table.class_count; i-- > 0;)
        if (table.classes[i].type == type)
            return &table.classes[i];
    return NULL;
}

/* ---- birth and death ---- */

static void object_born(py_object *address, py_object *type)
{
    struct python_class *class = python_class_find(type);
    uint16_t flags = 0, at = table.free ? table.free : (uint16_t)(table.used + 1);
    if (!class || at > PYTHON_OBJECTS || !recorder_on() || python_object_find(address))
        return;
    struct python_object *o = &table.objects[at];
    if (table.free)
        table.free = o->next;
    else
        table.used = at;
    memset(o, 0, sizeof(*o));
    o->address = address;
    o->class = class;
    o->frames = (uint8_t)python_frames(o->birth, PYTHON_BIRTH_FRAMES, &flags);
    o->born_tid = thread_self.tid ? thread_self.tid : (uint32_t)sys_gettid();
    o->next = *bucket_of(address);
    *bucket_of(address) = at;
}

struct python_object *python_object_find(const py_object *address)
{
    for (uint16_t at = *bucket_of(address); at; at = table.objects[at].next)
        if (table.objects[at].address == address)
            return &table.objects[at];
    return NULL;
}

static void object_died(const py_object *address)
{
    for (uint16_t *link = bucket_of(address); *link; link = &table.objects[*link].next) {
        struct python_object *o = &table.objects[*link];
        uint16_t at = *link;
        if (o->address != address)
            continue;
        python_uses_forget(o);
        *link = o->next;
        o->address = NULL;
        o->next = table.free;
        table.free = at;
        return;
    }
}

static py_object *type_alloc(py_object *type, ssize_t items)
{
    py_object *made = PYTHON(PyType_GenericAlloc)(type, items);
    if (likely(made != NULL))
        object_born(made, type);
    return made;
}

static void type_free_gc(void *memory)
{
    object_died(memory);
    PYTHON(PyObject_GC_Del)(memory);
}

static void type_free(void *memory)
{
    object_died(memory);
    PYTHON(PyObject_Free)(memory);
}

/* What type.__new__ gives to every class. One that has something else, of a base in C, is left alone. */
static bool class_follow(py_object *type)
{
    bool gc = *python_word(type, PYTHON_TYPE_FLAG_WORD) & PYTHON_FLAG_GC;
    uintptr_t usual = gc ? (uintptr_t)PYTHON(PyObject_GC_Del) : (uintptr_t)PYTHON(PyObject_Free);
    if (*python_word(type, PYTHON_TYPE_ALLOC) != (uintptr_t)PYTHON(PyType_GenericAlloc) ||
        *python_word(type, PYTHON_TYPE_FREE) != usual)
        return false;
    *python_word(type, PYTHON_TYPE_ALLOC) = (uintptr_t)type_alloc;
    *python_word(type, PYTHON_TYPE_FREE) = gc ? (uintptr_t)type_free_gc : (uintptr_t)type_free;
    return true;
}

static void text_copy(char out[PYTHON_CLASS_TEXT], const char *text)
{
    size_t n = strnlen(text, PYTHON_CLASS_TEXT - 1);
    memcpy(out, text, n);
    out[n] = '\0';
}

struct python_class *python_class_enter(py_object *type, const struct python_rule *rule, const char *module,
                                        const char *name)
{
    struct python_class *class = python_class_find(type); /* of a type that is gone, and whose address this one has */
    if ((!class && table.class_count == CLASSES) || !class_follow(type))
        return NULL;
    if (!class)
        class = &table.classes[table.class_count++];
    memset(class, 0, sizeof(*class));
    class->type = type;
    class->rule = rule;
    text_copy(class->module, module);
    text_copy(class->name, name);
    return class;
}

/* ---- the trace ---- */

static void write_object(const struct python_object *o, uint32_t stack, uint64_t now_ns)
{
    uint32_t cursor = sizeof(struct event_object);
    size_t module = strlen(o->class->module), name = strlen(o->class->name);
    struct event_object *e = (void *)writer_log_reserve(&recorder.writer, cursor, (uint32_t)(module + name));
    if (!e)
        return;
    e->header.time_ns = now_ns;
    e->address = (uintptr_t)o->address;
    e->id = o->id;
    e->stack = stack;
    e->tid = o->born_tid ? o->born_tid : thread_self.tid;
    e->module = writer_log_string(&e->header, &cursor, o->class->module, module);
    e->class = writer_log_string(&e->header, &cursor, o->class->name, name);
    e->flags = o->frames ? OBJECT_BORN : 0;
    writer_log_commit(&e->header, EVENT_OBJECT);
}

static uint32_t number_give(const struct python_object *o)
{
    if (table.numbers >= (o->second_tid ? NUMBERS_MAX : NUMBERS_ALONE))
        return OBJECT_OVERFLOW_ID;
    return OBJECT_OVERFLOW_ID + ++table.numbers;
}

/* A fork's child keeps the number, and writes the record anew: stacks belong to one trace. */
void python_object_number(struct python_object *o, uint64_t now_ns)
{
    if (likely(o->pid == recorder.pid && (o->id != OBJECT_OVERFLOW_ID || !o->second_tid || o->refused)))
        return;
    o->pid = recorder.pid;
    if (o->id <= OBJECT_OVERFLOW_ID)
        o->id = number_give(o);
    o->refused = o->id == OBJECT_OVERFLOW_ID && o->second_tid;
    if (o->id == OBJECT_OVERFLOW_ID)
        return;
    write_object(o, o->frames ? stack_python(o->birth, o->frames) : stack_capture(&thread_self), now_ns);
}
