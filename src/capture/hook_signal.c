/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recorder may use SIGURG (oncpu.h); from the moment that the program wants it, it does not. SIGTRAP it shares with
 * the program (sigtrap.h). The program never sees the recorder's handlers. */
#include "capture/hook.h"

#include "capture/oncpu.h"
#include "capture/sigtrap.h"

EXPORT int sigaction(int signal, const struct sigaction *action, struct sigaction *old)
{
    if (unlikely(sigtrap_action(signal, action, old)))
        return 0;
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
#define SET_HANDLER(name, flags)                                  \
    EXPORT __sighandler_t name(int signal, __sighandler_t action) \
    {                                                             \
        __sighandler_t old;                                       \
        if (sigtrap_signal(signal, action, (flags), &old))        \
            return old;                                           \
        bool yielded = oncpu_yield(signal);                       \
        old = REAL(name)(signal, action);                         \
        return yielded && old != SIG_ERR ? SIG_DFL : old;         \
    }

SET_HANDLER(signal, SA_RESTART)
SET_HANDLER(ssignal, SA_RESTART)
SET_HANDLER(sysv_signal, SA_RESETHAND | SA_NODEFER)
SET_HANDLER(__sysv_signal, SA_RESETHAND | SA_NODEFER)
SET_HANDLER(bsd_signal, SA_RESTART)
SET_HANDLER(sigset, 0)

EXPORT int sigignore(int signal)
{
    __sighandler_t old;
    if (sigtrap_signal(signal, SIG_IGN, 0, &old))
        return 0;
    oncpu_yield(signal);
    return REAL(sigignore)(signal);
}
