/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/nameserver.h"

#include <netinet/in.h>
#include <string.h>

#include "base/sys.h"
#include "capture/conversation.h"
#include "capture/endpoint.h"
#include "capture/fdtable.h"
#include "capture/recorder.h"
#include "capture/thread.h"

#define DNS_PORT 53
#define ASKED 256u
#define PROBES 16u

static struct asked {
    uint64_t key;          /* any: descriptor + 1 and endpoint; 0: free */
    uint32_t conversation; /* any: 0: not yet, or no room */
} table[ASKED];

bool nameserver_is(const struct sockaddr *address, socklen_t length)
{
    in_port_t port = 0;
    if (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in))
        memcpy(&port, (const char *)address + offsetof(struct sockaddr_in, sin_port), sizeof(port));
    else if (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6))
        memcpy(&port, (const char *)address + offsetof(struct sockaddr_in6, sin6_port), sizeof(port));
    return port == htons(DNS_PORT);
}

static uint64_t key_of(int fd, uint32_t endpoint)
{
    return ((uint64_t)(uint32_t)fd + 1) << 32 | endpoint;
}

static struct asked *probe(uint64_t key, uint32_t i)
{
    return &table[((key * UINT64_C(0x9E3779B97F4A7C15) >> 32) + i) % ASKED];
}

static struct asked *asked_find(uint64_t key)
{
    for (uint32_t i = 0; i < PROBES; i++)
        if (load_acquire(&probe(key, i)->key) == key)
            return probe(key, i);
    return NULL;
}

/* NULL: there is no room near its place. */
static struct asked *asked_enter(uint64_t key)
{
    for (uint32_t i = 0; i < PROBES; i++) {
        uint64_t none = 0;
        if (cas_acq_rel(&probe(key, i)->key, &none, key))
            return probe(key, i);
    }
    return NULL;
}

static uint32_t conversation_with(int fd, uint32_t endpoint)
{
    uint64_t key = key_of(fd, endpoint);
    struct asked *a = asked_find(key);
    uint32_t none = 0;
    if (!a && !(a = asked_enter(key)))
        return 0;
    uint32_t id = load_acquire(&a->conversation);
    if (id)
        return id;
    id = conversation_open(endpoint, CONVERSATION_DATAGRAMS);
    if (id && !cas_acq_rel(&a->conversation, &none, id)) {
        conversation_release(id); /* another thread was faster */
        id = none;
    }
    return id;
}

/* Waits on the descriptor are for this one from now on. */
static void make_current(int fd, struct fd_entry *e, uint32_t endpoint, uint32_t id)
{
    if (load_relaxed(&e->endpoint) != endpoint)
        fd_connected(fd, endpoint);
    if (!(load_relaxed(&e->flags) & FD_ASKS))
        fd_flags_set(e, FD_ASKS);
    if (load_relaxed(&e->conversation) == id)
        return;
    conversation_retain(id);
    conversation_release(exchange_acq_rel(&e->conversation, id));
}

static bool is_datagrams(int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);
    return SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size, 0) == 0 && type == SOCK_DGRAM;
}

uint32_t nameserver_asked(int fd, const struct sockaddr *address, socklen_t length)
{
    struct fd_entry *e = fd_entry_at(fd);
    uint16_t flags = e && address && length >= sizeof(sa_family_t) ? fd_flags(fd) : 0;
    if (!(flags & FD_KNOWN) || flags & FD_TALKS || !nameserver_is(address, length))
        return 0;
    if (!recorder_on() || thread_self.in_vfork || !recorder.settings.wire || (!(flags & FD_ASKS) && !is_datagrams(fd)))
        return 0;
    uint32_t endpoint = endpoint_address(ROLE_CLIENT, address, length);
    uint32_t id = conversation_with(fd, endpoint);
    if (id)
        make_current(fd, e, endpoint, id);
    return id;
}

void nameserver_answered(int fd, const struct sockaddr *address, socklen_t length, const struct iovec *parts,
                         size_t count, uint64_t bytes)
{
    const struct fd_entry *e = fd_entry_at(fd);
    if (!e || !recorder_on() || thread_self.in_vfork)
        return;
    uint32_t id = load_acquire(&e->conversation);
    if (address && length >= sizeof(sa_family_t)) {
        const struct asked *a = asked_find(key_of(fd, endpoint_address(ROLE_CLIENT, address, length)));
        id = a ? load_acquire(&a->conversation) : 0;
    }
    if (id)
        conversation_feed(id, false, parts, count, bytes, 0);
}

void nameserver_forget(int fd)
{
    for (uint32_t i = 0; i < ASKED; i++) {
        uint64_t key = load_acquire(&table[i].key);
        if (key >> 32 != (uint64_t)(uint32_t)fd + 1)
            continue;
        conversation_release(exchange_acq_rel(&table[i].conversation, 0));
        store_release(&table[i].key, 0);
    }
}
