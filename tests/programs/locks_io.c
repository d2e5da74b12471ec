/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * I/O with a lock held. A server thread answers on a socket pair after REPLY_MS; query() asks it. The argument says
 * how:
 *
 *   guilty    query() is called with `pool_lock` held, for which two other threads wait
 *   chain     the same with `connection_lock`, for which the holder of `pool_lock` waits
 *   innocent  query() is called after the lock was left
 *   alone     with the lock held, which no other thread ever takes
 *
 * Expected: guilty and chain, io-under-lock (error) for query and no lock-contention; else nothing.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 10
#define REPLY_MS 30

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER, connection_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t start, end;
static int sockets[2];
static const char *mode;

static void *server(void *argument)
{
    char byte;
    (void)argument;
    while (read(sockets[1], &byte, 1) == 1) {
        nanosleep(&(struct timespec){0, REPLY_MS * 1000000}, NULL);
        if (write(sockets[1], &byte, 1) != 1)
            break;
    }
    return NULL;
}

static __attribute__((noinline)) void query(void)
{
    char byte = 'q';
    if (send(sockets[0], &byte, 1, 0) != 1 || recv(sockets[0], &byte, 1, 0) != 1)
        perror("query");
}

static void wait_in_turn(pthread_mutex_t *lock)
{
    nanosleep(&(struct timespec){0, 2000000},
              NULL); /* until the owner has it: a late owner only makes less contention */
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
}

static void *owner(void *argument)
{
    pthread_mutex_t *lock = strcmp(mode, "chain") == 0 ? &connection_lock : &pool_lock;
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(lock);
        pthread_barrier_wait(&start);
        if (strcmp(mode, "innocent") == 0) {
            pthread_mutex_unlock(lock);
            query();
        } else {
            query();
            pthread_mutex_unlock(lock);
        }
        pthread_barrier_wait(&end);
    }
    return NULL;
}

static void *middle(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&start);
        if (strcmp(mode, "chain") == 0) {
            pthread_mutex_lock(&pool_lock);
            pthread_mutex_lock(&connection_lock);
            pthread_mutex_unlock(&connection_lock);
            pthread_mutex_unlock(&pool_lock);
        } else if (strcmp(mode, "alone") != 0) {
            wait_in_turn(&pool_lock);
        }
        pthread_barrier_wait(&end);
    }
    return NULL;
}

static void *waiter(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&start);
        if (strcmp(mode, "alone") != 0)
            wait_in_turn(&pool_lock);
        pthread_barrier_wait(&end);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[4];
    void *(*const functions[])(void *) = {owner, middle, waiter, server};
    mode = argc > 1 ? argv[1] : "innocent";
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) < 0)
        return 1;
    pthread_barrier_init(&start, NULL, 3);
    pthread_barrier_init(&end, NULL, 3);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, functions[i], NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    shutdown(sockets[0], SHUT_RDWR);
    pthread_join(threads[3], NULL);
    return 0;
}
