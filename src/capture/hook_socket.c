/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/connecting.h"
#include "capture/hook.h"

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

#define RECEIVE(call, fd, buffer, size, flags, REAL_CALL)                        \
    uint16_t known = fd_flags(fd);                                               \
    ssize_t result;                                                              \
    if (((flags)&MSG_DONTWAIT) || (known & FD_NONBLOCK)) {                       \
        result = REAL_CALL(flags);                                               \
    } else {                                                                     \
        int saved = errno;                                                       \
        bool tries = likely(!((flags) & ~RECEIVE_TRIES) && !(known & FD_LOWAT)); \
        result = tries ? REAL_CALL((flags) | MSG_DONTWAIT) : -1;                 \
        if (tries && (result >= 0 || errno != EAGAIN)) {                         \
            wait_none(CALL_##call, fd, result);                                  \
        } else {                                                                 \
            errno = saved;                                                       \
            result = TIMED_FD(call, fd, REAL_CALL(flags));                       \
        }                                                                        \
    }                                                                            \
    if (unlikely(traffic_watched(known)))                                        \
        traffic_received(fd, PART(buffer, size), 1, result, flags, 0);           \
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
            wait_none(call, fd, tried);
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

EXPORT ssize_t send(int fd, const void *buffer, size_t size, int flags)
{
    SEND(fd, buffer, size, flags, send_blocking(CALL_send, fd, buffer, size, flags),
         REAL(send)(fd, buffer, size, flags));
}

EXPORT ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
#define REAL_RECV(f) REAL(recv)(fd, buffer, size, (f))
    RECEIVE(recv, fd, buffer, size, flags, REAL_RECV);
}

EXPORT ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t object, int flags)
{
#define REAL_RECV_CHK(f) REAL(__recv_chk)(fd, buffer, size, object, (f))
    RECEIVE(recv, fd, buffer, size, flags, REAL_RECV_CHK);
}

EXPORT ssize_t sendto(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *address,
                      socklen_t length)
{
    SEND(fd, buffer, size, flags,
         address ? TIMED_FD(sendto, fd, REAL(sendto)(fd, buffer, size, flags, address, length))
                 : send_blocking(CALL_sendto, fd, buffer, size, flags),
         REAL(sendto)(fd, buffer, size, flags, address, length));
}

EXPORT ssize_t recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *address, socklen_t *length)
{
#define REAL_RECVFROM(f) REAL(recvfrom)(fd, buffer, size, (f), address, length)
    RECEIVE(recvfrom, fd, buffer, size, flags, REAL_RECVFROM);
}

EXPORT ssize_t __recvfrom_chk(int fd, void *buffer, size_t size, size_t object, int flags, struct sockaddr *address,
                              socklen_t *length)
{
#define REAL_RECVFROM_CHK(f) REAL(__recvfrom_chk)(fd, buffer, size, object, (f), address, length)
    RECEIVE(recvfrom, fd, buffer, size, flags, REAL_RECVFROM_CHK);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    uint16_t known = fd_flags(fd);
    bool quick = (flags & MSG_DONTWAIT) || (known & FD_NONBLOCK);
    uint32_t sending = sending_begin(fd, known, message->msg_iov, message->msg_iovlen, flags);
    ssize_t result =
        quick ? REAL(sendmsg)(fd, message, flags) : TIMED_FD(sendmsg, fd, REAL(sendmsg)(fd, message, flags));
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
    if (unlikely(traffic_watched(fd_flags(fd))))
        traffic_received(fd, message->msg_iov, message->msg_iovlen, result, flags, 0);
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
