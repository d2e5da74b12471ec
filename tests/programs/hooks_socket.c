/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets. Expected: see hook_case.h; a call on a descriptor in non-blocking mode or with MSG_DONTWAIT is never
 * counted. */
#include "hook_case.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

static void pair(int fds[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
        abort();
}

/* A listening socket on loopback; *address: where. */
static int listener(struct sockaddr_in *address)
{
    socklen_t length = sizeof(*address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(fd, (struct sockaddr *)address, length) || listen(fd, 8) ||
        getsockname(fd, (struct sockaddr *)address, &length))
        abort();
    return fd;
}

static void nonblock(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

CASE(socket, "")
{
    show("socket", socket(AF_INET, SOCK_STREAM, 0) >= 0);
    show("socket of no family", socket(-1, SOCK_STREAM, 0));
}

CASE(socketpair, "")
{
    int fds[2];
    show("socketpair", socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
    show("socketpair of no family", socketpair(AF_INET, SOCK_STREAM, 0, fds));
}

CASE(bind, "")
{
    struct sockaddr_in address;
    int fd = listener(&address);
    show("bind twice", bind(fd, (struct sockaddr *)&address, sizeof(address)));
    show("bind -1", bind(-1, (struct sockaddr *)&address, sizeof(address)));
}

CASE(listen, "")
{
    struct sockaddr_in address;
    show("listen", listen(listener(&address), 1));
    show("listen -1", listen(-1, 1));
}

CASE(setsockopt, "")
{
    int fds[2], one = 1;
    pair(fds);
    show("setsockopt", setsockopt(fds[0], SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one)));
    show("setsockopt -1", setsockopt(-1, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one)));
}

CASE(getsockopt, "")
{
    int fds[2], error = -1;
    socklen_t size = sizeof(error);
    pair(fds);
    show("getsockopt", getsockopt(fds[0], SOL_SOCKET, SO_ERROR, &error, &size));
    show("its value", error);
    show("getsockopt -1", getsockopt(-1, SOL_SOCKET, SO_ERROR, &error, &size));
}

CASE(shutdown, "shutdown 2 1 0 unix")
{
    int fds[2];
    pair(fds);
    show("shutdown", shutdown(fds[0], SHUT_WR));
    show("shutdown -1", shutdown(-1, SHUT_WR));
}

CASE(connect, "connect 3 1 0 inet")
{
    struct sockaddr_in address;
    int accepting = listener(&address), fd = socket(AF_INET, SOCK_STREAM, 0);
    int quick = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), refused = socket(AF_INET, SOCK_STREAM, 0);
    show("connect", connect(fd, (struct sockaddr *)&address, sizeof(address)));
    show("connect non-blocking", connect(quick, (struct sockaddr *)&address, sizeof(address)));
    int closing = listener(&address);
    syscall(SYS_close, closing);
    show("connect refused", connect(refused, (struct sockaddr *)&address, sizeof(address)));
    (void)accepting;
}

static void connect_to(void *address)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, address, sizeof(struct sockaddr_in)) != 0)
        abort();
}

CASE(accept, "accept 2 1 10 inet")
{
    static struct later l;
    static struct sockaddr_in address;
    int fd = listener(&address);
    struct sockaddr_in peer;
    socklen_t length = sizeof(peer);
    later_do(&l, connect_to, &address);
    show("accept", accept(fd, (struct sockaddr *)&peer, &length) >= 0);
    show("family", peer.sin_family);
    show("accept -1", accept(-1, NULL, NULL));
    nonblock(fd);
    show("accept non-blocking", accept(fd, NULL, NULL));
}

CASE(accept4, "accept4 2 1 20 inet")
{
    static struct later l, signals;
    static struct sockaddr_in address;
    int fd = listener(&address);
    interrupt_begin(&signals, SIGUSR1);
    show("accept4 interrupted", accept4(fd, NULL, NULL, 0));
    interrupt_end(&signals);
    pause_ms(2 * SHORT_MS);
    later_do(&l, connect_to, &address);
    int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
    show("accept4", peer >= 0);
    show("its mode", (fcntl(peer, F_GETFL) & O_NONBLOCK) != 0);
    char c;
    show("recv of it", recv(peer, &c, 1, 0));
}

CASE(send, "send 3 2 0 unix")
{
    int fds[2];
    pair(fds);
    signal(SIGPIPE, SIG_IGN);
    show("send", send(fds[0], "abc", 3, 0));
    show("send MSG_DONTWAIT", send(fds[0], "abc", 3, MSG_DONTWAIT));
    syscall(SYS_close, fds[1]);
    show("send to nobody", send(fds[0], "abc", 3, MSG_NOSIGNAL));
    struct sockaddr_in address;
    show("send unconnected", send(listener(&address), "abc", 3, MSG_NOSIGNAL));
}

