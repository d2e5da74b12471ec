/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frame of the hooks_*.c programs, which call every function of src/capture/hooks.def and state what the recorder has
 * to count for it. Each case runs in a thread of its own, named by its number, so that a trace's counters can be
 * compared exactly: what is not expected must not be there.
 *
 *     CASE(recv, "recv 2 1 10 unix") { … }    // two waits in recv, one of them failed, 10 ms at least, on a unix
 * socket
 *
 * The name is that of the row in hooks.def. Several expectations are separated by "; ", none is "". Everything that
 * show() prints must be the same with and without the recorder.
 */
#ifndef HOOK_CASE_H
#define HOOK_CASE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CASES_MAX 100
#define SHORT_MS 40 /* how long a case waits; its lower bound is 10, as the thread may come to it late */

struct hook_case {
    const char *name, *expected;
    void (*run)(void);
};
static struct hook_case cases[CASES_MAX];
static int case_count;

#define CASE(id, counted)                                                 \
    static void run_##id(void);                                           \
    __attribute__((constructor)) static void add_##id(void)               \
    {                                                                     \
        cases[case_count++] = (struct hook_case){#id, counted, run_##id}; \
    }                                                                     \
    static void run_##id(void)

/* Prints a result, with errno where it is negative. */
static inline long show(const char *what, long result)
{
    int error = errno;
    printf("  %s = %ld%s%s\n", what, result, result < 0 ? " " : "", result < 0 ? strerrorname_np(error) : "");
    return result;
}

/* The same for functions that return an error number. */
static inline int show_error(const char *what, int error)
{
    printf("  %s = %s\n", what, error ? strerrorname_np(error) : "0");
    return error;
}

/* Not through a hook. */
static inline void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    syscall(SYS_nanosleep, &t, NULL);
}

static inline struct timespec after_ms(clockid_t clock, long ms)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

/* ---- something that happens while a case waits ---------------------------------------------------------------- */

struct later {
    pthread_t thread, target;
    void (*act)(void *);
    void *argument;
    int signal;
    atomic_int stop;
};

static inline void *later_thread(void *argument)
{
    struct later *l = argument;
    prctl(PR_SET_NAME, "later");
    pause_ms(SHORT_MS);
    if (l->act)
        l->act(l->argument);
    while (l->signal && !l->stop) {
        pthread_kill(l->target, l->signal);
        pause_ms(SHORT_MS);
    }
    return NULL;
}

static inline void later_start(struct later *l)
{
    l->target = pthread_self();
    if (pthread_create(&l->thread, NULL, later_thread, l) != 0)
        abort();
}

/* The thread is left to itself: joining it would be a wait. Its struct must be static or outlive it. */
static inline void later_do(struct later *l, void (*act)(void *), void *argument)
{
    *l = (struct later){.act = act, .argument = argument};
    later_start(l);
    pthread_detach(l->thread);
}

static inline void write_byte(void *fd)
{
    if (write((int)(long)fd, "x", 1) != 1)
        abort();
}

/* A byte arrives at the other end of `fd`. */
static inline void byte_later(struct later *l, int fd)
{
    later_do(l, write_byte, (void *)(long)fd);
}

/* Signal after signal until interrupt_end: a call that can be interrupted will be. */
static inline void interrupt_begin(struct later *l, int signal)
{
    *l = (struct later){.signal = signal};
    later_start(l);
    pthread_detach(l->thread);
}

static inline void interrupt_end(struct later *l)
{
    l->stop = 1;
}

/* ---- running -------------------------------------------------------------------------------------------------- */

static inline void handler_nothing(int signal)
{
    (void)signal;
}

static inline void *case_thread(void *argument)
{
    const struct hook_case *c = argument;
    char name[16];
    snprintf(name, sizeof(name), "case%d", (int)(c - cases));
    prctl(PR_SET_NAME, name);
    c->run();
    return NULL;
}

/* SIGUSR1 interrupts calls, SIGUSR2 lets them be restarted. */
static inline void handlers_set(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = handler_nothing;
    sigaction(SIGUSR1, &action, NULL);
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR2, &action, NULL);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 4096);
    handlers_set();
    for (int i = 0; i < case_count; i++) {
        pthread_t thread;
        printf("case case%d %s: %s\n", i, cases[i].name, cases[i].expected);
        if (pthread_create(&thread, NULL, case_thread, &cases[i]) != 0 || pthread_join(thread, NULL) != 0)
            return 1;
    }
    return 0;
}

#endif
