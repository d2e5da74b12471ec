/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads, writes, copies and descriptors. Expected: see hook_case.h. */
#include "hook_case.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>

static char buffer[64];
static struct iovec parts[2] = {{buffer, 2}, {buffer + 2, 3}};

/* An unnamed file with ten bytes in it. No hook is called. */
static int file(void)
{
    int fd = (int)syscall(SYS_memfd_create, "hooks", 0);
    if (syscall(SYS_pwrite64, fd, "0123456789", 10, 0) != 10)
        abort();
    return fd;
}

static void pipes(int fds[2])
{
    if (pipe(fds) != 0)
        abort();
}

CASE(read, "read 4 2 20 pipe")
{
    static struct later l, signals;
    int fds[2];
    pipes(fds);
    byte_later(&l, fds[1]);
    show("read", read(fds[0], buffer, 4));
    interrupt_begin(&signals, SIGUSR1);
    show("read interrupted", read(fds[0], buffer, 4));
    interrupt_end(&signals);
    pause_ms(2 * SHORT_MS);
    static struct later restarts;
    interrupt_begin(&restarts, SIGUSR2);
    byte_later(&l, fds[1]);
    show("read restarted", read(fds[0], buffer, 4));
    interrupt_end(&restarts);
    show("read -1", read(-1, buffer, 4));
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    show("read non-blocking", read(fds[0], buffer, 4));
}

CASE(write, "write 3 1 0 pipe")
{
    int fds[2];
    pipes(fds);
    show("write", write(fds[1], "abc", 3));
    show("write nothing", write(fds[1], "abc", 0));
    show("write -1", write(-1, "abc", 3));
}

CASE(readv, "readv 2 1 10 pipe")
{
    static struct later l;
    int fds[2];
    pipes(fds);
    byte_later(&l, fds[1]);
    show("readv", readv(fds[0], parts, 2));
    show("readv -1", readv(-1, parts, 2));
}

CASE(writev, "writev 2 1 0 pipe")
{
    int fds[2];
    pipes(fds);
    show("writev", writev(fds[1], parts, 2));
    show("writev -1", writev(-1, parts, 2));
}