CASE(recv, "recv 5 3 40 unix")
{
    static struct later l, signals;
    int fds[2];
    char c[4];
    struct timeval limit = {0, SHORT_MS * 1000};
    pair(fds);
    byte_later(&l, fds[1]);
    show("recv", recv(fds[0], c, 4, 0));
    show("recv MSG_DONTWAIT", recv(fds[0], c, 4, MSG_DONTWAIT));
    interrupt_begin(&signals, SIGUSR1);
    show("recv interrupted", recv(fds[0], c, 4, 0));
    interrupt_end(&signals);
    pause_ms(2 * SHORT_MS);
    byte_later(&l, fds[1]);
    show("recv restarted", recv(fds[0], c, 4, MSG_WAITALL | MSG_PEEK) > 0);
    setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    recv(fds[0], c, 4, MSG_DONTWAIT);
    show("recv timed out", recv(fds[0], c, 4, 0));
    show("recv -1", recv(-1, c, 4, 0));
}

CASE(sendto, "sendto 2 1 0 unix")
{
    int fds[2];
    pair(fds);
    show("sendto", sendto(fds[0], "abc", 3, 0, NULL, 0));
    show("sendto MSG_DONTWAIT", sendto(fds[0], "abc", 3, MSG_DONTWAIT, NULL, 0));
    show("sendto -1", sendto(-1, "abc", 3, 0, NULL, 0));
}

CASE(recvfrom, "recvfrom 2 1 10 unix")
{
    static struct later l;
    int fds[2];
    char c;
    pair(fds);
    byte_later(&l, fds[1]);
    show("recvfrom", recvfrom(fds[0], &c, 1, 0, NULL, NULL));
    show("recvfrom MSG_DONTWAIT", recvfrom(fds[0], &c, 1, MSG_DONTWAIT, NULL, NULL));
    show("recvfrom -1", recvfrom(-1, &c, 1, 0, NULL, NULL));
}

static struct msghdr message(struct iovec *part, void *buffer, size_t size)
{
    *part = (struct iovec){buffer, size};
    return (struct msghdr){.msg_iov = part, .msg_iovlen = 1};
}

CASE(sendmsg, "sendmsg 2 1 0 unix")
{
    int fds[2];
    struct iovec part;
    struct msghdr m = message(&part, (char[]){"abc"}, 3);
    pair(fds);
    show("sendmsg", sendmsg(fds[0], &m, 0));
    show("sendmsg MSG_DONTWAIT", sendmsg(fds[0], &m, MSG_DONTWAIT));
    show("sendmsg -1", sendmsg(-1, &m, 0));
}

CASE(recvmsg, "recvmsg 2 1 10 unix")
{
    static struct later l;
    int fds[2];
    char c[4];
    struct iovec part;
    struct msghdr m = message(&part, c, sizeof(c));
    pair(fds);
    byte_later(&l, fds[1]);
    show("recvmsg", recvmsg(fds[0], &m, 0));
    show("recvmsg MSG_DONTWAIT", recvmsg(fds[0], &m, MSG_DONTWAIT));
    show("recvmsg -1", recvmsg(-1, &m, 0));
}

CASE(sendmmsg, "sendmmsg 2 1 0 unix")
{
    int fds[2];
    struct iovec part;
    struct mmsghdr m[2] = {{.msg_hdr = message(&part, (char[]){"abc"}, 3)},
                           {.msg_hdr = message(&part, (char[]){"de"}, 2)}};
    pair(fds);
    show("sendmmsg", sendmmsg(fds[0], m, 2, 0));
    show("sendmmsg MSG_DONTWAIT", sendmmsg(fds[0], m, 2, MSG_DONTWAIT));
    show("sendmmsg -1", sendmmsg(-1, m, 2, 0));
}

CASE(recvmmsg, "recvmmsg 2 1 10 unix")
{
    static struct later l;
    int fds[2];
    char c[4];
    struct iovec part;
    struct mmsghdr m = {.msg_hdr = message(&part, c, sizeof(c))};
    pair(fds);
    byte_later(&l, fds[1]);
    show("recvmmsg", recvmmsg(fds[0], &m, 1, 0, NULL));
    show("recvmmsg MSG_DONTWAIT", recvmmsg(fds[0], &m, 1, MSG_DONTWAIT, NULL));
    show("recvmmsg -1", recvmmsg(-1, &m, 1, 0, NULL));
}
