/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a thread is while it computes and others wait for it: waits are seen by the hooks, computing is not. A thread
 * that has proved to be an event loop, or to keep CPython's GIL for long, gets a timer on its own CPU clock, which
 * sends it a signal every 10 ms of CPU time; the handler does nothing unless the current turn is already long
 * (CPROBE_STALL) or the GIL overdue (gil.h), and then takes the interrupted stack.
 *
 * Why this cannot disturb the program: the timer runs only while the thread computes, and on Linux 5.11 and later
 * (older kernels: not used) x86_64 sends the signal on the way back to user space (CONFIG_POSIX_CPU_TIMERS_TASK_WORK),
 * so no system call is ever interrupted by it. The signal is SIGURG, whose default is to be ignored: if the program
 * resets all handlers, nothing happens. A program that uses or blocks SIGURG itself is left alone, also when it starts
 * to later (hook_signal.c). The handler runs on an alternate stack, so that small coroutine stacks are safe.
 */
#ifndef CPROBE_CAPTURE_ONCPU_H
#define CPROBE_CAPTURE_ONCPU_H

#include <signal.h>

#include "capture/thread.h"

/* The calling thread is to be looked at: gives it its timer, once. The thread has entered the recorder. */
void oncpu_watch(struct thread *t);

/* The thread ends. */
void oncpu_unwatch(struct thread *t);

/* The program sets an action for `signal`: true where that takes SIGURG away from the recorder, which then stands aside
 * for good. */
bool oncpu_yield(int signal);

/* Whether an action that the program sees is the recorder's: it is to be shown the default instead. */
bool oncpu_own_action(const struct sigaction *action);

#endif
