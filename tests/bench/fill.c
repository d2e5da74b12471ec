/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fill THREADS COUNT: every thread waits COUNT times for a byte from its partner, over one of 64 call paths, to fill a
 * trace. With CPROBE_SAMPLE=1us every wait is recorded.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static long count;

static __attribute__((noinline)) ssize_t path_descend(int fd, unsigned path, int depth)
{
    char byte = 0;
    ssize_t got;

    if (depth == 0)
        return recv(fd, &byte, 1, 0);
    if (path & 1)
        got = path_descend(fd, path >> 1, depth - 1);
    else
        got = path_descend(fd, path >> 1, depth - 1) + 0 * depth;
    __asm__ volatile("" : : "r"(got) : "memory"); /* no tail call: each level is a frame */
    return got;
}

static void *partner_main(void *argument)
{
    int fd = *(int *)argument;

    for (long i = 0; i < count; i++)
        if (send(fd, "x", 1, MSG_NOSIGNAL) < 0 || path_descend(fd, (unsigned)i & 63u, 6) <= 0)
            break;
    return NULL;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 4;
    pthread_t *all = calloc((size_t)threads, sizeof *all);
    int(*pairs)[2] = calloc((size_t)threads, sizeof *pairs);

    count = argc > 2 ? atol(argv[2]) : 10000;
    for (int i = 0; i + 1 < threads; i += 2) {
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]) != 0 ||
            pthread_create(&all[i], NULL, partner_main, &pairs[i][0]) != 0 ||
            pthread_create(&all[i + 1], NULL, partner_main, &pairs[i][1]) != 0)
            return 1;
    }
    for (int i = 0; i < threads - threads % 2; i++)
        pthread_join(all[i], NULL);
    return 0;
}
