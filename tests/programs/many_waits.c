/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * many_waits: 8 threads sleep 2000 times 1 ms each by direct system calls; so many that a recorder which misses one in
 * thousands is found out. It begins when a byte comes on standard input. Prints for each thread its id, how many
 * sleeps, and how often it gave up its CPU to wait in this time, as the kernel counted (getrusage).
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8
#define SLEEPS 2000

static void *run(void *arg)
{
    struct rusage before, after;
    getrusage(RUSAGE_THREAD, &before);
    for (int i = 0; i < SLEEPS; i++)
        syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &(struct timespec){0, 1000000}, NULL);
    getrusage(RUSAGE_THREAD, &after);
    printf("%ld %d %ld\n", syscall(SYS_gettid), SLEEPS, after.ru_nvcsw - before.ru_nvcsw);
    return arg;
}

int main(void)
{
    pthread_t threads[THREADS];
    char byte;
    if (read(0, &byte, 1) != 1)
        return 1;
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, run, NULL) != 0)
            return 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
