/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/connecting.h"
#include "capture/conversation.h"
#include "capture/hook.h"
#include "capture/nameserver.h"

EXPORT int socket(int domain, int type, int protocol)
{
    int fd = REAL(socket)(domain, type, protocol);
    fd_opened(fd, ENDPOINT_SOCKET, type & SOCK_NONBLOCK);
    return fd;
}

EXPORT int socketpair(int domain, int type, int protocol, int fds[2])
{
    int result = REAL(socketpair)(domain, type, protocol, fds);
    if (result == 0) {
        fd_opened(fds[0], ENDPOINT_SOCKET, type & SOCK_NONBLOCK);
        fd_opened(fds[1], ENDPOINT_SOCKET, type & SOCK_NONBLOCK);
    }
    return result;
}

EXPORT int bind(int fd, const struct sockaddr *address, socklen_t length)
{
    return REAL(bind)(fd, address, length);
}

EXPORT int listen(int fd, int backlog)
{
    int result = REAL(listen)(fd, backlog);
    if (result == 0)
        fd_unnamed(fd); /* its endpoint is now the address that it listens on */
    return result;
}

EXPORT int setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    int result = REAL(setsockopt)(fd, level, option, value, length);
    if (result == 0 && level == SOL_SOCKET && option == SO_RCVLOWAT)
        fd_set_lowat(fd);
    return result;
}

EXPORT int getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
    int result = REAL(getsockopt)(fd, level, option, value, length);
    if (result == 0 && level == SOL_SOCKET && option == SO_ERROR && *length >= sizeof(int))
        connecting_asked(fd, *(const int *)value);
    return result;
}

EXPORT int shutdown(int fd, int how)
{
    if (!fd_blocks(fd))
        return REAL(shutdown)(fd, how);
    return TIMED_FD(shutdown, fd, REAL(shutdown)(fd, how));
}

EXPORT int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    bool blocks = fd_blocks(fd);
    uint64_t begin = wait_begin();
    int result = REAL(connect)(fd, address, length);
    if (begin)
        wait_end_connect(fd, begin, result, address, length, blocks);
    return result;
}

/* Like TIMED_FD, but the result is a descriptor, not a number of bytes. */
#define TIMED_ACCEPT(call, fd, expression)                               \
    ({                                                                   \
        uint64_t timed_begin = wait_begin();                             \
        int timed_result = (expression);                                 \
        wait_end_bytes(CALL_##call, (fd), timed_begin, timed_result, 0); \
        timed_result;                                                    \
    })

EXPORT int accept(int fd, struct sockaddr *address, socklen_t *length)
{
    int connection =
        fd_blocks(fd) ? TIMED_ACCEPT(accept, fd, REAL(accept)(fd, address, length)) : REAL(accept)(fd, address, length);
    fd_accepted(connection, fd, false);
    return connection;
}

EXPORT int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    int connection = fd_blocks(fd) ? TIMED_ACCEPT(accept4, fd, REAL(accept4)(fd, address, length, flags))
                                   : REAL(accept4)(fd, address, length, flags);
    fd_accepted(connection, fd, flags & SOCK_NONBLOCK);
    return connection;
}

/*
 * Most sends and receives on a blocking socket do not wait. So the call is first made with MSG_DONTWAIT, which behaves
 * alike when it succeeds or fails for another reason than EAGAIN; only where it would have waited the clock is read and
 * the call made as the program meant it. Not with flags that change what is waited for (MSG_WAITALL, …), and not to
 * receive with SO_RCVLOWAT set.
 */
#define RECEIVE_TRIES (MSG_NOSIGNAL | MSG_PEEK | MSG_TRUNC | MSG_CMSG_CLOEXEC)
#define SEND_TRIES MSG_NOSIGNAL

/* What a call has received; address, length: whom from, NULL: not asked for. */
static ALWAYS_INLINE void receive_end(int fd, uint16_t known, const struct iovec *parts, size_t count, ssize_t result,
                                      int flags, const struct sockaddr *address, const socklen_t *length)
{
    if (likely(!traffic_watched(known)))
        return;
    if (unlikely((known & (FD_ASKS | FD_TALKS)) == FD_ASKS && address && length) && result > 0 && !(flags & MSG_PEEK))
        nameserver_answered(fd, address, *length, parts, count, (uint64_t)result);
    else
        traffic_received(fd, parts, count, result, flags, 0);
}

