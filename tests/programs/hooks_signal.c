/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Functions that set a signal's handler. Expected: see hook_case.h; the program only sees handlers of its own. */
#include "hook_case.h"

__sighandler_t __sysv_signal(int signal, __sighandler_t action);
__sighandler_t bsd_signal(int signal, __sighandler_t action);

CASE(sigaction, "")
{
    struct sigaction action, old;
    memset(&action, 0, sizeof(action));
    action.sa_handler = handler_nothing;
    show("sigaction", sigaction(SIGURG, &action, &old));
    show("the default before", old.sa_handler == SIG_DFL);
    show("sigaction again", sigaction(SIGURG, NULL, &old));
    show("its own now", old.sa_handler == handler_nothing);
    show("no such signal", sigaction(1000, NULL, &old));
}

#define SETTING(name)                                                     \
    CASE(name, "")                                                        \
    {                                                                     \
        name(SIGURG, SIG_IGN);                                            \
        show("ignored before", name(SIGURG, handler_nothing) == SIG_IGN); \
        show("its own before", name(SIGURG, SIG_DFL) == handler_nothing); \
        show("no such signal", name(1000, SIG_IGN) == SIG_ERR ? -1 : 0);  \
    }
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
SETTING(signal)
SETTING(ssignal)
SETTING(sysv_signal)
SETTING(__sysv_signal)
SETTING(bsd_signal)
SETTING(sigset)

CASE(sigignore, "")
{
    struct sigaction old;
    show("sigignore", sigignore(SIGURG));
    sigaction(SIGURG, NULL, &old);
    show("ignored", old.sa_handler == SIG_IGN);
    show("no such signal", sigignore(1000));
}
