/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program started by `cprobe run`, which stands between it and whoever sends signals. One child at a time: signal
 * masks and dispositions are the process's.
 */
#ifndef CPROBE_CLI_CHILD_H
#define CPROBE_CLI_CHILD_H

#include <signal.h>
#include <sys/types.h>

struct child {
    pid_t pid;
    sigset_t forwarded;         /* blocked here while the child runs */
    sigset_t old_mask;          /* the child gets this back */
    struct sigaction old_child; /* so it does SIGCHLD */
};

/* Starts argv[0] (found as a shell would) after prepare(context) ran in the new process. 0, or negative errno: what
   exec or prepare said, then there is no child. */
int child_start(struct child *child, char *const argv[], int (*prepare)(const void *context), const void *context);

/*
 * Waits for the child's end, passing on signals that are sent to this process meanwhile: termination, hang-up,
 * interrupt, user and real-time ones. What a terminal sends has reached the child already, since both are in the
 * foreground process group, and is not repeated. Returns the status as waitpid stores it.
 */
int child_wait(struct child *child);

#endif
