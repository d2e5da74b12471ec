/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * threads data|many|names|small|blocked: threads and their ends. Expected of the trace:
 *   data     8 threads that end with 1,000 usleep each in their rings: all in counters, and every long one as an event
 *   many     20,000 threads of 2 usleep each, 50 at a time: 40,000 in all, lost.threads + threads listed add up
 *   names    the last name given, by whatever function: "renamed", "by-prctl", "by-other"
 *   small    a thread with the smallest stack, 16 KiB, waits in several calls
 *   blocked  a thread that is still in read, and a detached one asleep, when main returns
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *sleeper(void *times)
{
    prctl(PR_SET_NAME, "sleeper");
    for (long i = 0; i < (long)times; i++)
        usleep(10);
    return NULL;
}

static void run_threads(int count, void *times)
{
    pthread_t threads[50];
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, sleeper, times) != 0)
            abort();
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static void *renamed(void *unused)
{
    pthread_setname_np(pthread_self(), "first");
    usleep(1000);
    pthread_setname_np(pthread_self(), "renamed");
    return unused;
}

static void *by_prctl(void *unused)
{
    usleep(1000);
    prctl(PR_SET_NAME, "by-prctl");
    return unused;
}

static void *by_other(void *barrier)
{
    usleep(1000);
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    return NULL;
}

static void names(void)
{
    pthread_t threads[3];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&threads[0], NULL, renamed, NULL);
    pthread_create(&threads[1], NULL, by_prctl, NULL);
    pthread_create(&threads[2], NULL, by_other, &barrier);
    pthread_barrier_wait(&barrier);
    pthread_setname_np(threads[2], "by-other");
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

static void *small(void *unused)
{
    struct pollfd fd = {.fd = 0, .events = 0};
    prctl(PR_SET_NAME, "small");
    for (int i = 0; i < 100; i++) {
        usleep(1000);
        poll(&fd, 0, 1);
        close(open("/dev/null", 0));
    }
    return unused;
}

static void start_small(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
    pthread_create(&thread, &attributes, small, NULL);
    pthread_join(thread, NULL);
}

static void *blocked(void *fd)
{
    char c;
    prctl(PR_SET_NAME, "blocked");
    usleep(1000);
    if (read((int)(long)fd, &c, 1) == 1)
        abort();
    return NULL;
}

static void *detached(void *unused)
{
    prctl(PR_SET_NAME, "detached");
    for (;;)
        usleep(100);
    return unused;
}

static void start_blocked(void)
{
    pthread_t thread;
    int fds[2];
    if (pipe(fds) != 0)
        abort();
    pthread_create(&thread, NULL, blocked, (void *)(long)fds[0]);
    pthread_create(&thread, NULL, detached, NULL);
    pthread_detach(thread);
    usleep(100000);
}

int main(int count, char **arguments)
{
    const char *mode = count > 1 ? arguments[1] : "";
    if (strcmp(mode, "data") == 0)
        run_threads(8, (void *)1000);
    else if (strcmp(mode, "names") == 0)
        names();
    else if (strcmp(mode, "small") == 0)
        start_small();
    else if (strcmp(mode, "blocked") == 0)
        start_blocked();
    else
        for (int i = 0; i < 400; i++)
            run_threads(50, (void *)2);
    return 0;
}
