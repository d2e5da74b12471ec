/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two children, one after the other, with the same process id (clone3 may choose it, with CAP_CHECKPOINT_RESTORE). It
 * begins when a byte comes on standard input. Expected: the first calls clock_nanosleep 3 times, the second 5 times.
 * Then it prints "slept", and all end with the end of standard input. Exit status 77: the id was taken meanwhile.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void sleep_times(int count)
{
    for (int i = 0; i < count; i++)
        syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &(struct timespec){0, 20000000}, NULL);
}

static pid_t fork_as(pid_t pid)
{
    struct clone_args arguments = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1};
    return (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
}

int main(void)
{
    char byte;
    if (read(0, &byte, 1) != 1)
        return 1;
    pid_t first = fork();
    if (first == 0) {
        sleep_times(3);
        _exit(0);
    }
    if (first < 0 || waitpid(first, NULL, 0) != first)
        return 1;
    pid_t second = fork_as(first);
    if (second == 0) {
        sleep_times(5);
        if (write(1, "slept\n", 6) != 6)
            _exit(1);
        while (read(0, &byte, 1) == 1)
            continue;
        _exit(0);
    }
    if (second < 0)
        return errno == EEXIST ? 77 : 1;
    return waitpid(second, NULL, 0) == second ? 0 : 1;
}
