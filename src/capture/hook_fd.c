/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/hook.h"

#include <linux/close_range.h>

#include "capture/connecting.h"
#include "capture/filelock.h"

/* Forgotten before the real call: afterwards the number may already belong to somebody else. */
EXPORT int close(int fd)
{
    connecting_closing(fd);
    if (thread_self.in_vfork || !fd_blocks(fd)) {
        fd_closed(fd);
        return REAL(close)(fd);
    }
    uint64_t begin = wait_begin();
    uint32_t endpoint = begin ? fd_endpoint(fd, false) : 0;
    fd_closed(fd);
    int result = REAL(close)(fd);
    wait_end_at(CALL_close, fd, endpoint, begin, result);
    return result;
}

EXPORT int close_range(unsigned first, unsigned last, int flags)
{
    if (!(flags & CLOSE_RANGE_CLOEXEC))
        fd_closed_range(first, last);
    int (*real)(unsigned, unsigned, int) = REAL(close_range);
    if (!real) {
        errno = ENOSYS;
        return -1;
    }
    return real(first, last, flags);
}

EXPORT void closefrom(int first)
{
    fd_closed_range(first < 0 ? 0 : (unsigned)first, UINT32_MAX);
    REAL(closefrom)(first);
}

EXPORT int dup(int fd)
{
    int result = REAL(dup)(fd);
    fd_duplicated(fd, result);
    return result;
}

EXPORT int dup2(int fd, int to)
{
    int result = REAL(dup2)(fd, to);
    fd_duplicated(fd, result);
    return result;
}

EXPORT int dup3(int fd, int to, int flags)
{
    int result = REAL(dup3)(fd, to, flags);
    fd_duplicated(fd, result);
    return result;
}

static bool control_waits(int command)
{
    return command == F_SETLKW || command == F_OFD_SETLKW;
}

static bool control_locks(int command)
{
    return control_waits(command) || command == F_SETLK || command == F_OFD_SETLK;
}

/* struct flock and struct flock64 are the same. */
static bool control_unlocks(const void *argument)
{
    return ((const struct flock *)argument)->l_type == F_UNLCK;
}

static bool control_shares(const void *argument)
{
    return ((const struct flock *)argument)->l_type == F_RDLCK;
}

static void control_done(int fd, int command, void *argument, int result, uintptr_t pc)
{
    if (result < 0)
        return;
    if (command == F_SETFL)
        fd_set_nonblock(fd, (long)argument & O_NONBLOCK);
    else if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
        fd_duplicated(fd, result);
    else if (control_locks(command) && control_unlocks(argument))
        filelock_left(fd);
    else if (control_locks(command))
        filelock_taken(fd, control_shares(argument), pc);
}

/* Tries first: who has it can only be asked while it is taken. The command that waits is a cancellation point even
   where it does not. */
static int control_lock(int (*control)(int, int, ...), int fd, int command, struct flock *range, struct lock_wait *w)
{
    int saved = errno;
    if (w->begin_ns) {
        REAL(pthread_testcancel)();
        if (control(fd, command == F_SETLKW ? F_SETLK : F_OFD_SETLK, range) == 0)
            return 0;
        if (errno == EAGAIN || errno == EACCES)
            filelock_wait_range(w, range, 0);
        errno = saved;
    }
    return control(fd, command, range);
}

#define FCNTL(name)                                                                   \
    va_list list;                                                                     \
    va_start(list, command);                                                          \
    void *argument = va_arg(list, void *);                                            \
    va_end(list);                                                                     \
    if (unlikely(control_waits(command) && argument && !control_unlocks(argument))) { \
        struct lock_wait wait;                                                        \
        filelock_wait_begin(&wait, fd, control_shares(argument));                     \
        int locked = control_lock(REAL(name), fd, command, argument, &wait);          \
        filelock_wait_end(&wait, CALL_fcntl, locked, RETURN_ADDRESS);                 \
        return locked;                                                                \
    }                                                                                 \
    int result = REAL(name)(fd, command, argument);                                   \
    control_done(fd, command, argument, result, RETURN_ADDRESS);                      \
    return result

EXPORT int fcntl(int fd, int command, ...)
{
    FCNTL(fcntl);
}

EXPORT int fcntl64(int fd, int command, ...)
{
    FCNTL(fcntl64);
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    int result = REAL(ioctl)(fd, request, argument);
    if (request == FIONBIO && result == 0)
        fd_set_nonblock(fd, *(const int *)argument != 0);
    return result;
}

EXPORT int pipe(int fds[2])
{
    int result = REAL(pipe)(fds);
    if (result == 0) {
        fd_opened(fds[0], ENDPOINT_PIPE, false);
        fd_opened(fds[1], ENDPOINT_PIPE, false);
    }
    return result;
}

EXPORT int pipe2(int fds[2], int flags)
{
    int result = REAL(pipe2)(fds, flags);
    if (result == 0) {
        fd_opened(fds[0], ENDPOINT_PIPE, flags & O_NONBLOCK);
        fd_opened(fds[1], ENDPOINT_PIPE, flags & O_NONBLOCK);
    }
    return result;
}

EXPORT int eventfd(unsigned value, int flags)
{
    int fd = REAL(eventfd)(value, flags);
    fd_opened(fd, ENDPOINT_EVENTFD, flags & EFD_NONBLOCK);
    return fd;
}

EXPORT int timerfd_create(clockid_t clock, int flags)
{
    int fd = REAL(timerfd_create)(clock, flags);
    fd_opened(fd, ENDPOINT_TIMERFD, flags & TFD_NONBLOCK);
    return fd;
}
