/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/fdtable.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "capture/connecting.h"
#include "capture/conversation.h"
#include "capture/endpoint.h"
#include "capture/fdlearn.h"
#include "capture/filelock.h"
#include "capture/nameserver.h"
#include "capture/put.h"
#include "capture/recorder.h"
#include "capture/thread.h"
#include "capture/traffic.h"

#define TABLE_MAX (1u << 20)

struct fd_entry *fd_table;
uint32_t fd_table_size;

static uint32_t table_top; /* any: descriptors at and above were never entered; bounds the loops over the table */

void fdtable_init(void)
{
    struct rlimit limit = {1024, 1024};
    SYS_CALL(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit, 0, 0);
    uint64_t size = limit.rlim_max < TABLE_MAX ? limit.rlim_max : TABLE_MAX;
    void *table = sys_mmap(NULL, size * sizeof(struct fd_entry), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (sys_is_error(table))
        return;
    fd_table = table;
    fd_table_size = (uint32_t)size;
}

/* The entry of `fd` for a change of what is known; NULL: there is none, or it is the parent's (vfork). */
static struct fd_entry *entry_to_change(int fd)
{
    return fd < 0 || thread_self.in_vfork ? NULL : fd_entry_at(fd);
}

static void endpoint_set(struct fd_entry *e, uint32_t endpoint)
{
    store_relaxed(&e->endpoint, endpoint);
    fd_changed(e);
}

static void raise_top(const struct fd_entry *e)
{
    uint32_t above = (uint32_t)(e - fd_table) + 1, top = load_relaxed(&table_top);
    while (top < above && !cas_acq_rel(&table_top, &top, above))
        ;
}

static uint32_t new_description(void)
{
    return add_relaxed(&recorder.unique, 1) + 1;
}

static void entry_set(struct fd_entry *e, enum endpoint_kind kind, uint16_t flags, uint32_t endpoint)
{
    fd_closed((int)(e - fd_table)); /* where its close was not seen */
    raise_top(e);
    e->kind = (uint16_t)kind;
    e->description = new_description();
    e->server = 0; /* and `watched` */
    e->epoll = -1;
    e->conversation = e->connecting = 0;
    store_relaxed(&e->endpoint, endpoint);
    store_release(&e->flags, (uint16_t)(FD_KNOWN | flags));
    fd_changed(e);
}

/* Kinds without a name of their own share one endpoint. Sockets and files get theirs when it is needed. */
static uint32_t kind_endpoint(enum endpoint_kind kind)
{
    return kind == ENDPOINT_SOCKET ? 0 : endpoint_intern(kind, ROLE_NONE, "", 0, 0);
}

void fd_learn(int fd)
{
    struct fd_entry *e = entry_to_change(fd);
    struct stat st;
    if (!e || !recorder_on())
        return;
    long flags = SYS_CALL(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0);
    if (flags < 0 || SYS_CALL(SYS_fstat, fd, &st, 0, 0, 0, 0) < 0)
        return; /* not open: the program's call will say so */
    enum endpoint_kind kind = fd_kind(fd, st.st_mode);
    uint32_t endpoint = kind_endpoint(kind);
    uint16_t learned = kind == ENDPOINT_SOCKET ? fd_socket_flags(fd, &endpoint) : 0;
    entry_set(e, kind, (uint16_t)(FD_EARLIER | (flags & O_NONBLOCK ? FD_NONBLOCK : 0) | learned), endpoint);
}

void fd_set_lowat(int fd)
{
    struct fd_entry *e = entry_to_change(fd);
    if (e)
        fd_flags_set(e, FD_LOWAT);
}

void fd_opened(int fd, enum endpoint_kind kind, bool nonblock)
{
    struct fd_entry *e = entry_to_change(fd);
    if (e)
        entry_set(e, kind, nonblock ? FD_NONBLOCK : 0, kind_endpoint(kind));
}

void fd_forget(int fd)
{
    fd_closed(fd);
}

/* Takes `fd` off the count of the epoll set that watches it: the kernel does so itself at close. */
static void unwatch(struct fd_entry *e)
{
    struct fd_entry *set = e->epoll >= 0 ? fd_entry_at(e->epoll) : NULL;
    if (set && set->description == e->epoll_description && set->watched)
        set->watched--;
    e->epoll = -1;
}

void fd_closed(int fd)
{
    struct fd_entry *e = entry_to_change(fd);
    if (!e || !(load_relaxed(&e->flags) & FD_KNOWN))
        return;
    unwatch(e);
    if (unlikely(load_relaxed(&e->flags) & FD_LOCKED))
        filelock_closed(load_relaxed(&e->endpoint));
    if (unlikely(load_relaxed(&e->flags) & FD_ASKS))
        nameserver_forget(fd);
    store_relaxed(&e->flags, 0);
    fd_changed(e);
    e->description = 0;
    if (e->conversation)
        conversation_release(exchange_acq_rel(&e->conversation, 0));
    if (e->connecting)
        connecting_lost(exchange_acq_rel(&e->connecting, 0));
}

void fd_closed_range(uint32_t first, uint32_t last)
{
    uint32_t top = load_relaxed(&table_top);
    for (uint32_t fd = first; fd <= last && fd < top; fd++)
        fd_closed((int)fd);
}

void fd_duplicated(int from, int to)
{
    struct fd_entry *a = entry_to_change(from), *b = entry_to_change(to);
    if (!b || from == to)
        return;
    fd_closed(to);
    if (a && !(load_relaxed(&a->flags) & FD_KNOWN))
        fd_learn(from);
    if (!a || !(load_relaxed(&a->flags) & FD_KNOWN))
        return;
    fd_flags_set(a, FD_SHARED);
    raise_top(b);
    uint32_t conversation = traffic_conversation(from); /* both have the same one */
    conversation_retain(conversation);
    *b = *a;
    b->epoll = -1;
    b->conversation = conversation;
    b->connecting = 0;
    fd_flags_clear(b, FD_CONNECTING);
}

static void set_mode(struct fd_entry *e, bool nonblock)
{
    if (nonblock)
        fd_flags_set(e, FD_NONBLOCK);
    else
        fd_flags_clear(e, FD_NONBLOCK);
}

void fd_set_nonblock(int fd, bool nonblock)
{
    struct fd_entry *e = entry_to_change(fd);
    uint16_t flags = e ? load_relaxed(&e->flags) : 0;
    if (!(flags & FD_KNOWN))
        return;
    set_mode(e, nonblock);
    uint32_t top = flags & FD_SHARED ? load_relaxed(&table_top) : 0;
    for (uint32_t i = 0; i < top; i++) /* rare: a dup'ed descriptor changes mode */
        if ((fd_table[i].flags & FD_KNOWN) && fd_table[i].description == e->description)
            set_mode(&fd_table[i], nonblock);
}

void fd_accepted(int fd, int listener, bool nonblock)
{
    struct fd_entry *e = entry_to_change(fd), *l = fd_entry_at(listener);
    fd_closed(fd);
    if (!e || !l)
        return;
    if (!l->server && recorder_on()) {
        struct sockaddr_storage local;
        socklen_t length = sizeof(local);
        if (SYS_CALL(SYS_getsockname, fd, &local, &length, 0, 0, 0) == 0)
            l->server = endpoint_address(ROLE_SERVER, (struct sockaddr *)&local, length);
    }
    uint16_t talks = recorder.settings.wire ? FD_TALKS : 0;
    entry_set(e, ENDPOINT_SOCKET, (uint16_t)(FD_SERVER | FD_NAMED | talks | (nonblock ? FD_NONBLOCK : 0)), l->server);
}

/* With a descriptor that is not known yet, or beyond the table. */
void fd_watch_seldom(int epoll, int fd, bool add)
{
    struct fd_entry *set = fd_entry_at(epoll);
    if (!set || thread_self.in_vfork)
        return;
    fd_flags(epoll);
    fd_flags(fd);
    if (!(load_relaxed(&set->flags) & FD_KNOWN))
        return;
    if (fd_entry_at(fd) && load_relaxed(&fd_entry_at(fd)->flags) & FD_KNOWN)
        fd_watch(epoll, fd, add);
    else
        set->watched = add ? set->watched + 1 : set->watched - (set->watched != 0);
}

uint32_t fd_watched(int epoll)
{
    const struct fd_entry *e = fd_entry_at(epoll);
    return e ? load_relaxed(&e->watched) : 0;
}

/* The peer of a socket, or the address that it listens on. */
static uint32_t socket_endpoint(int fd, struct fd_entry *e)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    int listening = 0;
    socklen_t size = sizeof(listening);
    uint32_t endpoint = 0;
    if (SYS_CALL(SYS_getpeername, fd, &address, &length, 0, 0, 0) == 0) {
        endpoint = endpoint_address(ROLE_CLIENT, (struct sockaddr *)&address, length);
        fd_flags_set(e, FD_NAMED);
    } else if (SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size, 0) == 0 && listening) {
        length = sizeof(address);
        if (SYS_CALL(SYS_getsockname, fd, &address, &length, 0, 0, 0) == 0)
            endpoint = endpoint_address(ROLE_LISTENER, (struct sockaddr *)&address, length);
        fd_flags_set(e, FD_NAMED);
    }
    return endpoint ? endpoint : endpoint_intern(ENDPOINT_SOCKET, ROLE_NONE, "", 0, 0);
}

