/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What LOG events define and other events refer to by number: endpoints, code objects; and notes. */
#include "trace/reader_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *event_text(struct trace *t, const union trace_event *e, event_str_t str)
{
    return reader_text(&t->memory, (const uint8_t *)e + str.offset, str.length);
}

static int endpoint_add(struct trace *t, const union trace_event *e)
{
    struct trace_endpoint *p = reader_list_add(&t->endpoints, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->id = e->endpoint.id;
    p->kind = e->endpoint.kind <= ENDPOINT_LOCK ? (enum endpoint_kind)e->endpoint.kind : ENDPOINT_OTHER;
    p->role = e->endpoint.role <= ROLE_LISTENER ? (enum endpoint_role)e->endpoint.role : ROLE_NONE;
    p->pc = e->endpoint.pc;
    p->modules = e->endpoint.modules;
    p->text = event_text(t, e, e->endpoint.text);
    return p->text ? 0 : -ENOMEM;
}

static int module_add(struct trace *t, const union trace_event *e)
{
    struct trace_module *m = reader_list_add(&t->modules, sizeof(*m));
    if (!m)
        return -ENOMEM;
    m->start = e->module.start;
    m->end = e->module.end;
    m->bias = e->module.bias;
    m->loaded = e->module.loaded;
    m->unloaded = UINT32_MAX;
    m->path = event_text(t, e, e->module.path);
    event_str_t id = e->module.build_id;
    if (id.length <= sizeof(m->build_id)) { /* a longer one cannot be compared: as good as none */
        memcpy(m->build_id, (const uint8_t *)e + id.offset, id.length);
        m->build_id_size = (uint8_t)id.length;
    }
    return m->path ? 0 : -ENOMEM;
}

static int unload_add(struct trace *t, const union trace_event *e)
{
    struct unload *u = reader_list_add(&t->unloads, sizeof(*u));
    if (!u)
        return -ENOMEM;
    *u = (struct unload){e->unload.start, e->unload.unloaded};
    return 0;
}

static int code_add(struct trace *t, const union trace_event *e)
{
    struct trace_code *c = reader_list_add(&t->codes, sizeof(*c));
    if (!c)
        return -ENOMEM;
    event_str_t table = e->code.linetable;
    c->id = e->code.id;
    c->first_line = e->code.first_line;
    c->version = e->code.version;
    c->name = event_text(t, e, e->code.name);
    c->file = event_text(t, e, e->code.file);
    c->linetable = reader_bytes(&t->memory, (const uint8_t *)e + table.offset, table.length);
    c->linetable_size = table.length;
    return c->name && c->file && c->linetable ? 0 : -ENOMEM;
}

static int note_add(struct trace *t, const union trace_event *e)
{
    struct trace_note *n = reader_list_add(&t->notes, sizeof(*n));
    if (!n)
        return -ENOMEM;
    n->time_ns = e->header.time_ns;
    n->severity = e->note.severity;
    n->text = event_text(t, e, e->note.text);
    return n->text ? 0 : -ENOMEM;
}

static int ksym_add(struct trace *t, const union trace_event *e)
{
    struct trace_ksym *k = reader_list_add(&t->ksyms, sizeof(*k));
    if (!k)
        return -ENOMEM;
    k->start = e->ksym.start;
    k->end = e->ksym.end;
    k->name = event_text(t, e, e->ksym.name);
    k->module = event_text(t, e, e->ksym.module);
    return k->name && k->module ? 0 : -ENOMEM;
}

static int symbol_add(struct trace *t, const union trace_event *e)
{
    struct trace_symbol *s = reader_list_add(&t->symbols, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->start = e->symbol.start;
    s->end = e->symbol.end;
    s->loaded = e->symbol.loaded;
    s->name = event_text(t, e, e->symbol.name);
    return s->name ? 0 : -ENOMEM;
}

int definition_add(struct trace *t, const union trace_event *e)
{
    switch (e->header.type) {
    case EVENT_ENDPOINT:
        return endpoint_add(t, e);
    case EVENT_MODULE:
        return module_add(t, e);
    case EVENT_UNLOAD:
        return unload_add(t, e);
    case EVENT_CODE:
        return code_add(t, e);
    case EVENT_NOTE:
        return note_add(t, e);
    case EVENT_KSYM:
        return ksym_add(t, e);
    case EVENT_LOCK:
    case EVENT_LOCKSET:
    case EVENT_SHARED:
        return lock_add(t, e);
    case EVENT_SYMBOL:
        return symbol_add(t, e);
    default:
        return definition_talk_add(t, e);
    }
}

/* Both start with their number, which the file's order follows but for concurrent writers. */
static int id_compare(const void *a, const void *b)
{
    return number_compare(*(const uint32_t *)a, *(const uint32_t *)b);
}
_Static_assert(offsetof(struct trace_endpoint, id) == 0 && offsetof(struct trace_code, id) == 0, "id_compare");

void reader_list_sort_by_id(struct list *l, size_t item_size)
{
    uint8_t *items = l->items;
    size_t kept = 0;
    if (l->count)
        qsort(items, l->count, item_size, id_compare);
    for (size_t i = 0; i < l->count; i++) {
        uint8_t *item = items + i * item_size;
        if (kept && id_compare(items + (kept - 1) * item_size, item) == 0)
            continue;
        if (kept != i)
            memcpy(items + kept * item_size, item, item_size);
        kept++;
    }
    l->count = kept;
}

static int ksym_compare(const void *a, const void *b)
{
    return number_compare(((const struct trace_ksym *)a)->start, ((const struct trace_ksym *)b)->start);
}

void definitions_finish(struct trace *t)
{
    if (t->ksyms.count)
        qsort(t->ksyms.items, t->ksyms.count, sizeof(struct trace_ksym), ksym_compare);
    reader_list_sort_by_id(&t->endpoints, sizeof(struct trace_endpoint));
    reader_list_sort_by_id(&t->codes, sizeof(struct trace_code));
    definitions_talk_finish(t);
    locks_finish(t);
}

void *reader_list_find(const struct list *l, size_t item_size, const void *key,
                       int (*compare)(const void *, const void *))
{
    return l->count ? bsearch(key, l->items, l->count, item_size, compare) : NULL;
}

size_t trace_endpoint_count(const struct trace *t)
{
    return t->endpoints.count;
}

const struct trace_endpoint *trace_endpoint_at(const struct trace *t, size_t i)
{
    const struct trace_endpoint *all = t->endpoints.items;
    return i < t->endpoints.count ? &all[i] : NULL;
}

const struct trace_endpoint *trace_endpoint_find(const struct trace *t, uint32_t id)
{
    return reader_list_find(&t->endpoints, sizeof(struct trace_endpoint), &id, id_compare);
}

const struct trace_code *trace_code_find(const struct trace *t, uint32_t id)
{
    return reader_list_find(&t->codes, sizeof(struct trace_code), &id, id_compare);
}

const struct trace_ksym *trace_ksym_find(const struct trace *t, uint64_t pc)
{
    const struct trace_ksym *all = t->ksyms.items;
    size_t low = 0, high = t->ksyms.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (all[middle].start <= pc)
            low = middle + 1;
        else
            high = middle;
    }
    return low && pc < all[low - 1].end ? &all[low - 1] : NULL;
}

size_t trace_note_count(const struct trace *t)
{
    return t->notes.count;
}

const struct trace_note *trace_note_at(const struct trace *t, size_t i)
{
    const struct trace_note *all = t->notes.items;
    return i < t->notes.count ? &all[i] : NULL;
}
