/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * signal_storm own|alternate: a signal every 0.3 ms for a second, whose handler calls hooked functions, on the thread's
 * own stack or on an alternate one. Expected: it ends; the waits that it made, as printed, are all in the trace's
 * counters or in lost.nested.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int in_handler[2], outside[2];
static volatile unsigned long handled, looped;

static void handler(int signal)
{
    int saved = errno;
    char c;
    struct timespec t = {0, 1000};
    (void)signal;
    if (write(in_handler[0], "x", 1) != 1 || nanosleep(&t, NULL) != 0 || recv(in_handler[1], &c, 1, 0) != 1)
        _exit(2);
    handled++;
    errno = saved;
}

static void install(int alternate)
{
    struct sigaction action;
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART | (alternate ? SA_ONSTACK : 0);
    if (alternate && sigaltstack(&stack, NULL) != 0)
        abort();
    sigaction(SIGALRM, &action, NULL);
}

int main(int count, char **arguments)
{
    struct itimerval interval = {{0, 300}, {0, 300}}, off = {{0, 0}, {0, 0}};
    struct timespec begin, now;
    char buffer[8];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, in_handler) || socketpair(AF_UNIX, SOCK_STREAM, 0, outside))
        return 1;
    install(count > 1 && strcmp(arguments[1], "alternate") == 0);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    setitimer(ITIMER_REAL, &interval, NULL);
    do {
        if (write(outside[0], "abcd", 4) != 4 || recv(outside[1], buffer, 4, 0) != 4)
            return 3;
        looped++;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - begin.tv_sec + (now.tv_nsec - begin.tv_nsec) / 1e9 < 1);
    setitimer(ITIMER_REAL, &off, NULL);
    printf("%lu %lu\n", handled, looped);
    return 0;
}
