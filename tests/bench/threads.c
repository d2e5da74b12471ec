/* SPDX-License-Identifier: GPL-2.0-or-later */
/* threads COUNT: COUNT threads that have each waited often enough to be recorded, then stand still. Prints "ready" and
   waits for the end of its input. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_barrier_t touched;

static void *thread_main(void *unused)
{
    for (int i = 0; i < 100; i++)
        poll(NULL, 0, 2);
    pthread_barrier_wait(&touched);
    for (;;)
        pause();
    return unused;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 0;
    char byte;

    pthread_barrier_init(&touched, NULL, (unsigned)count + 1);
    for (int i = 0; i < count; i++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, thread_main, NULL) != 0)
            return 1;
    }
    pthread_barrier_wait(&touched);
    puts("ready");
    fflush(stdout);
    return read(0, &byte, 1) < 0;
}
