/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/facts.h"

#include <string.h>

#include "capture/endpoint.h"
#include "capture/interned.h"
#include "capture/recorder.h"

#define PROTOCOLS_MAX 1024u
#define ADDRESSES_MAX 1024u
#define NAME_MAX_BYTES 256u

INTERNED(protocols, PROTOCOLS_MAX);
INTERNED(addresses, ADDRESSES_MAX);

static void write_protocol(const struct conversation *c, uint16_t flags, const char *name, size_t length)
{
    uint32_t cursor = sizeof(struct event_protocol);
    struct event_protocol *e = (void *)writer_log_reserve(&recorder.writer, cursor, (uint32_t)length);
    if (!e)
        return;
    e->header.time_ns = clock_now();
    e->endpoint = c->endpoint;
    e->protocol = c->wire.protocol;
    e->flags = flags;
    e->name = writer_log_string(&e->header, &cursor, name, length);
    e->reserved = 0;
    writer_log_commit(&e->header, EVENT_PROTOCOL);
}

void fact_protocol(struct conversation *c, const char *name, size_t length)
{
    uint16_t flags = (uint16_t)((c->flags & CONVERSATION_TLS ? PROTOCOL_TLS : 0) |
                                (c->flags & CONVERSATION_EARLIER ? PROTOCOL_EARLIER : 0));
    bool fresh;
    length = length < NAME_MAX_BYTES ? length : NAME_MAX_BYTES;
    c->announced = (uint32_t)c->wire.protocol << 1 | ((flags & PROTOCOL_TLS) != 0);
    if (c->wire.protocol == WIRE_UNKNOWN)
        return;
    uint64_t h = ((uint64_t)c->endpoint << 32) | ((uint64_t)c->wire.protocol << 16) | flags;
    interned_enter(&protocols, hash_end(hash_text(h, name, length)), &fresh);
    if (fresh)
        write_protocol(c, flags, name, length);
}

static void write_address(const char *name, size_t length, const char *text, size_t text_length)
{
    uint32_t cursor = sizeof(struct event_address);
    struct event_address *e = (void *)writer_log_reserve(&recorder.writer, cursor, (uint32_t)(length + text_length));
    if (!e)
        return;
    e->header.time_ns = clock_now();
    e->name = writer_log_string(&e->header, &cursor, name, length);
    e->address = writer_log_string(&e->header, &cursor, text, text_length);
    writer_log_commit(&e->header, EVENT_ADDRESS);
}

/* The text of an endpoint up to its port. */
static size_t without_port(const char *text, size_t length)
{
    while (length && text[length - 1] != ':')
        length--;
    return length ? length - 1 : 0;
}

void fact_address(const char *name, const struct sockaddr *address, socklen_t length)
{
    char text[ENDPOINT_TEXT_MAX];
    enum endpoint_kind kind;
    bool fresh;
    size_t n = endpoint_format(address, length, text, &kind);
    if (!name || !recorder_on() || (kind != ENDPOINT_INET && kind != ENDPOINT_INET6))
        return;
    n = without_port(text, n);
    size_t named = strnlen(name, NAME_MAX_BYTES);
    size_t bare = kind == ENDPOINT_INET6 ? 1 : 0; /* [::1] */
    if (named == n - 2 * bare && memcmp(name, text + bare, named) == 0)
        return;
    uint64_t h = hash_end(hash_text(hash_text(0, name, named), text, n));
    interned_enter(&addresses, h, &fresh);
    if (fresh && !writer_log_scarce(&recorder.writer))
        write_address(name, named, text, n);
}