static uint32_t file_endpoint(int fd)
{
    char path[ENDPOINT_TEXT_MAX];
    long length = fd_readlink(fd, path, sizeof(path));
    return length > 0 ? endpoint_intern(ENDPOINT_FILE, ROLE_NONE, path, (size_t)length, 0) : 0;
}

uint32_t fd_endpoint_find(int fd, bool exact)
{
    struct fd_entry *e = fd < 0 ? NULL : fd_entry_at(fd);
    if (!e)
        return 0;
    if (!(load_relaxed(&e->flags) & FD_KNOWN))
        fd_learn(fd);
    uint16_t flags = load_relaxed(&e->flags);
    if (unlikely(!(flags & FD_KNOWN)))
        return 0;
    bool named = flags & FD_NAMED;
    if (e->kind == ENDPOINT_SOCKET && !named && (!e->endpoint || exact))
        endpoint_set(e, socket_endpoint(fd, e));
    else if (e->kind == ENDPOINT_FILE && exact && !named) {
        uint32_t id = file_endpoint(fd);
        if (id) {
            endpoint_set(e, id);
            fd_flags_set(e, FD_NAMED);
        }
    }
    return load_relaxed(&e->endpoint);
}

void fd_connected(int fd, uint32_t endpoint)
{
    struct fd_entry *e = entry_to_change(fd);
    if (!e || !endpoint)
        return;
    endpoint_set(e, endpoint);
    fd_flags_set(e, FD_NAMED);
}

void fd_talks(int fd, uint16_t flags)
{
    struct fd_entry *e = entry_to_change(fd);
    if (!e || !(load_relaxed(&e->flags) & FD_KNOWN))
        return;
    if (load_relaxed(&e->flags) & FD_ASKS) {
        nameserver_forget(fd);
        fd_flags_clear(e, FD_ASKS);
    }
    if (e->conversation) /* connected anew (datagrams) */
        conversation_release(exchange_acq_rel(&e->conversation, 0));
    fd_flags_set(e, FD_TALKS | flags);
}

void fd_unnamed(int fd)
{
    struct fd_entry *e = entry_to_change(fd);
    if (!e)
        return;
    fd_flags_clear(e, FD_NAMED);
    endpoint_set(e, 0);
}
