/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/sigtrap.h"

#include <errno.h>
#include <string.h>
#include <ucontext.h>

#include "base/sys.h"
#include "capture/real.h"
#include "trace/format.h"

#define TRAP_PERF_CODE 6 /* TRAP_PERF, asm-generic/siginfo.h; newer than glibc's header */

#define HWBKPT_CODE 4 /* TRAP_HWBKPT */
#define BRKPT_CODE 1  /* TRAP_BRKPT */
#define INT1 0xf1

/* struct siginfo, _sigfault._perf: glibc 2.36 does not name it. */
struct perf_info {
    int signo, error, code, pad;
    uintptr_t address;
    uint64_t data;
    uint32_t type;
    uint32_t flags; /* 1: TRAP_PERF_FLAG_ASYNC */
};

static sigtrap_handler *receiver;   /* NULL: the signal is not the recorder's */
static struct sigaction actions[2]; /* the program's; written where nobody reads, then switched */
static uint32_t current;

static void set_program(const struct sigaction *action)
{
    uint32_t other = load_relaxed(&current) ^ 1;
    actions[other] = *action;
    store_release(&current, other);
}

/* The default: it ends the program, as it would have without the recorder. */
static void die(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    REAL(sigaction)(SIGTRAP, &action, NULL);
    SYS_CALL(SYS_tgkill, sys_getpid(), sys_gettid(), SIGTRAP, 0, 0, 0); /* arrives when the handler returns */
}

/* Calls the program's handler with the signals blocked that it asked for. */
static void call(const struct sigaction *action, int signal, siginfo_t *info, ucontext_t *context)
{
    uint64_t mask = 0, more = 0;
    memcpy(&mask, &context->uc_sigmask, sizeof(mask));
    memcpy(&more, &action->sa_mask, sizeof(more));
    mask |= more;
    if (!(action->sa_flags & SA_NODEFER))
        mask |= UINT64_C(1) << (SIGTRAP - 1);
    if (action->sa_flags & SA_RESETHAND)
        set_program(&(struct sigaction){.sa_handler = SIG_DFL});
    SYS_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask), 0, 0);
    if (action->sa_flags & SA_SIGINFO)
        action->sa_sigaction(signal, info, context);
    else
        action->sa_handler(signal);
}

static void pass(int signal, siginfo_t *info, ucontext_t *context)
{
    struct sigaction action = actions[load_acquire(&current)];
    bool plain = !(action.sa_flags & SA_SIGINFO);
    if (plain && action.sa_handler == SIG_IGN && info->si_code <= 0)
        return;
    if (plain && (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN))
        die(); /* the processor's own traps cannot be ignored, force_sig() in the kernel */
    else
        call(&action, signal, info, context);
}

/*
 * A breakpoint fired at the moment in which it was switched off: the kernel finds no event for it and sends what a
 * debugger would get (exc_debug_user() in arch/x86/kernel/traps.c): TRAP_HWBKPT, which nobody but debuggers asks for,
 * or, with no reason left in DR6, what int1 gives. int3 has another code. Or there was no memory to say why it was
 * sent. What lies before a page's first byte may not be readable: a jump went there, which int1 is not.
 */
static bool stray(const siginfo_t *info, const ucontext_t *context)
{
    const uint8_t *next = (const uint8_t *)context->uc_mcontext.gregs[REG_RIP];
    bool int1 = ((uintptr_t)next & (TRACE_PAGE - 1)) != 0 && next[-1] == INT1;
    return info->si_code == HWBKPT_CODE || (info->si_code == BRKPT_CODE && !int1) ||
           (info->si_code == SI_USER && info->si_pid == 0 && info->si_uid == 0);
}

static void handler(int signal, siginfo_t *info, void *context)
{
    struct perf_info perf;
    memcpy(&perf, info, sizeof(perf));
    if (info->si_code == TRAP_PERF_CODE)
        receiver(perf.data, perf.flags, context);
    else if (!stray(info, context))
        pass(signal, info, context);
}

int sigtrap_take(sigtrap_handler *to)
{
    struct sigaction action, old;
    memset(&action, 0, sizeof(action));
    memset(&action.sa_mask, 0xff, sizeof(action.sa_mask));
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    if (REAL(sigaction)(SIGTRAP, NULL, &old) != 0)
        return -errno;
    set_program(&old);
    store_release(&receiver, to);
    if (REAL(sigaction)(SIGTRAP, &action, NULL) == 0)
        return 0;
    store_release(&receiver, NULL);
    return -errno;
}

bool sigtrap_action(int signal, const struct sigaction *action, struct sigaction *old)
{
    if (likely(signal != SIGTRAP) || !load_acquire(&receiver))
        return false;
    struct sigaction before = actions[load_acquire(&current)];
    if (action)
        set_program(action);
    if (old)
        *old = before;
    return true;
}

bool sigtrap_signal(int signal, void (*to)(int), int flags, void (**old)(int))
{
    struct sigaction action, before;
    memset(&action, 0, sizeof(action));
    action.sa_handler = to;
    action.sa_flags = flags;
    if (!sigtrap_action(signal, &action, &before))
        return false;
    *old = before.sa_handler;
    return true;
}
