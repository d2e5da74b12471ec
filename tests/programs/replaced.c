/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waits in serve_request, called by a thread, until it is killed. Expected: its stacks are whole and name
 * serve_request, also where the file of this program was replaced after its start, or lies where the reader cannot see
 * it.
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

__attribute__((noinline)) static int serve_request(void)
{
    return usleep(5000);
}

static void *serve(void *arg)
{
    while (serve_request() == 0)
        continue;
    return arg;
}

int main(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve, NULL) != 0)
        return 1;
    puts("ready");
    fflush(stdout);
    return pthread_join(thread, NULL);
}
