/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/endpoint.h"
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

#define RECEIVE(call, fd, flags, REAL_CALL)                             \
    uint16_t known = (flags)&MSG_DONTWAIT ? FD_NONBLOCK : fd_flags(fd); \
    if (known & FD_NONBLOCK)                                            \
        return REAL_CALL(flags);                                        \
    if (likely(!((flags) & ~RECEIVE_TRIES) && !(known & FD_LOWAT))) {   \
        int saved = errno;                                              \
        ssize_t tried = REAL_CALL((flags) | MSG_DONTWAIT);              \
        if (tried >= 0 || errno != EAGAIN) {                            \
            wait_none(CALL_##call, fd, tried);                          \
            return tried;                                               \
        }                                                               \
        errno = saved;                                                  \
    }                                                                   \
    return TIMED_FD(call, fd, REAL_CALL(flags))

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

EXPORT ssize_t send(int fd, const void *buffer, size_t size, int flags)
{
    if ((flags & MSG_DONTWAIT) || !fd_blocks(fd))
        return REAL(send)(fd, buffer, size, flags);
    return send_blocking(CALL_send, fd, buffer, size, flags);
}

EXPORT ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
#define REAL_RECV(f) REAL(recv)(fd, buffer, size, (f))
    RECEIVE(recv, fd, flags, REAL_RECV);
}

EXPORT ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t object, int flags)
{
#define REAL_RECV_CHK(f) REAL(__recv_chk)(fd, buffer, size, object, (f))
    RECEIVE(recv, fd, flags, REAL_RECV_CHK);
}

EXPORT ssize_t sendto(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *address,
                      socklen_t length)
{
    if ((flags & MSG_DONTWAIT) || !fd_blocks(fd))
        return REAL(sendto)(fd, buffer, size, flags, address, length);
    if (!address)
        return send_blocking(CALL_sendto, fd, buffer, size, flags);
    return TIMED_FD(sendto, fd, REAL(sendto)(fd, buffer, size, flags, address, length));
}

EXPORT ssize_t recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *address, socklen_t *length)
{
#define REAL_RECVFROM(f) REAL(recvfrom)(fd, buffer, size, (f), address, length)
    RECEIVE(recvfrom, fd, flags, REAL_RECVFROM);
}

EXPORT ssize_t __recvfrom_chk(int fd, void *buffer, size_t size, size_t object, int flags, struct sockaddr *address,
                              socklen_t *length)
{
#define REAL_RECVFROM_CHK(f) REAL(__recvfrom_chk)(fd, buffer, size, object, (f), address, length)
    RECEIVE(recvfrom, fd, flags, REAL_RECVFROM_CHK);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if ((flags & MSG_DONTWAIT) || !fd_blocks(fd))
        return REAL(sendmsg)(fd, message, flags);
    return TIMED_FD(sendmsg, fd, REAL(sendmsg)(fd, message, flags));
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
    if ((flags & MSG_DONTWAIT) || !fd_blocks(fd))
        return REAL(sendmmsg)(fd, messages, count, flags);
    uint64_t begin = wait_begin();
    int result = REAL(sendmmsg)(fd, messages, count, flags);
    wait_end_bytes(CALL_sendmmsg, fd, begin, result, result > 0 ? sum_bytes(messages, result) : 0);
    return result;
}

EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    bool waits = !(flags & MSG_DONTWAIT) && fd_blocks(fd);
    uint64_t begin = waits ? wait_begin() : 0;
    int result = REAL(recvmmsg)(fd, messages, count, flags, timeout);
    wait_end_bytes(CALL_recvmmsg, fd, begin, result, result > 0 ? sum_bytes(messages, result) : 0);
    for (int i = 0; i < result; i++)
        if (messages[i].msg_hdr.msg_controllen)
            forget_received(&messages[i].msg_hdr);
    return result;
}
