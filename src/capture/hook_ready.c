/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waits for readiness. Two or more descriptors, or an epoll set: a place that may be an event loop's own, so its call
 * site is kept. A single descriptor: an ordinary wait for that descriptor's peer, which is how drivers with blocking
 * calls wait, unless a loop's own place happens to have only one. None: a sleep.
 */
#include "capture/hook.h"

static void ready_end(enum call_number call, uintptr_t site, uint64_t begin, int result, uint32_t count, int fd)
{
    if (!begin)
        return;
    if (count >= 2 || (count == 1 && wait_is_loops_own(site, fd)))
        wait_end_set(call, site, -1, begin, result, count);
    else
        wait_end_ready(call, fd, begin, result);
}

/* A look at one descriptor without waiting is no wait; a look at many may be a loop's turn. */
static uint64_t ready_begin(uint32_t count, bool waits)
{
    return waits || count >= 2 ? wait_begin() : 0;
}

EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    uint64_t begin = ready_begin((uint32_t)count, timeout != 0);
    int fd = begin && count == 1 ? fds[0].fd : -1;
    int result = REAL(poll)(fds, count, timeout);
    ready_end(CALL_poll, RETURN_ADDRESS, begin, result, (uint32_t)count, fd);
    return result;
}

EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t object)
{
    uint64_t begin = ready_begin((uint32_t)count, timeout != 0);
    int fd = begin && count == 1 ? fds[0].fd : -1;
    int result = REAL(__poll_chk)(fds, count, timeout, object);
    ready_end(CALL_poll, RETURN_ADDRESS, begin, result, (uint32_t)count, fd);
    return result;
}

static bool timespec_waits(const struct timespec *timeout)
{
    return !timeout || timeout->tv_sec || timeout->tv_nsec;
}

EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    uint64_t begin = ready_begin((uint32_t)count, timespec_waits(timeout));
    int fd = begin && count == 1 ? fds[0].fd : -1;
    int result = REAL(ppoll)(fds, count, timeout, mask);
    ready_end(CALL_ppoll, RETURN_ADDRESS, begin, result, (uint32_t)count, fd);
    return result;
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
                       size_t object)
{
    uint64_t begin = ready_begin((uint32_t)count, timespec_waits(timeout));
    int fd = begin && count == 1 ? fds[0].fd : -1;
    int result = REAL(__ppoll_chk)(fds, count, timeout, mask, object);
    ready_end(CALL_ppoll, RETURN_ADDRESS, begin, result, (uint32_t)count, fd);
    return result;
}

/* How many descriptors the sets name; *fd: the last of them. Sets may be larger than FD_SETSIZE. */
static uint32_t sets_count(int count, const fd_set *reads, const fd_set *writes, const fd_set *excepts, int *fd)
{
    uint32_t total = 0;
    *fd = -1;
    for (int i = 0; i * 64 < count; i++) {
        uint64_t bits = 0;
        bits |= reads ? ((const uint64_t *)reads)[i] : 0;
        bits |= writes ? ((const uint64_t *)writes)[i] : 0;
        bits |= excepts ? ((const uint64_t *)excepts)[i] : 0;
        if ((i + 1) * 64 > count)
            bits &= (UINT64_C(1) << (count & 63)) - 1;
        if (bits)
            *fd = i * 64 + 63 - __builtin_clzll(bits);
        total += (uint32_t)__builtin_popcountll(bits);
    }
    return total;
}

EXPORT int select(int count, fd_set *reads, fd_set *writes, fd_set *excepts, struct timeval *timeout)
{
    int fd;
    uint32_t total = sets_count(count, reads, writes, excepts, &fd);
    uint64_t begin = ready_begin(total, !timeout || timeout->tv_sec || timeout->tv_usec);
    int result = REAL(select)(count, reads, writes, excepts, timeout);
    ready_end(CALL_select, RETURN_ADDRESS, begin, result, total, fd);
    return result;
}

EXPORT int pselect(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timespec *timeout,
                   const sigset_t *mask)
{
    int fd;
    uint32_t total = sets_count(count, reads, writes, excepts, &fd);
    uint64_t begin = ready_begin(total, timespec_waits(timeout));
    int result = REAL(pselect)(count, reads, writes, excepts, timeout, mask);
    ready_end(CALL_pselect, RETURN_ADDRESS, begin, result, total, fd);
    return result;
}

EXPORT int epoll_create(int size)
{
    int fd = REAL(epoll_create)(size);
    fd_opened(fd, ENDPOINT_WAITSET, false);
    return fd;
}

EXPORT int epoll_create1(int flags)
{
    int fd = REAL(epoll_create1)(flags);
    fd_opened(fd, ENDPOINT_WAITSET, false);
    return fd;
}

EXPORT int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    int result = REAL(epoll_ctl)(epoll, operation, fd, event);
    if (result == 0 && operation != EPOLL_CTL_MOD)
        fd_watch(epoll, fd, operation == EPOLL_CTL_ADD);
    return result;
}

EXPORT int epoll_wait(int epoll, struct epoll_event *events, int size, int timeout)
{
    uint64_t begin = wait_begin();
    int result = REAL(epoll_wait)(epoll, events, size, timeout);
    wait_end_set(CALL_epoll_wait, RETURN_ADDRESS, epoll, begin, result, fd_watched(epoll));
    return result;
}

EXPORT int epoll_pwait(int epoll, struct epoll_event *events, int size, int timeout, const sigset_t *mask)
{
    uint64_t begin = wait_begin();
    int result = REAL(epoll_pwait)(epoll, events, size, timeout, mask);
    wait_end_set(CALL_epoll_pwait, RETURN_ADDRESS, epoll, begin, result, fd_watched(epoll));
    return result;
}

EXPORT int epoll_pwait2(int epoll, struct epoll_event *events, int size, const struct timespec *timeout,
                        const sigset_t *mask)
{
    int (*real)(int, struct epoll_event *, int, const struct timespec *, const sigset_t *) = REAL(epoll_pwait2);
    if (!real) {
        errno = ENOSYS;
        return -1;
    }
    uint64_t begin = wait_begin();
    int result = real(epoll, events, size, timeout, mask);
    wait_end_set(CALL_epoll_pwait2, RETURN_ADDRESS, epoll, begin, result, fd_watched(epoll));
    return result;
}
