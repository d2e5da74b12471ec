/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recorder may use SIGURG (oncpu.h); from the moment that the program wants it, it does not. The program never sees
 * the recorder's handler. */
#include "capture/hook.h"

#include "capture/oncpu.h"

EXPORT int sigaction(int signal, const struct sigaction *action, struct sigaction *old)
{
    if (action)
        oncpu_yield(signal);
    int result = REAL(sigaction)(signal, action, old);
    if (result == 0 && old && oncpu_own_action(old)) {
        memset(old, 0, sizeof(*old));
        old->sa_handler = SIG_DFL;
    }
    return result;
}

/* The functions that set a handler and return the one before. */
#define SET_HANDLER(name)                                         \
    EXPORT __sighandler_t name(int signal, __sighandler_t action) \
    {                                                             \
        bool yielded = oncpu_yield(signal);                       \
        __sighandler_t old = REAL(name)(signal, action);          \
        return yielded && old != SIG_ERR ? SIG_DFL : old;         \
    }

SET_HANDLER(signal)
SET_HANDLER(ssignal)
SET_HANDLER(sysv_signal)
SET_HANDLER(__sysv_signal)
SET_HANDLER(bsd_signal)
SET_HANDLER(sigset)

EXPORT int sigignore(int signal)
{
    oncpu_yield(signal);
    return REAL(sigignore)(signal);
}