#define RECEIVE(call, fd, buffer, size, flags, address, length, REAL_CALL)         \
    uint16_t known = fd_flags(fd);                                                 \
    ssize_t result;                                                                \
    if (((flags)&MSG_DONTWAIT) || (known & FD_NONBLOCK)) {                         \
        if (!traffic_watched(known))                                               \
            quick_enter(fd);                                                       \
        result = REAL_CALL(flags);                                                 \
    } else {                                                                       \
        int saved = errno;                                                         \
        bool tries = likely(!((flags) & ~RECEIVE_TRIES) && !(known & FD_LOWAT));   \
        result = tries ? REAL_CALL((flags) | MSG_DONTWAIT) : -1;                   \
        if (tries && (result >= 0 || errno != EAGAIN)) {                           \
            struct trace_counter *c = wait_none(CALL_##call, fd, result);          \
            if (CALL_##call == CALL_recv)                                          \
                quick_remember(QUICK_RECV, fd, c);                                 \
        } else {                                                                   \
            errno = saved;                                                         \
            result = TIMED_FD(call, fd, REAL_CALL(flags));                         \
        }                                                                          \
    }                                                                              \
    receive_end(fd, known, PART(buffer, size), 1, result, flags, address, length); \
    return result

/* What a call on a connection is about to send, and has sent; sending: of traffic_sending. Out of band data are not
   part of what is said. */
static ALWAYS_INLINE uint32_t sending_begin(int fd, uint16_t known, const struct iovec *parts, size_t count, int flags)
{
    life_sent(known);
    return unlikely(traffic_watched(known)) && !(flags & MSG_OOB) ? traffic_sending(fd, parts, count) : 0;
}
static ALWAYS_INLINE void sending_end(int fd, uint16_t known, uint32_t sending, const struct iovec *parts, size_t count,
                                      ssize_t result, int flags, uint64_t now)
{
    if (unlikely(traffic_watched(known)) && !(flags & MSG_OOB))
        traffic_sent(fd, sending, parts, count, result, now);
}

/* The rest of a message that did not fit at once. As in the kernel, an error after a part was taken shows at the next
 * call only. */
static NOINLINE ssize_t send_rest(enum call_number call, int fd, const char *rest, size_t size, int flags, ssize_t done)
{
    int saved = errno;
    uint64_t begin = wait_begin();
    ssize_t result = REAL(send)(fd, rest, size, flags | MSG_NOSIGNAL);
    wait_end_fd(call, fd, begin, result);
    if (result < 0) {
        errno = saved;
        return done;
    }
    return done + result;
}

static NOINLINE ssize_t send_timed(enum call_number call, int fd, const void *buffer, size_t size, int flags)
{
    uint64_t begin = wait_begin();
    ssize_t result = REAL(send)(fd, buffer, size, flags);
    wait_end_fd(call, fd, begin, result);
    return result;
}

static ALWAYS_INLINE ssize_t send_blocking(enum call_number call, int fd, const void *buffer, size_t size, int flags)
{
    if (likely(!(flags & ~SEND_TRIES))) {
        int saved = errno;
        ssize_t tried = REAL(send)(fd, buffer, size, flags | MSG_DONTWAIT);
        if (likely(tried == (ssize_t)size) || (tried < 0 && errno != EAGAIN)) {
            struct trace_counter *c = wait_none(call, fd, tried);
            if (call == CALL_send)
                quick_remember(QUICK_SEND, fd, c);
            return tried;
        }
        if (tried > 0)
            return send_rest(call, fd, (const char *)buffer + tried, size - (size_t)tried, flags, tried);
        errno = saved;
    }
    return send_timed(call, fd, buffer, size, flags);
}

/* `blocking` and `quick`: the call in either mode. */
#define SEND(fd, buffer, size, flags, blocking, quick)                                       \
    uint16_t known = fd_flags(fd);                                                           \
    uint32_t sending = sending_begin(fd, known, PART(buffer, size), 1, flags);               \
    ssize_t result = ((flags)&MSG_DONTWAIT) || (known & FD_NONBLOCK) ? (quick) : (blocking); \
    sending_end(fd, known, sending, PART(buffer, size), 1, result, flags, 0);                \
    return result

static HOT NOINLINE ssize_t send_known(int fd, const void *buffer, size_t size, int flags)
{
    SEND(fd, buffer, size, flags, send_blocking(CALL_send, fd, buffer, size, flags),
         REAL(send)(fd, buffer, size, flags));
}

static HOT NOINLINE ssize_t recv_known(int fd, void *buffer, size_t size, int flags)
{
#define REAL_RECV(f) REAL(recv)(fd, buffer, size, (f))
    RECEIVE(recv, fd, buffer, size, flags, NULL, NULL, REAL_RECV);
}

/* A call was tried without waiting, and the result is not the usual one. saved: errno before it. */
static NOINLINE ssize_t send_tried(int fd, const void *buffer, size_t size, int flags, ssize_t result, int saved)
{
    if (result == (ssize_t)size || (result < 0 && errno != EAGAIN)) {
        wait_none(CALL_send, fd, result);
        return result;
    }
    if (result > 0)
        return send_rest(CALL_send, fd, (const char *)buffer + result, size - (size_t)result, flags, result);
    errno = saved;
    return send_timed(CALL_send, fd, buffer, size, flags);
}
static NOINLINE ssize_t recv_tried(int fd, void *buffer, size_t size, int flags, ssize_t result, int saved)
{
    if (result >= 0 || errno != EAGAIN) {
        wait_none(CALL_recv, fd, result);
        return result;
    }
    errno = saved;
    return TIMED_FD(recv, fd, REAL(recv)(fd, buffer, size, flags));
}

/*
 * The usual case of both (quick.h); the long way is that of the _known ones. The parts are functions of their own, so
 * that none of them saves registers that only another one needs.
 */
static HOT NOINLINE ssize_t send_quick(int fd, const void *buffer, size_t size, int flags,
                                       struct trace_counter *counter)
{
    int saved = *quick_errno();
    ssize_t result = recorder_gate.send(fd, buffer, size, flags | MSG_DONTWAIT);
    if (unlikely(result != (ssize_t)size || !quick_count(QUICK_SEND, counter, result)))
        return send_tried(fd, buffer, size, flags, result, saved);
    return result;
}
static HOT NOINLINE ssize_t recv_quick(int fd, void *buffer, size_t size, int flags, struct trace_counter *counter)
{
    int saved = *quick_errno();
    ssize_t result = recorder_gate.recv(fd, buffer, size, flags | MSG_DONTWAIT);
    if (unlikely(result < 0 || !quick_count(QUICK_RECV, counter, result)))
        return recv_tried(fd, buffer, size, flags, result, saved);
    return result;
}

EXPORT ssize_t send(int fd, const void *buffer, size_t size, int flags)
{
    uint64_t word = quick_word(fd);
    if (fd_word_free(word))
        return recorder_gate.send(fd, buffer, size, flags);
    struct trace_counter *counter = flags & ~SEND_TRIES ? NULL : quick_counter(QUICK_SEND, word);
    if (unlikely(!counter))
        return send_known(fd, buffer, size, flags);
    return send_quick(fd, buffer, size, flags, counter);
}

EXPORT ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    uint64_t word = quick_word(fd);
    if (fd_word_free(word))
        return recorder_gate.recv(fd, buffer, size, flags);
    struct trace_counter *counter = flags & ~RECEIVE_TRIES ? NULL : quick_counter(QUICK_RECV, word);
    if (unlikely(!counter))
        return recv_known(fd, buffer, size, flags);
    return recv_quick(fd, buffer, size, flags, counter);
}

EXPORT ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t object, int flags)
{
#define REAL_RECV_CHK(f) REAL(__recv_chk)(fd, buffer, size, object, (f))
    RECEIVE(recv, fd, buffer, size, flags, NULL, NULL, REAL_RECV_CHK);
}

