/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wake_chain query|chain|compute: an event loop (epoll) that gives each of its jobs to a worker and waits for a
 * condition until it is done. query: the worker asks a server over a socket, which answers after REPLY_MS; chain: it
 * waits for another condition until a third thread has asked it; compute: it computes as long.
 *
 * Expected: the loop is blocked by the condition each time. Recorded with the kernel, query and chain have the wait for
 * the server as the root cause, chain by way of the worker; compute has none.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define JOBS 40
#define REPLY_MS 15

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t asked = PTHREAD_COND_INITIALIZER, answered = PTHREAD_COND_INITIALIZER;
static pthread_cond_t wanted = PTHREAD_COND_INITIALIZER, stored = PTHREAD_COND_INITIALIZER;
static int pending, storing, over, sockets[2];
static void (*work)(void);
static volatile unsigned long sink;

static void *server(void *unused)
{
    char byte;
    while (read(sockets[1], &byte, 1) == 1) {
        nanosleep(&(struct timespec){0, REPLY_MS * 1000000}, NULL);
        if (write(sockets[1], &byte, 1) != 1)
            break;
    }
    return unused;
}

static __attribute__((noinline)) void ask_server(void)
{
    char byte = 'q';
    if (send(sockets[0], &byte, 1, 0) != 1 || recv(sockets[0], &byte, 1, 0) != 1)
        perror("ask_server");
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void compute(void)
{
    for (uint64_t end = now() + REPLY_MS * 1000000u; now() < end;)
        sink++;
}

static void *store(void *unused)
{
    pthread_mutex_lock(&mutex);
    while (!over) {
        while (!storing && !over)
            pthread_cond_wait(&wanted, &mutex);
        if (over)
            break;
        pthread_mutex_unlock(&mutex);
        ask_server();
        pthread_mutex_lock(&mutex);
        storing = 0;
        pthread_cond_signal(&stored);
    }
    pthread_mutex_unlock(&mutex);
    return unused;
}

static __attribute__((noinline)) void ask_store(void)
{
    pthread_mutex_lock(&mutex);
    storing = 1;
    pthread_cond_signal(&wanted);
    while (storing)
        pthread_cond_wait(&stored, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void *worker(void *unused)
{
    pthread_mutex_lock(&mutex);
    while (!over) {
        while (!pending && !over)
            pthread_cond_wait(&asked, &mutex);
        if (over)
            break;
        pthread_mutex_unlock(&mutex);
        work();
        pthread_mutex_lock(&mutex);
        pending = 0;
        pthread_cond_signal(&answered);
    }
    pthread_mutex_unlock(&mutex);
    return unused;
}

static __attribute__((noinline)) void job_run(void)
{
    pthread_mutex_lock(&mutex);
    pending = 1;
    pthread_cond_signal(&asked);
    while (pending)
        pthread_cond_wait(&answered, &mutex);
    pthread_mutex_unlock(&mutex);
}

int main(int argc, char **argv)
{
    struct itimerspec every = {{0, 5000000}, {0, 5000000}};
    struct epoll_event event = {.events = EPOLLIN};
    int set = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
    pthread_t threads[3];
    const char *how = argc > 1 ? argv[1] : "";
    work = strcmp(how, "query") == 0 ? ask_server : strcmp(how, "chain") == 0 ? ask_store : compute;
    socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
    timerfd_settime(timer, 0, &every, NULL);
    epoll_ctl(set, EPOLL_CTL_ADD, timer, &event);
    epoll_ctl(set, EPOLL_CTL_ADD, sockets[0], &(struct epoll_event){.events = EPOLLERR});
    pthread_create(&threads[0], NULL, server, NULL);
    pthread_create(&threads[1], NULL, worker, NULL);
    pthread_create(&threads[2], NULL, store, NULL);
    for (int i = 0; i < JOBS; i++) {
        uint64_t ticks;
        if (epoll_wait(set, &event, 1, -1) == 1 && read(timer, &ticks, sizeof(ticks)) > 0)
            job_run();
    }
    pthread_mutex_lock(&mutex);
    over = 1;
    pthread_cond_broadcast(&asked);
    pthread_cond_broadcast(&wanted);
    pthread_mutex_unlock(&mutex);
    shutdown(sockets[0], SHUT_RDWR);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
