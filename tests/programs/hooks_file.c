/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files and streams. Expected: see hook_case.h. A stream is counted on what can block only (here a pipe), opens are
 * counted always.
 */
#include "hook_case.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static char buffer[64];

/* An unnamed file with ten bytes in it. No hook is called. */
static int file(void)
{
    int fd = (int)syscall(SYS_memfd_create, "hooks", 0);
    if (syscall(SYS_pwrite64, fd, "0123456789", 10, 0) != 10)
        abort();
    return fd;
}

#define MISSING "/nonexistent/file"
#define OPENING(name, call, ...)                                                 \
    CASE(name, #call " 2 1 0 file")                                              \
    {                                                                            \
        int fd = name(path_of("/dev/null"), ##__VA_ARGS__);                      \
        show(#name, fd >= 0);                                                    \
        show("its mode", (int)syscall(SYS_fcntl, fd, F_GETFL) & O_ACCMODE);      \
        show(#name " of a missing file", name(path_of(MISSING), ##__VA_ARGS__)); \
    }

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

#define path_of(path) path
OPENING(open, open, O_RDWR)
OPENING(open64, open, O_RDONLY)
OPENING(__open_2, open, O_WRONLY)
OPENING(__open64_2, open, O_RDWR)
OPENING(creat, creat, 0600)
OPENING(creat64, creat, 0600)
#undef path_of
#define path_of(path) AT_FDCWD, path
OPENING(openat, openat, O_RDWR)
OPENING(openat64, openat, O_RDONLY)
OPENING(__openat_2, openat, O_WRONLY)
OPENING(__openat64_2, openat, O_RDWR)
#undef path_of

#define STREAMING(name)                               \
    CASE(name, "fopen 2 1 0 file")                    \
    {                                                 \
        show(#name, name("/dev/null", "r") != NULL);  \
        show("missing", name(MISSING, "r") ? 0 : -1); \
    }
STREAMING(fopen)
STREAMING(fopen64)

#define REOPENING(name)                                       \
    CASE(name, "fopen 2 1 0 file")                            \
    {                                                         \
        FILE *stream = fdopen(file(), "r");                   \
        stream = name("/dev/zero", "r", stream);              \
        show("first byte", fgetc(stream));                    \
        show("missing", name(MISSING, "r", stream) ? 0 : -1); \
    }
REOPENING(freopen)
REOPENING(freopen64)

static FILE *pipe_stream(int end, const char *mode, int fds[2])
{
    if (pipe(fds) != 0)
        abort();
    return fdopen(fds[end], mode);
}

CASE(fclose, "close 2 0 0 pipe")
{
    int fds[2];
    show("fclose", fclose(pipe_stream(0, "r", fds)));
    show("fclose of a file", fclose(fdopen(file(), "r")));
}

#define SYNCING(name, ...)                          \
    CASE(name, #name " 2 1 0 file")                 \
    {                                               \
        show(#name, name(file(), ##__VA_ARGS__));   \
        show(#name " -1", name(-1, ##__VA_ARGS__)); \
    }
SYNCING(fsync)
SYNCING(fdatasync)
SYNCING(syncfs)
SYNCING(sync_file_range, 0, 0, SYNC_FILE_RANGE_WRITE)

CASE(msync, "msync 1 0 0 none")
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file(), 0);
    show("MS_SYNC", msync(page, 4096, MS_SYNC));
    show("MS_ASYNC", msync(page, 4096, MS_ASYNC));
    show("bad address", msync((char *)page + 1, 1, MS_ASYNC));
}

static void unlock(void *fd)
{
    syscall(SYS_flock, (int)(long)fd, LOCK_UN);
}

CASE(flock, "flock 2 1 10 file")
{
    static struct later l;
    char path[64];
    int fd = file();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int other = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR);
    syscall(SYS_flock, other, LOCK_EX);
    later_do(&l, unlock, (void *)(long)other);
    show("LOCK_NB", flock(fd, LOCK_EX | LOCK_NB));
    show("LOCK_EX", flock(fd, LOCK_EX));
    show("LOCK_UN", flock(fd, LOCK_UN));
    show("flock -1", flock(-1, LOCK_EX));
}

#define LOCKING(name)                           \
    CASE(name, "lockf 2 1 0 file")              \
    {                                           \
        int fd = file();                        \
        show("F_LOCK", name(fd, F_LOCK, 0));    \
        show("F_TEST", name(fd, F_TEST, 0));    \
        show("F_ULOCK", name(fd, F_ULOCK, 0));  \
        show("F_LOCK -1", name(-1, F_LOCK, 0)); \
    }
LOCKING(lockf)
LOCKING(lockf64)

/* ---- streams ---------------------------------------------------------------------------------------------------- */

static void write_line(void *fd)
{
    if (syscall(SYS_write, (int)(long)fd, "line\n", 5) != 5)
        abort();
}

/* `expression` reads the line that comes later through `stream`; then from a file, which is not counted. */
#define READING(name, call, expression)                   \
    CASE(name, #call " 1 0 10 pipe")                      \
    {                                                     \
        static struct later l;                            \
        int fds[2];                                       \
        FILE *stream = pipe_stream(0, "r", fds);          \
        later_do(&l, write_line, (void *)(long)fds[1]);   \
        show(#name, (long)(expression));                  \
        printf("  %.4s\n", buffer);                       \
        stream = fdopen(file(), "r");                     \
        show(#name " of a file", (long)(expression) > 0); \
    }

static long line_length(ssize_t (*get)(char **, size_t *, int, FILE *), FILE *stream)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n = get ? get(&line, &size, '\n', stream) : (getline)(&line, &size, stream);
    memcpy(buffer, line, n < 4 ? (size_t)n : 4);
    free(line);
    return n;
}

READING(fread, fread, fread(buffer, 1, 5, stream))
READING(fgets, fgets, fgets(buffer, sizeof(buffer), stream) ? strlen(buffer) : 0)
READING(getline, fgets, line_length(NULL, stream))
READING(getdelim, fgets, line_length(getdelim, stream))
READING(__getdelim, fgets, line_length(__getdelim, stream))

CASE(fwrite, "fwrite 1 0 0 pipe")
{
    int fds[2];
    show("fwrite", (long)fwrite("abcd", 2, 2, pipe_stream(1, "w", fds)));
    show("fwrite to a file", (long)fwrite("abcd", 2, 2, fdopen(file(), "w")));
}

CASE(fflush, "fflush 1 0 0 pipe; fwrite 1 0 0 pipe")
{
    int fds[2];
    FILE *stream = pipe_stream(1, "w", fds);
    fwrite("abc", 1, 3, stream);
    show("fflush", fflush(stream));
    syscall(SYS_read, fds[0], buffer, 3);
    printf("  %.3s\n", buffer);
}
