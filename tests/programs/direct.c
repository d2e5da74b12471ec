/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes its system calls itself, as Go programs do, in a thread on a stack of its own, beside one that uses libc.
 * Expected: "done", status 0; usleep 3 by the libc thread; the direct calls are not seen.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_int finished;

static long direct(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

static int sleeper(void *unused)
{
    struct timespec t = {0, 1000000};
    (void)unused;
    for (int i = 0; i < 20; i++)
        direct(SYS_nanosleep, (long)&t, 0, 0);
    finished = 1;
    direct(SYS_exit, 0, 0, 0);
    return 0;
}

static void *user(void *unused)
{
    for (int i = 0; i < 3; i++)
        usleep(1000);
    return unused;
}

int main(void)
{
    pthread_t thread;
    char *stack = malloc(65536);
    pthread_create(&thread, NULL, user, NULL);
    if (clone(sleeper, stack + 65536, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
              NULL) < 0)
        return 1;
    pthread_join(thread, NULL);
    while (!finished)
        sched_yield();
    puts("done");
    return 0;
}
