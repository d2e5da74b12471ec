/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pair COUNT [nonblocking]: nanoseconds of one send() and one recv() on a socketpair, neither of which has to wait.
 * Event loops use descriptors in non-blocking mode.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 1000000;
    struct timespec begin, end;
    char message[64] = "";
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | (argc > 2 ? SOCK_NONBLOCK : 0), 0, pair) != 0)
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (long i = 0; i < count; i++)
        if (send(pair[0], message, sizeof message, 0) < 0 || recv(pair[1], message, sizeof message, 0) < 0)
            return 1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.2f\n",
           ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) / (double)count);
    return 0;
}
