/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/hook.h"

#include "capture/filelock.h"

static mode_t mode_argument(int flags, va_list list)
{
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(list, mode_t) : 0;
}

/* An open that took long is named by its path; the others share one endpoint, for there may be a great many paths. */
static int open_end(enum call_number call, uint64_t begin, const char *path, int fd)
{
    fd_forget(fd);
    if (begin) {
        bool slow = clock_now() - begin >= recorder.settings.sample_ns;
        wait_end_named(call, begin, fd, fd < 0 ? errno : 0, ENDPOINT_FILE, slow ? path : "");
    }
    return fd;
}

#define MODE_FROM_LIST                        \
    va_list list;                             \
    va_start(list, flags);                    \
    mode_t mode = mode_argument(flags, list); \
    va_end(list)

#define OPEN(call, expression)     \
    uint64_t begin = wait_begin(); \
    int fd = (expression);         \
    return open_end(CALL_##call, begin, path, fd)

EXPORT int open(const char *path, int flags, ...)
{
    MODE_FROM_LIST;
    OPEN(open, REAL(open)(path, flags, mode));
}

EXPORT int open64(const char *path, int flags, ...)
{
    MODE_FROM_LIST;
    OPEN(open, REAL(open64)(path, flags, mode));
}

EXPORT int __open_2(const char *path, int flags)
{
    OPEN(open, REAL(__open_2)(path, flags));
}

EXPORT int __open64_2(const char *path, int flags)
{
    OPEN(open, REAL(__open64_2)(path, flags));
}

EXPORT int openat(int dir, const char *path, int flags, ...)
{
    MODE_FROM_LIST;
    OPEN(openat, REAL(openat)(dir, path, flags, mode));
}

EXPORT int openat64(int dir, const char *path, int flags, ...)
{
    MODE_FROM_LIST;
    OPEN(openat, REAL(openat64)(dir, path, flags, mode));
}

EXPORT int __openat_2(int dir, const char *path, int flags)
{
    OPEN(openat, REAL(__openat_2)(dir, path, flags));
}

EXPORT int __openat64_2(int dir, const char *path, int flags)
{
    OPEN(openat, REAL(__openat64_2)(dir, path, flags));
}

EXPORT int creat(const char *path, mode_t mode)
{
    OPEN(creat, REAL(creat)(path, mode));
}

EXPORT int creat64(const char *path, mode_t mode)
{
    OPEN(creat, REAL(creat64)(path, mode));
}

static FILE *stream_opened(uint64_t begin, const char *path, FILE *stream)
{
    open_end(CALL_fopen, begin, path ? path : "", stream ? REAL(fileno)(stream) : -1);
    return stream;
}

EXPORT FILE *fopen(const char *path, const char *mode)
{
    uint64_t begin = wait_begin();
    return stream_opened(begin, path, REAL(fopen)(path, mode));
}

EXPORT FILE *fopen64(const char *path, const char *mode)
{
    uint64_t begin = wait_begin();
    return stream_opened(begin, path, REAL(fopen64)(path, mode));
}

EXPORT FILE *freopen(const char *path, const char *mode, FILE *stream)
{
    uint64_t begin = wait_begin();
    fd_closed(REAL(fileno)(stream));
    return stream_opened(begin, path, REAL(freopen)(path, mode, stream));
}

EXPORT FILE *freopen64(const char *path, const char *mode, FILE *stream)
{
    uint64_t begin = wait_begin();
    fd_closed(REAL(fileno)(stream));
    return stream_opened(begin, path, REAL(freopen64)(path, mode, stream));
}

EXPORT int fclose(FILE *stream)
{
    int fd = REAL(fileno)(stream);
    uint64_t begin = fd >= 0 && fd_blocks(fd) ? wait_begin() : 0;
    uint32_t endpoint = begin ? fd_endpoint(fd, false) : 0;
    fd_closed(fd);
    int result = REAL(fclose)(stream);
    wait_end_at(CALL_close, fd, endpoint, begin, result);
    return result;
}

/* Calls that are rare and slow by nature are named by their file, however long they take. */
#define NAMED(call, fd, expression)                                                             \
    ({                                                                                          \
        uint64_t named_begin = wait_begin();                                                    \
        int named_result = (expression);                                                        \
        if (named_begin)                                                                        \
            wait_end_at(CALL_##call, (fd), fd_endpoint((fd), true), named_begin, named_result); \
        named_result;                                                                           \
    })

EXPORT int fsync(int fd)
{
    return NAMED(fsync, fd, REAL(fsync)(fd));
}

EXPORT int fdatasync(int fd)
{
    return NAMED(fdatasync, fd, REAL(fdatasync)(fd));
}

EXPORT int syncfs(int fd)
{
    return NAMED(syncfs, fd, REAL(syncfs)(fd));
}

EXPORT int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags)
{
    return NAMED(sync_file_range, fd, REAL(sync_file_range)(fd, offset, size, flags));
}

EXPORT int msync(void *address, size_t size, int flags)
{
    return flags & MS_SYNC ? TIMED_PLAIN(msync, REAL(msync)(address, size, flags)) : REAL(msync)(address, size, flags);
}

EXPORT int flock(int fd, int operation)
{
    if (operation & (LOCK_NB | LOCK_UN)) {
        int result = REAL(flock)(fd, operation);
        if (result == 0 && operation & LOCK_UN)
            filelock_left(fd);
        else if (result == 0)
            filelock_taken(fd, operation & LOCK_SH, RETURN_ADDRESS);
        return result;
    }
    struct lock_wait wait;
    filelock_wait_begin(&wait, fd, operation & LOCK_SH);
    int saved = errno, result = wait.begin_ns ? REAL(flock)(fd, operation | LOCK_NB) : -1;
    if (result < 0) { /* who has it can only be asked while it is taken */
        if (wait.begin_ns && errno == EWOULDBLOCK)
            filelock_wait_whole(&wait);
        errno = saved;
        result = REAL(flock)(fd, operation);
    }
    filelock_wait_end(&wait, CALL_flock, result, RETURN_ADDRESS);
    return result;
}

#define LOCKF(name)                                                   \
    struct lock_wait wait;                                            \
    if (command == F_LOCK)                                            \
        filelock_wait_begin(&wait, fd, false);                        \
    int saved = errno, result = -1;                                   \
    if (command == F_LOCK && wait.begin_ns) {                         \
        REAL(pthread_testcancel)();                                   \
        result = REAL(name)(fd, F_TLOCK, size);                       \
        if (result < 0 && (errno == EAGAIN || errno == EACCES))       \
            filelock_wait_range(&wait, NULL, size);                   \
    }                                                                 \
    if (result < 0) {                                                 \
        errno = saved;                                                \
        result = REAL(name)(fd, command, size);                       \
    }                                                                 \
    if (command == F_LOCK)                                            \
        filelock_wait_end(&wait, CALL_lockf, result, RETURN_ADDRESS); \
    else if (result == 0 && command == F_TLOCK)                       \
        filelock_taken(fd, false, RETURN_ADDRESS);                    \
    else if (result == 0 && command == F_ULOCK)                       \
        filelock_left(fd);                                            \
    return result

EXPORT int lockf(int fd, int command, off_t size)
{
    LOCKF(lockf);
}

EXPORT int lockf64(int fd, int command, off64_t size)
{
    LOCKF(lockf64);
}
