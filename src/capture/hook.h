/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every hook_<family>.c includes, and what they may not use. */
#ifndef CPROBE_CAPTURE_HOOK_H
#define CPROBE_CAPTURE_HOOK_H

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "capture/fdtable.h"
#include "capture/life.h"
#include "capture/real.h"
#include "capture/traffic.h"
#include "capture/wait.h"

#define RETURN_ADDRESS ((uintptr_t)__builtin_return_address(0))

/* Records a call on one descriptor around the real one. */
#define TIMED_FD(call, fd, expression)                                   \
    ({                                                                   \
        uint64_t timed_begin = wait_begin();                             \
        __auto_type timed_result = (expression);                         \
        wait_end_fd(CALL_##call, (fd), timed_begin, (long)timed_result); \
        timed_result;                                                    \
    })

/*
 * A call that sends or receives. What has come is told after the wait was recorded, what was sent before (traffic.h).
 * parts, count: of the buffers, evaluated after the call where somebody listens.
 */
#define RECEIVE_FD(call, fd, parts, count, expression)                                                  \
    ({                                                                                                  \
        uint16_t receive_flags = fd_flags(fd);                                                          \
        ssize_t received = receive_flags & FD_NONBLOCK ? (expression) : TIMED_FD(call, fd, expression); \
        if (unlikely(traffic_watched(receive_flags)))                                                   \
            traffic_received((fd), (parts), (size_t)(count), received, 0, 0);                           \
        received;                                                                                       \
    })

#define SEND_FD(call, fd, parts, count, expression)                                                       \
    ({                                                                                                    \
        uint16_t send_flags = fd_flags(fd);                                                               \
        ssize_t sent;                                                                                     \
        life_sent(send_flags);                                                                            \
        if (likely(!traffic_watched(send_flags))) {                                                       \
            sent = send_flags & FD_NONBLOCK ? (expression) : TIMED_FD(call, fd, expression);              \
        } else {                                                                                          \
            uint32_t sending = traffic_sending((fd), (parts), (size_t)(count));                           \
            uint64_t send_begin = send_flags & FD_NONBLOCK ? 0 : wait_begin();                            \
            sent = (expression);                                                                          \
            uint64_t send_end = send_begin ? clock_now() : 0;                                             \
            traffic_sent((fd), sending, (parts), (size_t)(count), sent, send_end);                        \
            wait_end_until(CALL_##call, (fd), send_begin, send_end, sent, sent > 0 ? (uint64_t)sent : 0); \
        }                                                                                                 \
        sent;                                                                                             \
    })

/* One buffer as parts. */
#define PART(buffer, size) (&(const struct iovec){(void *)(buffer), (size)})

/* A pthread or sem function: `expression` gives an error number. */
#define TIMED_ERROR(call, expression)                                       \
    ({                                                                      \
        uint64_t timed_begin = wait_begin();                                \
        int timed_error = (expression);                                     \
        wait_end_plain(CALL_##call, timed_begin, timed_error, timed_error); \
        timed_error;                                                        \
    })

/* A function without a descriptor: result < 0 failed with errno. */
#define TIMED_PLAIN(call, expression)                                                               \
    ({                                                                                              \
        uint64_t timed_begin = wait_begin();                                                        \
        __auto_type timed_result = (expression);                                                    \
        wait_end_plain(CALL_##call, timed_begin, (long)timed_result, timed_result < 0 ? errno : 0); \
        timed_result;                                                                               \
    })

#endif
