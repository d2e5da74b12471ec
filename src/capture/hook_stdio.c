/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Streams: libc reads and writes their descriptors without passing the hooks of read and write. Only streams on
 * something that can block for long (pipe, terminal, socket) are timed; on files the page cache answers.
 */
#include "capture/hook.h"

/* The stream's descriptor if a call on it may wait, else -1. */
static int stream_waits(FILE *stream)
{
    int fd = stream ? REAL(fileno)(stream) : -1;
    if (fd < 0 || !fd_blocks(fd))
        return -1;
    const struct fd_entry *e = fd_entry_at(fd);
    return e && e->kind != ENDPOINT_FILE ? fd : -1;
}

#define STREAM(call, stream, expression, bytes)                           \
    ({                                                                    \
        int stream_fd = stream_waits(stream);                             \
        uint64_t stream_begin = stream_fd >= 0 ? wait_begin() : 0;        \
        __auto_type result = (expression);                                \
        wait_end_bytes(CALL_##call, stream_fd, stream_begin, 0, (bytes)); \
        result;                                                           \
    })

EXPORT size_t fread(void *buffer, size_t size, size_t count, FILE *stream)
{
    return STREAM(fread, stream, REAL(fread)(buffer, size, count, stream), result * size);
}

EXPORT size_t __fread_chk(void *buffer, size_t object, size_t size, size_t count, FILE *stream)
{
    return STREAM(fread, stream, REAL(__fread_chk)(buffer, object, size, count, stream), result * size);
}

EXPORT size_t fwrite(const void *buffer, size_t size, size_t count, FILE *stream)
{
    return STREAM(fwrite, stream, REAL(fwrite)(buffer, size, count, stream), result * size);
}

EXPORT char *fgets(char *buffer, int size, FILE *stream)
{
    return STREAM(fgets, stream, REAL(fgets)(buffer, size, stream), result ? strlen(result) : 0);
}

EXPORT char *__fgets_chk(char *buffer, size_t object, int size, FILE *stream)
{
    return STREAM(fgets, stream, REAL(__fgets_chk)(buffer, object, size, stream), result ? strlen(result) : 0);
}

EXPORT ssize_t getline(char **line, size_t *size, FILE *stream)
{
    return STREAM(fgets, stream, REAL(getline)(line, size, stream), result > 0 ? (uint64_t)result : 0);
}

EXPORT ssize_t getdelim(char **line, size_t *size, int delimiter, FILE *stream)
{
    return STREAM(fgets, stream, REAL(getdelim)(line, size, delimiter, stream), result > 0 ? (uint64_t)result : 0);
}

/* What getline is inlined to where the compiler optimises (bits/stdio.h). */
EXPORT ssize_t __getdelim(char **line, size_t *size, int delimiter, FILE *stream)
{
    return STREAM(fgets, stream, REAL(__getdelim)(line, size, delimiter, stream), result > 0 ? (uint64_t)result : 0);
}

EXPORT int fflush(FILE *stream)
{
    return STREAM(fflush, stream, REAL(fflush)(stream), 0);
}
