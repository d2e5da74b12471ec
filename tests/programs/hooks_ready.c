/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waits for readiness. Expected: see hook_case.h. On two descriptors and more, and on an epoll set, the endpoint is the
 * place of the call; on one it is that descriptor's; a look at one without waiting is not counted.
 */
#include "hook_case.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

static void pipes(int fds[2])
{
    if (pipe(fds) != 0)
        abort();
}

#define POLLING(name, call, limit_none, limit_short, ...)                                        \
    CASE(name, #call " 4 1 40 pipe")                                                             \
    {                                                                                            \
        static struct later l, signals;                                                          \
        int a[2], b[2];                                                                          \
        pipes(a);                                                                                \
        pipes(b);                                                                                \
        struct pollfd fds[2] = {{.fd = a[0], .events = POLLIN}, {.fd = b[0], .events = POLLIN}}; \
        show("no limit", name(fds, 1, limit_none, ##__VA_ARGS__));                               \
        show("one, in time", name(fds, 1, limit_short, ##__VA_ARGS__));                          \
        show("two, in time", name(fds, 2, limit_short, ##__VA_ARGS__));                          \
        interrupt_begin(&signals, SIGUSR2);                                                      \
        show("two, interrupted", name(fds, 2, forever, ##__VA_ARGS__));                          \
        interrupt_end(&signals);                                                                 \
        byte_later(&l, b[1]);                                                                    \
        pause_ms(2 * SHORT_MS);                                                                  \
        show("two, ready", name(fds, 2, limit_short, ##__VA_ARGS__));                            \
        show("which", fds[1].revents);                                                           \
    }

#define forever -1
POLLING(poll, poll, 0, SHORT_MS)
#undef forever
static const struct timespec none, brief = {0, SHORT_MS * 1000000L};
#define forever NULL
POLLING(ppoll, ppoll, &none, &brief, NULL)
#undef forever

#define SELECTING(name, type, unit, ...)                                                \
    CASE(name, #name " 4 0 40 pipe")                                                    \
    {                                                                                   \
        static struct later l;                                                          \
        int a[2], b[2];                                                                 \
        fd_set set;                                                                     \
        struct type limit = {0, 0};                                                     \
        pipes(a);                                                                       \
        pipes(b);                                                                       \
        FD_ZERO(&set);                                                                  \
        FD_SET(a[0], &set);                                                             \
        show("one, no limit", name(a[0] + 1, &set, NULL, NULL, &limit, ##__VA_ARGS__)); \
        FD_SET(a[0], &set);                                                             \
        limit.unit = SHORT_MS * scale;                                                  \
        show("one, in time", name(a[0] + 1, &set, NULL, NULL, &limit, ##__VA_ARGS__));  \
        limit.unit = SHORT_MS * scale;                                                  \
        show("none, in time", name(0, NULL, NULL, NULL, &limit, ##__VA_ARGS__));        \
        byte_later(&l, b[1]);                                                           \
        FD_SET(a[0], &set);                                                             \
        FD_SET(b[0], &set);                                                             \
        show("two, ready", name(b[0] + 1, &set, NULL, NULL, NULL, ##__VA_ARGS__));      \
        show("which", FD_ISSET(b[0], &set) && !FD_ISSET(a[0], &set));                   \
        FD_SET(a[0], &set);                                                             \
        limit.unit = 0;                                                                 \
        show("two, no limit", name(b[0] + 1, &set, NULL, NULL, &limit, ##__VA_ARGS__)); \
    }

#define scale 1000
SELECTING(select, timeval, tv_usec)
#undef scale
#define scale 1000000
SELECTING(pselect, timespec, tv_nsec, NULL)
#undef scale

CASE(epoll_create, "")
{
    show("epoll_create", epoll_create(1) >= 0);
    show("epoll_create of nothing", epoll_create(0));
}

CASE(epoll_create1, "")
{
    show("epoll_create1", epoll_create1(EPOLL_CLOEXEC) >= 0);
    show("epoll_create1 with a bad flag", epoll_create1(1));
}

static int watched_set(int fds[2])
{
    int set = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    pipes(fds);
    if (epoll_ctl(set, EPOLL_CTL_ADD, fds[0], &event) != 0)
        abort();
    return set;
}

CASE(epoll_ctl, "")
{
    int fds[2], set = watched_set(fds);
    struct epoll_event event = {.events = EPOLLIN};
    show("add again", epoll_ctl(set, EPOLL_CTL_ADD, fds[0], &event));
    show("change", epoll_ctl(set, EPOLL_CTL_MOD, fds[0], &event));
    show("remove", epoll_ctl(set, EPOLL_CTL_DEL, fds[0], NULL));
    show("remove again", epoll_ctl(set, EPOLL_CTL_DEL, fds[0], NULL));
}

#define WAITING(name, none_limit, short_limit, ...)                        \
    CASE(name, #name " 5 2 40 waitset")                                    \
    {                                                                      \
        static struct later l, signals;                                    \
        int fds[2], set = watched_set(fds);                                \
        struct epoll_event event;                                          \
        show("no limit", name(set, &event, 1, none_limit, ##__VA_ARGS__)); \
        show("in time", name(set, &event, 1, short_limit, ##__VA_ARGS__)); \
        interrupt_begin(&signals, SIGUSR1);                                \
        show("interrupted", name(set, &event, 1, forever, ##__VA_ARGS__)); \
        interrupt_end(&signals);                                           \
        pause_ms(2 * SHORT_MS);                                            \
        byte_later(&l, fds[1]);                                            \
        show("ready", name(set, &event, 1, forever, ##__VA_ARGS__));       \
        show("-1", name(-1, &event, 1, forever, ##__VA_ARGS__));           \
    }

#define forever -1
WAITING(epoll_wait, 0, SHORT_MS)
WAITING(epoll_pwait, 0, SHORT_MS, NULL)
#undef forever
#define forever NULL
WAITING(epoll_pwait2, &none, &brief, NULL)
#undef forever
