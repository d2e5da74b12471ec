/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leaves blocking calls by siglongjmp out of a signal handler: read, and getaddrinfo, which waits for a FIFO that
 * HOSTALIASES names. Expected: read is not counted, for it never ended; the usleep after each jump is, both near main
 * and in frames deeper than those that were left: 2 x 3 in "jumping", 1 in "other".
 */
#define _GNU_SOURCE
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static sigjmp_buf target;

static void jump(int signal)
{
    (void)signal;
    siglongjmp(target, 1);
}

__attribute__((noinline)) static void sleep_deep(int depth)
{
    char room[4096];
    memset(room, depth, sizeof(room));
    __asm__ volatile("" ::"r"(room) : "memory");
    if (depth)
        sleep_deep(depth - 1);
    else
        usleep(1000);
    __asm__ volatile("" ::"r"(room) : "memory");
}

static void read_forever(void)
{
    int fds[2];
    char c;
    if (pipe(fds) != 0 || read(fds[0], &c, 1) >= 0)
        abort();
}

static void resolve_forever(void)
{
    struct addrinfo *found;
    getaddrinfo("cprobe-test", NULL, NULL, &found);
}

static void jump_out(const char *what, void (*call)(void))
{
    if (sigsetjmp(target, 1) == 0) {
        alarm(1);
        call();
        printf("%s returned\n", what);
        alarm(0);
    } else {
        printf("%s was left\n", what);
    }
    usleep(1000);
    sleep_deep(100);
    usleep(1000);
}

static void *other(void *argument)
{
    prctl(PR_SET_NAME, "other");
    usleep(1000);
    return argument;
}

int main(void)
{
    pthread_t thread;
    prctl(PR_SET_NAME, "jumping");
    signal(SIGALRM, jump);
    jump_out("read", read_forever);
    jump_out("getaddrinfo", resolve_forever);
    pthread_create(&thread, NULL, other, NULL);
    pthread_join(thread, NULL);
    return 0;
}
