/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of each descriptor: whether it can block, what it is and whom it talks to. Filled by the hooks that
 * create and change descriptors; one that was there before (inherited, passed over a socket, made by a direct system
 * call) is looked at once, when it is first used.
 *
 * Reads and writes are single words without order: a descriptor that one thread closes while another waits on it is the
 * program's own race. Nothing changes in a vfork child, which has descriptors of its own but its parent's memory.
 */
#ifndef CPROBE_CAPTURE_FDTABLE_H
#define CPROBE_CAPTURE_FDTABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "capture/quick.h"
#include "capture/thread.h"
#include "trace/format.h"

enum fd_flags {
    FD_KNOWN = 0x01,
    FD_NONBLOCK = 0x02,
    FD_SHARED = 0x04,     /* dup'ed: the blocking mode belongs to all descriptors with the same description */
    FD_SERVER = 0x08,     /* accepted here */
    FD_NAMED = 0x10,      /* endpoint is final (connected, or a file's path is entered) */
    FD_LOWAT = 0x20,      /* SO_RCVLOWAT is set: a receive waits for more than what is there, and is not tried before */
    FD_TALKS = 0x40,      /* a connection on which something may be understood: its bytes are looked at (traffic.h) */
    FD_CONNECTING = 0x80, /* a connect is under way (connecting.h) */
    FD_EARLIER = 0x100,   /* it was there before it was looked at: connections may be in the middle */
    FD_DATAGRAMS = 0x200, /* with FD_TALKS: UDP */
    FD_LOCKED = 0x400,    /* there is a lock on its file (filelock.h) */
    FD_ASKS = 0x800,      /* datagrams are sent from it to name servers by their addresses (nameserver.h) */
};

/* Half a cache line. */
struct fd_entry {
    union {
        struct {
            uint32_t endpoint;
            uint16_t flags;
            uint16_t kind; /* enum endpoint_kind */
        };
        uint64_t word; /* all three; quick.h has a copy: fd_changed */
    };
    uint32_t description; /* number of the open file description, for FD_SHARED */
    int32_t epoll;        /* epoll descriptor that watches this one, -1 where none */
    union {
        uint32_t server;  /* listeners: endpoint of the connections accepted from it */
        uint32_t watched; /* epoll descriptors: how many are in it */
    };
    uint32_t epoll_description; /* its description then: the number may have been given away since */
    uint32_t conversation;      /* any: with FD_TALKS (conversation.h); 0: not begun */
    uint32_t connecting;        /* any: with FD_CONNECTING, the attempt (connecting.c) */
};
_Static_assert(sizeof(struct fd_entry) == 32, "no entry crosses a cache line");

extern HIDDEN struct fd_entry *fd_table;
extern HIDDEN uint32_t fd_table_size;

void fdtable_init(void);

static inline struct fd_entry *fd_entry_at(int fd)
{
    return likely((uint32_t)fd < fd_table_size) ? &fd_table[fd] : NULL;
}

/* The entry's word was changed. */
static inline void fd_changed(const struct fd_entry *e)
{
    quick_forget(e - fd_table);
}
static inline void fd_flags_set(struct fd_entry *e, uint16_t flags)
{
    __atomic_fetch_or(&e->flags, flags, __ATOMIC_RELAXED);
    fd_changed(e);
}
static inline void fd_flags_clear(struct fd_entry *e, uint16_t flags)
{
    __atomic_fetch_and(&e->flags, (uint16_t)~flags, __ATOMIC_RELAXED);
    fd_changed(e);
}

/* Whether calls on a descriptor with this word (quick.h) are neither timed nor looked at. */
static ALWAYS_INLINE bool fd_word_free(uint64_t word)
{
    const uint64_t asked = FD_NONBLOCK | FD_TALKS | FD_CONNECTING | FD_ASKS;
    return (word >> 32 & asked) == FD_NONBLOCK;
}

/* Looks at a descriptor that is not known yet. */
COLD void fd_learn(int fd);

/* What is known of a descriptor, learned now if need be. Beyond the table: that it may block, and nothing may be tried.
 */
static inline uint16_t fd_flags(int fd)
{
    struct fd_entry *e = fd_entry_at(fd);
    if (unlikely(!e))
        return FD_LOWAT;
    uint16_t flags = load_relaxed(&e->flags);
    if (likely(flags & FD_KNOWN))
        return flags;
    fd_learn(fd);
    return load_relaxed(&e->flags);
}

/* Whether a call on `fd` can wait at all: the one test that descriptors in non-blocking mode cost. */
static inline bool fd_blocks(int fd)
{
    return !(fd_flags(fd) & FD_NONBLOCK);
}

/* A new descriptor of known kind (ENDPOINT_SOCKET: endpoint found later). fd < 0: ignored. */
void fd_opened(int fd, enum endpoint_kind kind, bool nonblock);
/* A new descriptor of unknown kind. */
void fd_forget(int fd);
void fd_accepted(int fd, int listener, bool nonblock);
void fd_closed(int fd);
void fd_closed_range(uint32_t first, uint32_t last);
void fd_duplicated(int from, int to);
void fd_set_lowat(int fd);
void fd_set_nonblock(int fd, bool nonblock);
/* epoll_ctl EPOLL_CTL_ADD, EPOLL_CTL_DEL. Inline, as some loops call it several times for each request. */
COLD void fd_watch_seldom(int epoll, int fd, bool add);
static ALWAYS_INLINE void fd_watch(int epoll, int fd, bool add)
{
    struct fd_entry *set = fd_entry_at(epoll), *e = fd_entry_at(fd);
    if (unlikely(!set || !e || !(load_relaxed(&set->flags) & load_relaxed(&e->flags) & FD_KNOWN) ||
                 thread_self.in_vfork)) {
        fd_watch_seldom(epoll, fd, add);
        return;
    }
    if (add) {
        set->watched++;
        e->epoll = epoll;
        e->epoll_description = set->description;
        return;
    }
    set->watched -= set->watched != 0;
    if (e->epoll == epoll)
        e->epoll = -1;
}
uint32_t fd_watched(int epoll);

/* The endpoint of a descriptor, found now if need be: peers of sockets, and with `exact` the paths of files. fd -1: 0
 */
COLD uint32_t fd_endpoint_find(int fd, bool exact);
static inline uint32_t fd_endpoint(int fd, bool exact)
{
    const struct fd_entry *e = fd_entry_at(fd);
    uint32_t endpoint = e ? load_relaxed(&e->endpoint) : 0;
    uint16_t wanted = exact ? FD_KNOWN | FD_NAMED : FD_KNOWN;
    if (likely(endpoint && (load_relaxed(&e->flags) & wanted) == wanted))
        return endpoint;
    return fd_endpoint_find(fd, exact);
}
/* A connect succeeded or is under way. */
void fd_connected(int fd, uint32_t endpoint);

/* It is a connection: its bytes are to be looked at. flags: FD_DATAGRAMS or 0 */
void fd_talks(int fd, uint16_t flags);

/* Its endpoint is to be found anew (listen). */
void fd_unnamed(int fd);

/* Connections have been accepted from it. */
static inline bool fd_is_listener(int fd)
{
    const struct fd_entry *e = fd_entry_at(fd);
    return e && load_relaxed(&e->server) != 0;
}

/* WAIT_SERVER_SIDE for accepted connections, else 0. */
static inline uint16_t fd_wait_flags(int fd)
{
    const struct fd_entry *e = fd_entry_at(fd);
    return e && (load_relaxed(&e->flags) & FD_SERVER) ? WAIT_SERVER_SIDE : 0;
}

#endif
