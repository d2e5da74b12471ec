/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line server on select, one thread. Its clients come one after the other, so that it mostly waits for a single
 * descriptor: the listener, or the listener and one client.
 *
 *   select_server blocking|yielding PORT
 *
 * Expected: yielding, no finding, whoever comes. blocking waits for an answer of the client itself with poll() inside
 * the loop: non-yielding-io at confirm(). On SIGTERM prints "count wall_ns cpu_ns" of its own blocking calls.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;
static int blocking;
static uint64_t confirmed, wall_ns, cpu_ns;

static uint64_t time_of(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static int socket_listen(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 64) < 0) {
        perror("listen");
        exit(1);
    }
    return fd;
}

/* Asks the client back and waits for what it says. */
static void confirm(int client)
{
    struct pollfd poll_fd = {.fd = client, .events = POLLIN};
    uint64_t wall = time_of(CLOCK_MONOTONIC), cpu = time_of(CLOCK_THREAD_CPUTIME_ID);

    send(client, "SURE?\n", 6, MSG_NOSIGNAL);
    poll(&poll_fd, 1, 10000);
    wall_ns += time_of(CLOCK_MONOTONIC) - wall;
    cpu_ns += time_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
    confirmed++;
}

/* False: the client has gone. */
static int client_serve(int client)
{
    char line[64];
    ssize_t n = recv(client, line, sizeof line, 0);

    if (n <= 0)
        return 0;
    if (blocking) {
        confirm(client);
        if (recv(client, line, sizeof line, 0) <= 0)
            return 0;
    }
    return send(client, "OK\n", 3, MSG_NOSIGNAL) == 3;
}

/* The loop's own wait, at one place whoever is there. */
static __attribute__((noinline)) int ready(int listener, int client, fd_set *reads)
{
    FD_ZERO(reads);
    FD_SET(listener, reads);
    if (client >= 0)
        FD_SET(client, reads);
    return select((client > listener ? client : listener) + 1, reads, NULL, NULL, NULL);
}

int main(int argc, char **argv)
{
    int listener, client = -1;

    if (argc < 3)
        return 2;
    blocking = strcmp(argv[1], "blocking") == 0;
    signal(SIGTERM, on_signal);
    listener = socket_listen(argv[2]);
    while (!stopped) {
        fd_set reads;

        if (ready(listener, client, &reads) < 0)
            continue;
        if (client >= 0 && FD_ISSET(client, &reads) && !client_serve(client)) {
            close(client);
            client = -1;
        }
        if (client < 0 && FD_ISSET(listener, &reads))
            client = accept(listener, NULL, NULL);
    }
    printf("%llu %llu %llu\n", (unsigned long long)confirmed, (unsigned long long)wall_ns, (unsigned long long)cpu_ns);
    return 0;
}
