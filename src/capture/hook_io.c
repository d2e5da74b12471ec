/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/hook.h"

#define IO(call, fd, expression) (fd_blocks(fd) ? TIMED_FD(call, fd, expression) : (expression))

EXPORT ssize_t read(int fd, void *buffer, size_t size)
{
    return RECEIVE_FD(read, fd, PART(buffer, size), 1, REAL(read)(fd, buffer, size));
}

EXPORT ssize_t __read_chk(int fd, void *buffer, size_t size, size_t object)
{
    return RECEIVE_FD(read, fd, PART(buffer, size), 1, REAL(__read_chk)(fd, buffer, size, object));
}

EXPORT ssize_t write(int fd, const void *buffer, size_t size)
{
    return SEND_FD(write, fd, PART(buffer, size), 1, REAL(write)(fd, buffer, size));
}

EXPORT ssize_t readv(int fd, const struct iovec *parts, int count)
{
    return RECEIVE_FD(readv, fd, parts, count, REAL(readv)(fd, parts, count));
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return SEND_FD(writev, fd, parts, count, REAL(writev)(fd, parts, count));
}

EXPORT ssize_t pread(int fd, void *buffer, size_t size, off_t offset)
{
    return IO(pread, fd, REAL(pread)(fd, buffer, size, offset));
}

EXPORT ssize_t pread64(int fd, void *buffer, size_t size, off64_t offset)
{
    return IO(pread, fd, REAL(pread64)(fd, buffer, size, offset));
}

EXPORT ssize_t __pread_chk(int fd, void *buffer, size_t size, off_t offset, size_t object)
{
    return IO(pread, fd, REAL(__pread_chk)(fd, buffer, size, offset, object));
}

EXPORT ssize_t __pread64_chk(int fd, void *buffer, size_t size, off64_t offset, size_t object)
{
    return IO(pread, fd, REAL(__pread64_chk)(fd, buffer, size, offset, object));
}

EXPORT ssize_t pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    return IO(pwrite, fd, REAL(pwrite)(fd, buffer, size, offset));
}

EXPORT ssize_t pwrite64(int fd, const void *buffer, size_t size, off64_t offset)
{
    return IO(pwrite, fd, REAL(pwrite64)(fd, buffer, size, offset));
}

EXPORT ssize_t preadv(int fd, const struct iovec *parts, int count, off_t offset)
{
    return IO(preadv, fd, REAL(preadv)(fd, parts, count, offset));
}

EXPORT ssize_t preadv64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    return IO(preadv, fd, REAL(preadv64)(fd, parts, count, offset));
}

EXPORT ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return IO(pwritev, fd, REAL(pwritev)(fd, parts, count, offset));
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    return IO(pwritev, fd, REAL(pwritev64)(fd, parts, count, offset));
}

EXPORT ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    return IO(preadv2, fd, REAL(preadv2)(fd, parts, count, offset, flags));
}

EXPORT ssize_t preadv64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags)
{
    return IO(preadv2, fd, REAL(preadv64v2)(fd, parts, count, offset, flags));
}

EXPORT ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    return IO(pwritev2, fd, REAL(pwritev2)(fd, parts, count, offset, flags));
}

EXPORT ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags)
{
    return IO(pwritev2, fd, REAL(pwritev64v2)(fd, parts, count, offset, flags));
}

/* Copies between two descriptors: the one that can block is what is waited on, the output first. */
static int blocking_of(int out, int in)
{
    return fd_blocks(out) ? out : fd_blocks(in) ? in : -1;
}

#define COPY(call, out, in, expression)                                    \
    ({                                                                     \
        int copy_fd = blocking_of(out, in);                                \
        copy_fd >= 0 ? TIMED_FD(call, copy_fd, expression) : (expression); \
    })

/* What was moved between descriptors without passing through the program. */
static ssize_t unseen(int in, int out, ssize_t moved)
{
    if (in >= 0 && unlikely(traffic_watched(fd_flags(in))))
        traffic_unseen(in, TRAFFIC_RECEIVED, moved);
    if (unlikely(traffic_watched(fd_flags(out))))
        traffic_unseen(out, TRAFFIC_SENT, moved);
    return moved;
}

EXPORT ssize_t sendfile(int out, int in, off_t *offset, size_t size)
{
    /* The input is a file: whether the call can wait for its peer depends on the output alone. */
    return unseen(-1, out, IO(sendfile, out, REAL(sendfile)(out, in, offset, size)));
}

EXPORT ssize_t sendfile64(int out, int in, off64_t *offset, size_t size)
{
    return unseen(-1, out, IO(sendfile, out, REAL(sendfile64)(out, in, offset, size)));
}

EXPORT ssize_t splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t size, unsigned flags)
{
    if (flags & SPLICE_F_NONBLOCK)
        return unseen(in, out, REAL(splice)(in, in_offset, out, out_offset, size, flags));
    return unseen(in, out, COPY(splice, out, in, REAL(splice)(in, in_offset, out, out_offset, size, flags)));
}

EXPORT ssize_t tee(int in, int out, size_t size, unsigned flags)
{
    if (flags & SPLICE_F_NONBLOCK)
        return REAL(tee)(in, out, size, flags);
    return COPY(tee, out, in, REAL(tee)(in, out, size, flags));
}

EXPORT ssize_t vmsplice(int fd, const struct iovec *parts, size_t count, unsigned flags)
{
    return IO(vmsplice, fd, REAL(vmsplice)(fd, parts, count, flags));
}

EXPORT ssize_t copy_file_range(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t size, unsigned flags)
{
    return IO(copy_file_range, out, REAL(copy_file_range)(in, in_offset, out, out_offset, size, flags));
}
