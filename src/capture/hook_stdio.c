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

/* What a stream on a connection has taken or given, in the order in which it is said; buffering only moves it in time.
   What passes through functions without a hook (printf, putc) is missing: the parser finds its place again. */
static void told(FILE *stream, enum traffic direction, const void *bytes, size_t size)
{
    int fd = stream && size ? REAL(fileno)(stream) : -1;
    if (fd >= 0 && unlikely(traffic_watched(fd_flags(fd))))
        traffic_moved(fd, direction, PART(bytes, size), 1, (int64_t)size, 0);
}

EXPORT size_t fread(void *buffer, size_t size, size_t count, FILE *stream)
{
    size_t done = STREAM(fread, stream, REAL(fread)(buffer, size, count, stream), result * size);
    told(stream, TRAFFIC_RECEIVED, buffer, done * size);
    return done;
}

EXPORT size_t __fread_chk(void *buffer, size_t object, size_t size, size_t count, FILE *stream)
{
    size_t done = STREAM(fread, stream, REAL(__fread_chk)(buffer, object, size, count, stream), result * size);
    told(stream, TRAFFIC_RECEIVED, buffer, done * size);
    return done;
}

EXPORT size_t fwrite(const void *buffer, size_t size, size_t count, FILE *stream)
{
    size_t done = STREAM(fwrite, stream, REAL(fwrite)(buffer, size, count, stream), result * size);
    told(stream, TRAFFIC_SENT, buffer, done * size);
    return done;
}

EXPORT char *fgets(char *buffer, int size, FILE *stream)
{
    char *line = STREAM(fgets, stream, REAL(fgets)(buffer, size, stream), result ? strlen(result) : 0);
    told(stream, TRAFFIC_RECEIVED, line, line ? strlen(line) : 0);
    return line;
}

EXPORT char *__fgets_chk(char *buffer, size_t object, int size, FILE *stream)
{
    char *line = STREAM(fgets, stream, REAL(__fgets_chk)(buffer, object, size, stream), result ? strlen(result) : 0);
    told(stream, TRAFFIC_RECEIVED, line, line ? strlen(line) : 0);
    return line;
}

EXPORT ssize_t getline(char **line, size_t *size, FILE *stream)
{
    ssize_t length = STREAM(fgets, stream, REAL(getline)(line, size, stream), result > 0 ? (uint64_t)result : 0);
    told(stream, TRAFFIC_RECEIVED, *line, length > 0 ? (size_t)length : 0);
    return length;
}

EXPORT ssize_t getdelim(char **line, size_t *size, int delimiter, FILE *stream)
{
    ssize_t length =
        STREAM(fgets, stream, REAL(getdelim)(line, size, delimiter, stream), result > 0 ? (uint64_t)result : 0);
    told(stream, TRAFFIC_RECEIVED, *line, length > 0 ? (size_t)length : 0);
    return length;
}

/* What getline is inlined to where the compiler optimises (bits/stdio.h). */
EXPORT ssize_t __getdelim(char **line, size_t *size, int delimiter, FILE *stream)
{
    ssize_t length =
        STREAM(fgets, stream, REAL(__getdelim)(line, size, delimiter, stream), result > 0 ? (uint64_t)result : 0);
    told(stream, TRAFFIC_RECEIVED, *line, length > 0 ? (size_t)length : 0);
    return length;
}

EXPORT int fflush(FILE *stream)
{
    return STREAM(fflush, stream, REAL(fflush)(stream), 0);
}
