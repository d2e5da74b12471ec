/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every hook_<family>.c includes, and what they may not use. */
#ifndef CPROBE_CAPTURE_HOOK_H
#define CPROBE_CAPTURE_HOOK_H

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "capture/fdtable.h"
#include "capture/real.h"
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
