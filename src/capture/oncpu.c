/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/oncpu.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>
#include <ucontext.h>

#include "capture/context.h"
#include "capture/gil.h"
#include "capture/real.h"
#include "capture/record.h"
#include "capture/recorder.h"
#include "capture/serving.h"
#include "capture/slots.h"
#include "capture/stack.h"

#define ONCPU_SIGNAL SIGURG
#define INTERVAL_NS 10000000
#define STACK_SIZE (64u << 10)
#define KERNEL_MAJOR 5 /* the first with CPU timers handled in task work on x86 */
#define KERNEL_MINOR 11

enum { UNTRIED = 0, READY = 1, REFUSED = 2 };
static uint32_t state; /* any; of the process */

static bool kernel_suits(void)
{
    struct utsname name;
    uint32_t part[2] = {0, 0};
    memset(&name, 0, sizeof(name));
    SYS_CALL(SYS_uname, &name, 0, 0, 0, 0, 0);
    const char *p = name.release;
    for (int i = 0; i < 2; i++) {
        for (; *p >= '0' && *p <= '9'; p++)
            part[i] = part[i] * 10 + (uint32_t)(*p - '0');
        p += *p == '.';
    }
    return part[0] > KERNEL_MAJOR || (part[0] == KERNEL_MAJOR && part[1] >= KERNEL_MINOR);
}

/* The turn that the thread is in: since the latest end of a wait at any of its sites. 0: none. */
static uint64_t turn_begin(const struct thread *t)
{
    uint64_t begin = 0;
    for (int i = 0; i < TRACE_SITES && t->slot; i++)
        if (t->slot->thread.turns[i].end_ns > begin)
            begin = t->slot->thread.turns[i].end_ns;
    return begin;
}

static void record(struct thread *t, const ucontext_t *context, uint64_t begin, uint64_t now, uint32_t flags)
{
    const greg_t *r = context->uc_mcontext.gregs;
    struct unwind_registers at = {(uintptr_t)r[REG_RIP], (uintptr_t)r[REG_RSP], (uintptr_t)r[REG_RBP]};
    uint32_t stack = stack_capture_interrupted(t, &at);
    uint64_t fiber;
    uint32_t serving = serving_now(t, &fiber);
    context_record(t, now, &(struct context){.serving = serving, .fiber = fiber});
    struct event_cpu *e = writer_ring_reserve(&recorder.writer, &t->ring, t->slot->number);
    if (!e)
        return;
    memset(e, 0, sizeof(*e));
    e->header = (struct event_header){EVENT_MAGIC, EVENT_CPU, sizeof(*e), now};
    e->turn_start_ns = begin;
    e->cpu_ns = INTERVAL_NS;
    e->tid = t->tid;
    e->stack = stack;
    e->slot = t->slot->number;
    e->flags = flags;
    writer_ring_commit(t->ring);
}

static void handler(int signal, siginfo_t *info, void *context)
{
    struct thread *t = &thread_self;
    (void)signal;
    if (info->si_code != SI_TIMER || !t->slot || !recorder_on() || !thread_enter(t, FRAME_ADDRESS))
        return;
    uint64_t begin = turn_begin(t), now = clock_now();
    bool stalls = begin && now - begin >= recorder.settings.stall_ns, late = gil_late(t);
    if (stalls || late)
        record(t, context, stalls ? begin : 0, now, late ? CPU_GIL : 0);
    thread_leave(t);
}

bool oncpu_own_action(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == handler;
}

/* Takes the signal if nobody else has it. Once per process. */
static bool signal_take(void)
{
    struct sigaction action, old;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    if (!recorder.settings.stall_stacks || !kernel_suits() || REAL(sigaction)(ONCPU_SIGNAL, NULL, &old) != 0)
        return false;
    return !(old.sa_flags & SA_SIGINFO) && old.sa_handler == SIG_DFL &&
           REAL(sigaction)(ONCPU_SIGNAL, &action, NULL) == 0;
}

static bool signal_blocked(void)
{
    uint64_t mask = 0;
    SYS_CALL(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof(mask), 0, 0);
    return mask & (UINT64_C(1) << (ONCPU_SIGNAL - 1));
}

/* An alternate stack for the handler where the thread has none. */
static bool stack_give(struct thread *t)
{
    stack_t current, own = {.ss_size = STACK_SIZE};
    if (SYS_CALL(SYS_sigaltstack, NULL, &current, 0, 0, 0, 0) != 0)
        return false;
    if (!(current.ss_flags & SS_DISABLE))
        return true;
    own.ss_sp = record_memory(STACK_SIZE);
    if (!own.ss_sp || SYS_CALL(SYS_sigaltstack, &own, NULL, 0, 0, 0, 0) != 0)
        return false;
    t->alternate_stack = own.ss_sp;
    return true;
}

void oncpu_watch(struct thread *t)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = ONCPU_SIGNAL};
    struct itimerspec interval = {{0, INTERVAL_NS}, {0, INTERVAL_NS}};
    int saved = errno;
    t->watched = 1; /* whatever comes of it: tried once */
    if (load_relaxed(&state) == UNTRIED)
        store_relaxed(&state, signal_take() ? READY : REFUSED);
    errno = saved;
    event._sigev_un._tid = (int)t->tid;
    if (load_relaxed(&state) != READY || signal_blocked() || !stack_give(t) ||
        SYS_CALL(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &event, &t->timer, 0, 0, 0) != 0)
        return;
    t->has_timer = 1;
    SYS_CALL(SYS_timer_settime, t->timer, 0, &interval, NULL, 0, 0);
}

void oncpu_unwatch(struct thread *t)
{
    stack_t off = {.ss_flags = SS_DISABLE};
    if (t->has_timer)
        SYS_CALL(SYS_timer_delete, t->timer, 0, 0, 0, 0, 0);
    t->has_timer = 0;
    if (!t->alternate_stack)
        return;
    stack_t current;
    if (SYS_CALL(SYS_sigaltstack, NULL, &current, 0, 0, 0, 0) == 0 && current.ss_sp == t->alternate_stack &&
        SYS_CALL(SYS_sigaltstack, &off, NULL, 0, 0, 0, 0) == 0)
        sys_munmap(t->alternate_stack, STACK_SIZE);
    t->alternate_stack = NULL;
}

bool oncpu_yield(int signal)
{
    if (signal != ONCPU_SIGNAL || load_relaxed(&state) != READY)
        return false;
    store_relaxed(&state, REFUSED);
    oncpu_unwatch(&thread_self); /* other threads' timers are stopped at the end of their turn */
    return true;
}
