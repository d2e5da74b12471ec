/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * token COUNT: nanoseconds of handing a token over a pipe from one thread to another and back, on one CPU: two
 * switches. Begins when a byte comes on standard input.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int there[2], back[2];
static long count;

static void *peer_run(void *arg)
{
    char token;
    for (long i = 0; i < count; i++)
        if (read(there[0], &token, 1) != 1 || write(back[1], &token, 1) != 1)
            exit(1);
    return arg;
}

int main(int argc, char **argv)
{
    struct timespec begin, end;
    pthread_t peer;
    cpu_set_t one;
    char token = 'x';

    count = argc > 1 ? atol(argv[1]) : 200000;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0 || pipe(there) != 0 || pipe(back) != 0 || read(0, &token, 1) != 1 ||
        pthread_create(&peer, NULL, peer_run, NULL) != 0)
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (long i = 0; i < count; i++)
        if (write(there[1], &token, 1) != 1 || read(back[0], &token, 1) != 1)
            return 1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    pthread_join(peer, NULL);
    printf("%.1f\n",
           ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) / (double)count);
    return 0;
}
