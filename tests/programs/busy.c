/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * busy forever|load|sleeps: many waits. Expected of the trace:
 *   forever  4 threads record as fast as they can until the process is killed
 *   load     prints how many waits of each kind it made: the counters agree exactly, however small the trace is; the
 *            endpoint of its first connect is still there, and so are its threads
 *   sleeps   200,000 sleeps of 50 us by 8 threads: the samples' weights add up to the exact totals
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOAD_THREADS 8
#define LOAD_ROUNDS 100000
#define SLEEP_THREADS 8
#define SLEEP_ROUNDS 25000

static void write_and_read(const int fds[2])
{
    char c;
    if (write(fds[1], "x", 1) != 1 || read(fds[0], &c, 1) != 1)
        abort();
}

__attribute__((noinline)) static void round_below(const int fds[2], unsigned path, int depth)
{
    if (depth == 0)
        write_and_read(fds);
    else if (path & 1)
        round_below(fds, path >> 1, depth - 1);
    else
        round_below(fds, path >> 1 | 0x1000, depth - 1);
    __asm__ volatile("" ::"r"(path)); /* not a tail call: each branch has its own return address */
}

static void *busy(void *rounds)
{
    int fds[2];
    if (pipe(fds) != 0)
        abort();
    prctl(PR_SET_NAME, "worker");
    for (unsigned i = 0; i < (unsigned long)rounds; i++)
        round_below(fds, i, 8);
    return NULL;
}

static void *sleeping(void *unused)
{
    for (int i = 0; i < SLEEP_ROUNDS; i++)
        usleep(50);
    return unused;
}

static void run(int count, void *(*function)(void *), void *argument)
{
    pthread_t threads[16];
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, function, argument) != 0)
            abort();
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

/* Connects once, to a port of its own. */
static void connect_first(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&address, &length) || connect(fd, (struct sockaddr *)&address, length))
        abort();
    printf("connect 127.0.0.1:%d\n", ntohs(address.sin_port));
}

int main(int count, char **arguments)
{
    const char *mode = count > 1 ? arguments[1] : "";
    if (strcmp(mode, "forever") == 0) {
        run(4, busy, (void *)-1L);
    } else if (strcmp(mode, "load") == 0) {
        connect_first();
        run(LOAD_THREADS, busy, (void *)(long)LOAD_ROUNDS);
        printf("read %d\nwrite %d\n", LOAD_THREADS * LOAD_ROUNDS, LOAD_THREADS * LOAD_ROUNDS);
    } else {
        run(SLEEP_THREADS, sleeping, NULL);
        printf("usleep %d\n", SLEEP_THREADS * SLEEP_ROUNDS);
    }
    return 0;
}
