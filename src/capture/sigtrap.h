/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SIGTRAP is the recorder's and the program's at once: breakpoints arrive with si_code TRAP_PERF, which nothing else
 * uses. The program goes on to see and to set its own action, and every SIGTRAP that is not the recorder's is passed to
 * it. Any thread.
 */
#ifndef CPROBE_CAPTURE_SIGTRAP_H
#define CPROBE_CAPTURE_SIGTRAP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

typedef void sigtrap_handler(uint64_t data, uint32_t flags, const void *context);

/* Takes the signal, once; the program's action is kept. 0 or negative errno. */
int sigtrap_take(sigtrap_handler *handler);

/* sigaction(2) where the recorder has the signal; false: it has not, or it is another signal, and the call goes to
   libc. */
bool sigtrap_action(int signal, const struct sigaction *action, struct sigaction *old);

/* signal(3) likewise: *old is what it returns. */
bool sigtrap_signal(int signal, void (*handler)(int), int flags, void (**old)(int));

#endif
