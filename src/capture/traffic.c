/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/traffic.h"

#include "base/sys.h"
#include "capture/connecting.h"
#include "capture/conversation.h"
#include "capture/nameserver.h"
#include "capture/recorder.h"
#include "capture/thread.h"

static uint16_t conversation_flags_of(uint16_t flags)
{
    return (uint16_t)((flags & FD_SERVER ? CONVERSATION_SERVER : 0) |
                      (flags & FD_DATAGRAMS ? CONVERSATION_DATAGRAMS : 0) |
                      (flags & FD_EARLIER ? CONVERSATION_EARLIER : 0));
}

uint32_t traffic_conversation(int fd)
{
    struct fd_entry *e = fd_entry_at(fd);
    uint16_t flags = fd_flags(fd);
    uint32_t none = 0;
    if (!e || !(flags & FD_TALKS) || thread_self.in_vfork)
        return 0;
    uint32_t id = load_acquire(&e->conversation);
    if (likely(id))
        return id;
    id = conversation_open(fd_endpoint(fd, true), conversation_flags_of(flags));
    if (id && !cas_acq_rel(&e->conversation, &none, id)) {
        conversation_release(id); /* another thread was faster */
        id = none;
    }
    return id;
}

uint32_t traffic_session(int fd)
{
    const struct fd_entry *e = fd_entry_at(fd);
    uint32_t id = e && !thread_self.in_vfork ? load_acquire(&e->conversation) : 0;
    return id ? id : traffic_conversation(fd);
}

static void deafen(int fd)
{
    struct fd_entry *e = fd_entry_at(fd);
    if (!thread_self.in_vfork)
        fd_flags_clear(e, FD_TALKS);
}

/* The descriptor's conversation as long as what is on the descriptor itself is worth looking at; 0: not any more. */
static uint32_t listened(int fd)
{
    uint32_t id = traffic_conversation(fd);
    if (likely(id && !conversation_secured(id)))
        return id;
    deafen(fd);
    return 0;
}

/* The same in the usual case, a stream that was looked at before; 0: the long way is to be gone. */
static ALWAYS_INLINE uint32_t conversation_known(int fd)
{
    const struct fd_entry *e = fd_entry_at(fd);
    const uint16_t asked = FD_KNOWN | FD_TALKS | FD_CONNECTING | FD_DATAGRAMS;
    bool usual = e && (load_relaxed(&e->flags) & asked) == (FD_KNOWN | FD_TALKS) && !thread_self.in_vfork;
    return likely(usual) ? load_acquire(&e->conversation) : 0;
}

HOT void traffic_moved(int fd, enum traffic direction, const struct iovec *parts, size_t count, int64_t result,
                       uint64_t now_ns)
{
    uint16_t flags = fd_flags(fd);
    if (unlikely(flags & FD_CONNECTING))
        connecting_moved(fd, result < 0 ? errno : 0);
    if (result <= 0 || !(flags & FD_TALKS) || !recorder_on())
        return;
    uint32_t id = listened(fd);
    if (id && unlikely(!conversation_feed(id, direction == TRAFFIC_SENT, parts, count, (uint64_t)result, now_ns)))
        deafen(fd);
}

static ALWAYS_INLINE uint64_t size_of(const struct iovec *parts, size_t count)
{
    if (likely(count == 1))
        return parts->iov_len;
    uint64_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].iov_len;
    return size;
}

HOT uint32_t traffic_sending(int fd, const struct iovec *parts, size_t count)
{
    uint16_t flags = fd_flags(fd);
    uint32_t id = conversation_known(fd);
    if (unlikely(!id) && (flags & (FD_TALKS | FD_DATAGRAMS | FD_CONNECTING)) == FD_TALKS && recorder_on())
        id = listened(fd);
    if (id && unlikely(!conversation_sending(id, parts, count, size_of(parts, count))))
        deafen(fd);
    return id;
}

HOT void traffic_sent(int fd, uint32_t id, const struct iovec *parts, size_t count, int64_t result, uint64_t now_ns)
{
    if (likely(id))
        conversation_sent(id, size_of(parts, count), result > 0 ? (uint64_t)result : 0);
    else
        traffic_moved(fd, TRAFFIC_SENT, parts, count, result, now_ns);
}

HOT void traffic_received(int fd, const struct iovec *parts, size_t count, int64_t result, int flags, uint64_t now_ns)
{
    uint16_t known = fd_flags(fd);
    uint32_t id = !(flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL)) && count == 1 ? conversation_known(fd) : 0;
    if (likely(id)) {
        if (likely(result > 0) && unlikely(!conversation_received(id, parts->iov_base, (size_t)result)))
            deafen(fd);
        return;
    }
    if (flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE))
        return;
    if (unlikely((known & (FD_ASKS | FD_TALKS)) == FD_ASKS)) {
        if (result > 0)
            nameserver_answered(fd, NULL, 0, parts, count, (uint64_t)result);
        return;
    }
    if (flags & MSG_TRUNC && !(known & FD_DATAGRAMS))
        traffic_unseen(fd, TRAFFIC_RECEIVED, result); /* tcp(7): the bytes are thrown away */
    else
        traffic_moved(fd, TRAFFIC_RECEIVED, parts, count, result, now_ns);
}

void traffic_unseen(int fd, enum traffic direction, int64_t bytes)
{
    uint32_t id = bytes > 0 && (fd_flags(fd) & FD_TALKS) ? traffic_conversation(fd) : 0;
    if (id && !conversation_secured(id))
        conversation_gap(id, direction == TRAFFIC_SENT, (uint64_t)bytes);
}

void traffic_connected(int fd, const struct sockaddr *address, socklen_t length)
{
    int type = 0;
    socklen_t size = sizeof(type);
    if (!recorder.settings.wire || !address || length < sizeof(sa_family_t) ||
        SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size, 0) != 0)
        return;
    if (type == SOCK_STREAM)
        fd_talks(fd, 0);
    else if (type == SOCK_DGRAM && nameserver_is(address, length))
        fd_talks(fd, FD_DATAGRAMS);
}
