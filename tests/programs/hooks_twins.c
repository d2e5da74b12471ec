/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the compiler makes of ordinary calls with _FORTIFY_SOURCE: the checked twins. Expected: see hook_case.h; the
 * waits are those of the plain function.
 */
#define _FORTIFY_SOURCE 2
#define _GNU_SOURCE
#include "hook_case.h"

#include <poll.h>
#include <sys/socket.h>

/* The compiler must know the object's size, but not the length. */
static volatile size_t length = 5;

static void socket_pair(int fds[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
        abort();
}

#define RECEIVING(name, call, kind, expression) \
    CASE(name, #call " 1 0 10 " #kind)          \
    {                                           \
        static struct later l;                  \
        char buffer[16];                        \
        int fds[2];                             \
        socket_pair(fds);                       \
        byte_later(&l, fds[1]);                 \
        show(#call, expression);                \
        printf("  %.1s\n", buffer);             \
    }

RECEIVING(__recv_chk, recv, unix, recv(fds[0], buffer, length, 0))
RECEIVING(__recvfrom_chk, recvfrom, unix, recvfrom(fds[0], buffer, length, 0, NULL, NULL))
RECEIVING(__read_chk, read, unix, read(fds[0], buffer, length))

static int file(void)
{
    int fd = (int)syscall(SYS_memfd_create, "hooks", 0);
    if (syscall(SYS_pwrite64, fd, "01234\n6789", 10, 0) != 10)
        abort();
    return fd;
}

#define READING(name)                                 \
    CASE(__##name##_chk, "pread 1 0 0 file")          \
    {                                                 \
        char buffer[16];                              \
        show(#name, name(file(), buffer, length, 2)); \
        printf("  %.5s\n", buffer);                   \
    }
READING(pread)
READING(pread64)

CASE(__poll_chk, "poll 1 0 10 unix")
{
    static struct later l;
    int fds[2];
    socket_pair(fds);
    byte_later(&l, fds[1]);
    struct pollfd set[1] = {{.fd = fds[0], .events = POLLIN}};
    show("poll", poll(set, length - 4, 5000));
}

CASE(__ppoll_chk, "ppoll 1 0 10 unix")
{
    static struct later l;
    int fds[2];
    socket_pair(fds);
    byte_later(&l, fds[1]);
    struct pollfd set[1] = {{.fd = fds[0], .events = POLLIN}};
    show("ppoll", ppoll(set, length - 4, NULL, NULL));
}

static void write_line(void *fd)
{
    if (syscall(SYS_write, (int)(long)fd, "line\n", 5) != 5)
        abort();
}

CASE(__fread_chk, "fread 1 0 10 unix")
{
    static struct later l;
    char buffer[16];
    int fds[2];
    socket_pair(fds);
    later_do(&l, write_line, (void *)(long)fds[1]);
    show("fread", (long)fread(buffer, 1, length, fdopen(fds[0], "r")));
}

CASE(__fgets_chk, "fgets 1 0 10 unix")
{
    static struct later l;
    char buffer[16];
    int fds[2];
    socket_pair(fds);
    later_do(&l, write_line, (void *)(long)fds[1]);
    show("fgets", fgets(buffer, (int)length + 5, fdopen(fds[0], "r")) != NULL);
    printf("  %s", buffer);
}