#define POSITIONED(name, call, ...)                 \
    CASE(name, #call " 2 1 0 file")                 \
    {                                               \
        int fd = file(), none = -1;                 \
        show(#name, name(fd, __VA_ARGS__));         \
        buffer[10] = '\0';                          \
        printf("  %.10s\n", buffer);                \
        show(#name " -1", name(none, __VA_ARGS__)); \
    }

POSITIONED(pread, pread, buffer, 4, 3)
POSITIONED(pread64, pread, buffer, 4, 4)
POSITIONED(pwrite, pwrite, "abc", 3, 1)
POSITIONED(pwrite64, pwrite, "abc", 3, 2)
POSITIONED(preadv, preadv, parts, 2, 3)
POSITIONED(preadv64, preadv, parts, 2, 4)
POSITIONED(pwritev, pwritev, parts, 2, 3)
POSITIONED(pwritev64, pwritev, parts, 2, 4)
POSITIONED(preadv2, preadv2, parts, 2, 3, 0)
POSITIONED(preadv64v2, preadv2, parts, 2, 4, 0)
POSITIONED(pwritev2, pwritev2, parts, 2, 3, 0)
POSITIONED(pwritev64v2, pwritev2, parts, 2, 4, 0)

CASE(sendfile, "sendfile 2 1 0 pipe")
{
    int fds[2];
    off_t offset = 2;
    pipes(fds);
    show("sendfile", sendfile(fds[1], file(), &offset, 4));
    show("offset", offset);
    show("sendfile -1", sendfile(-1, file(), NULL, 4));
}

CASE(sendfile64, "sendfile 2 1 0 pipe")
{
    int fds[2];
    off64_t offset = 3;
    pipes(fds);
    show("sendfile64", sendfile64(fds[1], file(), &offset, 4));
    show("offset", offset);
    show("sendfile64 -1", sendfile64(-1, file(), NULL, 4));
}

CASE(splice, "splice 1 0 10 pipe")
{
    static struct later l;
    int from[2], to[2];
    pipes(from);
    pipes(to);
    byte_later(&l, from[1]);
    show("splice", splice(from[0], NULL, to[1], NULL, 10, 0));
    show("splice SPLICE_F_NONBLOCK", splice(from[0], NULL, to[1], NULL, 10, SPLICE_F_NONBLOCK));
}

CASE(tee, "tee 1 0 10 pipe")
{
    static struct later l;
    int from[2], to[2];
    pipes(from);
    pipes(to);
    byte_later(&l, from[1]);
    show("tee", tee(from[0], to[1], 10, 0));
    show("tee SPLICE_F_NONBLOCK", tee(from[0], to[1], 10, SPLICE_F_NONBLOCK));
}

CASE(vmsplice, "vmsplice 2 1 0 pipe")
{
    int fds[2];
    pipes(fds);
    show("vmsplice", vmsplice(fds[1], parts, 2, 0));
    show("vmsplice -1", vmsplice(-1, parts, 2, 0));
}

CASE(copy_file_range, "copy_file_range 2 1 0 file")
{
    int from = file(), to = file();
    show("copy_file_range", copy_file_range(from, NULL, to, NULL, 4, 0));
    show("copy_file_range -1", copy_file_range(from, NULL, -1, NULL, 4, 0));
}

CASE(close, "close 2 1 0 pipe")
{
    int fds[2];
    pipes(fds);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    show("close", close(fds[0]));
    show("close non-blocking", close(fds[1]));
    show("close again", close(-1));
}

CASE(close_range, "")
{
    int fd = fcntl(file(), F_DUPFD, 500);
    show("close_range CLOSE_RANGE_CLOEXEC", close_range(500, 600, CLOSE_RANGE_CLOEXEC));
    show("still open", fcntl(fd, F_GETFD));
    show("close_range", close_range(500, 600, 0));
    show("closed", fcntl(fd, F_GETFD));
    show("close_range backwards", close_range(600, 500, 0));
}

CASE(closefrom, "")
{
    int fd = fcntl(file(), F_DUPFD, 500);
    closefrom(500);
    show("closed", fcntl(fd, F_GETFD));
}

CASE(dup, "read 1 0 0 pipe")
{
    int fds[2];
    pipes(fds);
    int copy = dup(fds[0]);
    show("dup -1", dup(-1));
    syscall(SYS_write, fds[1], "x", 1);
    show("read of it", read(copy, buffer, 1));
    fcntl(fds[0], F_SETFL, O_NONBLOCK); /* the mode is that of the description: of the copy, too */
    show("read non-blocking", read(copy, buffer, 1));
}

CASE(dup2, "")
{
    int fds[2], to = (int)syscall(SYS_memfd_create, "hooks", 0);
    pipes(fds);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    show("dup2", dup2(fds[0], to) == to);
    show("read of it", read(to, buffer, 1));
    show("dup2 -1", dup2(-1, to));
    show("read after that", read(to, buffer, 1));
}

CASE(dup3, "")
{
    int fds[2], to = (int)syscall(SYS_memfd_create, "hooks", 0);
    pipes(fds);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    show("dup3", dup3(fds[0], to, O_CLOEXEC) == to);
    show("read of it", read(to, buffer, 1));
    show("dup3 to itself", dup3(to, to, 0));
}

/* Another process has the lock for a moment: record locks do not exclude within one process. */
static pid_t lock_holder(int fd)
{
    int ready[2];
    char c;
    if (syscall(SYS_pipe, ready) != 0)
        abort();
    pid_t child = (pid_t)syscall(SYS_fork);
    if (child == 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        syscall(SYS_fcntl, fd, F_SETLK, &lock);
        syscall(SYS_write, ready[1], "x", 1);
        struct timespec t = {0, SHORT_MS * 1000000L};
        syscall(SYS_nanosleep, &t, NULL);
        syscall(SYS_exit_group, 0);
    }
    syscall(SYS_read, ready[0], &c, 1);
    return child;
}

#define LOCKING(name)                                                  \
    CASE(name, "fcntl 2 1 10 file")                                    \
    {                                                                  \
        int fd = file();                                               \
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET}; \
        pid_t child = lock_holder(fd);                                 \
        show("F_SETLK", name(fd, F_SETLK, &lock));                     \
        show("F_SETLKW", name(fd, F_SETLKW, &lock));                   \
        show("F_SETLKW -1", name(-1, F_SETLKW, &lock));                \
        show("F_GETFD", name(fd, F_GETFD));                            \
        show("F_DUPFD", name(fd, F_DUPFD, 700) >= 700);                \
        show("F_SETFL", name(fd, F_SETFL, O_NONBLOCK));                \
        show("F_GETFL", (name(fd, F_GETFL) & O_NONBLOCK) != 0);        \
        syscall(SYS_wait4, child, NULL, 0, NULL);                      \
    }
LOCKING(fcntl)
LOCKING(fcntl64)

CASE(ioctl, "")
{
    int fds[2], on = 1, size = 0;
    pipes(fds);
    show("FIONBIO", ioctl(fds[0], FIONBIO, &on));
    show("read non-blocking", read(fds[0], buffer, 1));
    show("FIONREAD", ioctl(fds[0], FIONREAD, &size));
    show("ioctl -1", ioctl(-1, FIONBIO, &on));
}

CASE(pipe, "read 1 0 10 pipe")
{
    static struct later l;
    int fds[2];
    show("pipe", pipe(fds));
    byte_later(&l, fds[1]);
    show("read", read(fds[0], buffer, 1));
}

CASE(pipe2, "")
{
    int fds[2];
    show("pipe2", pipe2(fds, O_NONBLOCK));
    show("read", read(fds[0], buffer, 1));
    show("pipe2 with a bad flag", pipe2(fds, 1));
}

CASE(eventfd, "read 1 0 0 eventfd")
{
    uint64_t value = 0;
    int fd = eventfd(3, 0), quick = eventfd(0, EFD_NONBLOCK);
    show("read", read(fd, &value, 8));
    show("value", (long)value);
    show("read non-blocking", read(quick, &value, 8));
    show("eventfd with a bad flag", eventfd(0, -1));
}

CASE(timerfd_create, "read 1 0 10 timerfd")
{
    uint64_t value = 0;
    struct itimerspec soon = {.it_value = {0, SHORT_MS * 1000000L}};
    int fd = timerfd_create(CLOCK_MONOTONIC, 0), quick = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    timerfd_settime(fd, 0, &soon, NULL);
    show("read", read(fd, &value, 8));
    show("read non-blocking", read(quick, &value, 8));
    show("timerfd_create of no clock", timerfd_create(-1, 0));
}
