/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line server on epoll that asks an upstream for each answer.
 *
 *   epoll_server blocking|yielding PORT UPSTREAM_PORT [EARLY]
 *
 * Expected: blocking waits in recv() on the upstream's connection within the loop: non-yielding-io at ask_and_wait().
 * yielding puts that connection into the same epoll: no finding. EARLY requests are asked, blocking, before the first
 * epoll_wait: a finding at warm_up(). On SIGTERM prints "count wall_ns cpu_ns" of its own blocking calls.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;
static uint64_t asked, wall_ns, cpu_ns;

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

static struct sockaddr_in loopback(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int socket_listen(const char *port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 64) < 0) {
        perror("listen");
        exit(1);
    }
    return fd;
}

static int socket_connect(const char *port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        perror("connect");
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void request_send(int upstream)
{
    if (send(upstream, "GET\n", 4, MSG_NOSIGNAL) != 4)
        exit(1);
}

static void answer_await(int upstream, char *line, size_t size)
{
    uint64_t wall = time_of(CLOCK_MONOTONIC), cpu = time_of(CLOCK_THREAD_CPUTIME_ID);

    if (recv(upstream, line, size, 0) <= 0)
        exit(1);
    wall_ns += time_of(CLOCK_MONOTONIC) - wall;
    cpu_ns += time_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
    asked++;
}

static __attribute__((noinline)) void ask_and_wait(int upstream, int client)
{
    char line[64];

    request_send(upstream);
    answer_await(upstream, line, sizeof line);
    send(client, "OK\n", 3, MSG_NOSIGNAL);
}

static __attribute__((noinline)) void warm_up(int upstream, int times)
{
    char line[64];

    for (int i = 0; i < times; i++) {
        request_send(upstream);
        answer_await(upstream, line, sizeof line);
    }
}

/* Clients that wait for the upstream, first come first served: the upstream answers in order. */
static int queue[1024];
static unsigned queue_head, queue_tail;

static void client_serve(int client, int upstream, int blocking)
{
    char line[64];

    if (recv(client, line, sizeof line, 0) <= 0) {
        close(client);
    } else if (blocking) {
        ask_and_wait(upstream, client);
    } else {
        queue[queue_tail++ % 1024] = client;
        request_send(upstream);
    }
}

static void answers_deliver(int upstream)
{
    char lines[1024];
    ssize_t got = recv(upstream, lines, sizeof lines, MSG_DONTWAIT);

    for (ssize_t i = 0; i < got; i++)
        if (lines[i] == '\n')
            send(queue[queue_head++ % 1024], "OK\n", 3, MSG_NOSIGNAL);
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void loop(int listener, int upstream, int blocking)
{
    struct epoll_event events[64];
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    watch(epoll, listener);
    if (!blocking)
        watch(epoll, upstream);
    while (!stopped) {
        int ready = epoll_wait(epoll, events, 64, 1000);

        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener)
                watch(epoll, accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
            else if (events[i].data.fd == upstream)
                answers_deliver(upstream);
            else
                client_serve(events[i].data.fd, upstream, blocking);
        }
    }
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};

    if (argc < 4) {
        fprintf(stderr, "usage: epoll_server blocking|yielding PORT UPSTREAM_PORT [EARLY]\n");
        return 2;
    }
    sigaction(SIGTERM, &action, NULL);
    int upstream = socket_connect(argv[3]);
    warm_up(upstream, argc > 4 ? atoi(argv[4]) : 0);
    loop(socket_listen(argv[2]), upstream, strcmp(argv[1], "blocking") == 0);
    printf("%llu %llu %llu\n", (unsigned long long)asked, (unsigned long long)wall_ns, (unsigned long long)cpu_ns);
    return 0;
}