/* MSG_FASTOPEN: the call connects, and sends at least a part (tcp(7)). It is recorded as the connect that it is. */
static NOINLINE void opened(int fd, uint64_t begin, ssize_t result, const struct sockaddr *address, socklen_t length,
                            bool blocks)
{
    if (begin)
        wait_end_connect(fd, begin, result < 0 ? -1 : 0, address, length, blocks);
}
static NOINLINE ssize_t send_opening(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *address,
                                     socklen_t length)
{
    bool blocks = fd_blocks(fd) && !(flags & MSG_DONTWAIT);
    uint64_t begin = wait_begin();
    ssize_t result = REAL(sendto)(fd, buffer, size, flags, address, length);
    opened(fd, begin, result, address, length, blocks);
    if (result > 0 && traffic_watched(fd_flags(fd)))
        traffic_moved(fd, TRAFFIC_SENT, PART(buffer, size), 1, result, 0);
    return result;
}

static ssize_t told_nameserver(uint32_t asked, const struct iovec *parts, size_t count, ssize_t result)
{
    if (result > 0)
        conversation_feed(asked, true, parts, count, (uint64_t)result, 0);
    return result;
}

static ssize_t sendto_plain(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *address,
                            socklen_t length)
{
    if ((flags & MSG_DONTWAIT) || !fd_blocks(fd))
        return REAL(sendto)(fd, buffer, size, flags, address, length);
    return TIMED_FD(sendto, fd, REAL(sendto)(fd, buffer, size, flags, address, length));
}

