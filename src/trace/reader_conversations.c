/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What LOG events say about conversations: operations and keys by number, protocols of endpoints, looked-up names. */
#include "trace/reader_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *event_text(struct trace *t, const union trace_event *e, event_str_t str)
{
    return reader_text(&t->memory, (const uint8_t *)e + str.offset, str.length);
}

static int operation_add(struct trace *t, const union trace_event *e)
{
    struct trace_operation *o = reader_list_add(&t->operations, sizeof(*o));
    if (!o)
        return -ENOMEM;
    o->id = e->operation.id;
    o->endpoint = e->operation.endpoint;
    o->protocol = e->operation.protocol;
    o->role = e->operation.role <= ROLE_LISTENER ? (enum endpoint_role)e->operation.role : ROLE_NONE;
    o->flags = e->operation.flags;
    o->verb = event_text(t, e, e->operation.verb);
    o->text = event_text(t, e, e->operation.text);
    return o->verb && o->text ? 0 : -ENOMEM;
}

static int key_add(struct trace *t, const union trace_event *e)
{
    struct trace_key *k = reader_list_add(&t->keys, sizeof(*k));
    if (!k)
        return -ENOMEM;
    k->id = e->key.id;
    k->hash = e->key.hash;
    k->text = event_text(t, e, e->key.text);
    return k->text ? 0 : -ENOMEM;
}

static int protocol_add(struct trace *t, const union trace_event *e)
{
    struct trace_protocol *p = reader_list_add(&t->protocols, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->endpoint = e->protocol.endpoint;
    p->protocol = e->protocol.protocol;
    p->flags = e->protocol.flags;
    p->time_ns = e->header.time_ns;
    p->name = event_text(t, e, e->protocol.name);
    return p->name ? 0 : -ENOMEM;
}

static int address_add(struct trace *t, const union trace_event *e)
{
    struct trace_address *a = reader_list_add(&t->addresses, sizeof(*a));
    if (!a)
        return -ENOMEM;
    a->name = event_text(t, e, e->address.name);
    a->address = event_text(t, e, e->address.address);
    return a->name && a->address ? 0 : -ENOMEM;
}

int definition_talk_add(struct trace *t, const union trace_event *e)
{
    switch (e->header.type) {
    case EVENT_OPERATION:
        return operation_add(t, e);
    case EVENT_KEY:
        return key_add(t, e);
    case EVENT_PROTOCOL:
        return protocol_add(t, e);
    case EVENT_ADDRESS:
        return address_add(t, e);
    default:
        return 0;
    }
}

static int number_find(const void *a, const void *b)
{
    return number_compare(*(const uint32_t *)a, *(const uint32_t *)b);
}
_Static_assert(offsetof(struct trace_operation, id) == 0 && offsetof(struct trace_key, id) == 0, "number_find");

/* By endpoint, then by time. */
static int protocol_compare(const void *a, const void *b)
{
    const struct trace_protocol *x = a, *y = b;
    int by_endpoint = number_compare(x->endpoint, y->endpoint);
    return by_endpoint ? by_endpoint : number_compare(x->time_ns, y->time_ns);
}

static int address_compare(const void *a, const void *b)
{
    const struct trace_address *x = a, *y = b;
    return strcmp(x->address, y->address);
}

void definitions_talk_finish(struct trace *t)
{
    reader_list_sort_by_id(&t->operations, sizeof(struct trace_operation));
    reader_list_sort_by_id(&t->keys, sizeof(struct trace_key));
    if (t->protocols.count)
        qsort(t->protocols.items, t->protocols.count, sizeof(struct trace_protocol), protocol_compare);
    if (t->addresses.count)
        qsort(t->addresses.items, t->addresses.count, sizeof(struct trace_address), address_compare);
}

size_t trace_operation_count(const struct trace *t)
{
    return t->operations.count;
}

const struct trace_operation *trace_operation_at(const struct trace *t, size_t i)
{
    const struct trace_operation *all = t->operations.items;
    return i < t->operations.count ? &all[i] : NULL;
}

const struct trace_operation *trace_operation_find(const struct trace *t, uint32_t id)
{
    return reader_list_find(&t->operations, sizeof(struct trace_operation), &id, number_find);
}

const struct trace_key *trace_key_find(const struct trace *t, uint32_t id)
{
    return reader_list_find(&t->keys, sizeof(struct trace_key), &id, number_find);
}

size_t trace_protocol_count(const struct trace *t)
{
    return t->protocols.count;
}

const struct trace_protocol *trace_protocol_at(const struct trace *t, size_t i)
{
    const struct trace_protocol *all = t->protocols.items;
    return i < t->protocols.count ? &all[i] : NULL;
}

size_t trace_address_count(const struct trace *t)
{
    return t->addresses.count;
}

const struct trace_address *trace_address_at(const struct trace *t, size_t i)
{
    const struct trace_address *all = t->addresses.items;
    return i < t->addresses.count ? &all[i] : NULL;
}

const struct trace_address *trace_address_find(const struct trace *t, const char *address)
{
    struct trace_address key = {.address = address};
    return reader_list_find(&t->addresses, sizeof(key), &key, address_compare);
}