EXPORT ssize_t sendto(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *address,
                      socklen_t length)
{
    if (unlikely(address && flags & MSG_FASTOPEN))
        return send_opening(fd, buffer, size, flags, address, length);
    if (unlikely(address != NULL)) {
        uint32_t asked = nameserver_asked(fd, address, length);
        if (asked)
            return told_nameserver(asked, PART(buffer, size), 1,
                                   sendto_plain(fd, buffer, size, flags, address, length));
    }
    SEND(fd, buffer, size, flags,
         address ? TIMED_FD(sendto, fd, REAL(sendto)(fd, buffer, size, flags, address, length))
                 : send_blocking(CALL_sendto, fd, buffer, size, flags),
         REAL(sendto)(fd, buffer, size, flags, address, length));
}

EXPORT ssize_t recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *address, socklen_t *length)
{
#define REAL_RECVFROM(f) REAL(recvfrom)(fd, buffer, size, (f), address, length)
    RECEIVE(recvfrom, fd, buffer, size, flags, address, length, REAL_RECVFROM);
}

EXPORT ssize_t __recvfrom_chk(int fd, void *buffer, size_t size, size_t object, int flags, struct sockaddr *address,
                              socklen_t *length)
{
#define REAL_RECVFROM_CHK(f) REAL(__recvfrom_chk)(fd, buffer, size, object, (f), address, length)
    RECEIVE(recvfrom, fd, buffer, size, flags, address, length, REAL_RECVFROM_CHK);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    uint16_t known = fd_flags(fd);
    bool quick = (flags & MSG_DONTWAIT) || (known & FD_NONBLOCK);
    uint64_t opening = message->msg_name && flags & MSG_FASTOPEN ? wait_begin() : 0;
    uint32_t asked = message->msg_name ? nameserver_asked(fd, message->msg_name, message->msg_namelen) : 0;
    uint32_t sending = asked ? 0 : sending_begin(fd, known, message->msg_iov, message->msg_iovlen, flags);
    ssize_t result =
        quick || opening ? REAL(sendmsg)(fd, message, flags) : TIMED_FD(sendmsg, fd, REAL(sendmsg)(fd, message, flags));
    if (unlikely(asked))
        return told_nameserver(asked, message->msg_iov, message->msg_iovlen, result);
    if (unlikely(opening)) {
        opened(fd, opening, result, message->msg_name, message->msg_namelen, !quick);
        known = fd_flags(fd);
    }
    sending_end(fd, known, sending, message->msg_iov, message->msg_iovlen, result, flags, 0);
    return result;
}

/* Descriptors that came with the message (SCM_RIGHTS) are looked at when they are used. */
static void forget_received(const struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR((struct msghdr *)message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            fd_forget(fd);
        }
    }
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    bool waits = !(flags & MSG_DONTWAIT) && fd_blocks(fd);
    ssize_t result =
        waits ? TIMED_FD(recvmsg, fd, REAL(recvmsg)(fd, message, flags)) : REAL(recvmsg)(fd, message, flags);
    receive_end(fd, fd_flags(fd), message->msg_iov, message->msg_iovlen, result, flags, message->msg_name,
                &message->msg_namelen);
    if (result >= 0 && message->msg_controllen)
        forget_received(message);
    return result;
}

static uint64_t sum_bytes(const struct mmsghdr *messages, int count)
{
    uint64_t bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += messages[i].msg_len;
    return bytes;
}

EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    uint16_t known = fd_flags(fd);
    uint64_t begin = (flags & MSG_DONTWAIT) || (known & FD_NONBLOCK) ? 0 : wait_begin();
    int result = REAL(sendmmsg)(fd, messages, count, flags);
    uint64_t end = begin ? clock_now() : 0;
    for (int i = 0; unlikely(traffic_watched(known)) && i < result; i++)
        sending_end(fd, known, 0, messages[i].msg_hdr.msg_iov, messages[i].msg_hdr.msg_iovlen, messages[i].msg_len,
                    flags, end);
    wait_end_until(CALL_sendmmsg, fd, begin, end, result, result > 0 ? sum_bytes(messages, result) : 0);
    return result;
}

EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    bool waits = !(flags & MSG_DONTWAIT) && fd_blocks(fd);
    uint64_t begin = waits ? wait_begin() : 0;
    int result = REAL(recvmmsg)(fd, messages, count, flags, timeout);
    wait_end_bytes(CALL_recvmmsg, fd, begin, result, result > 0 ? sum_bytes(messages, result) : 0);
    bool watched = traffic_watched(fd_flags(fd));
    for (int i = 0; i < result; i++) {
        const struct msghdr *m = &messages[i].msg_hdr;
        if (unlikely(watched))
            traffic_received(fd, m->msg_iov, m->msg_iovlen, messages[i].msg_len, flags, 0);
        if (m->msg_controllen)
            forget_received(m);
    }
    return result;
}
