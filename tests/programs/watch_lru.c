/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A least-recently-used cache that threads share, and what else a server allocates. Arguments: THREADS ROUNDS MODE.
 *
 *   locked    the cache is used under its mutex: nothing is wrong with it
 *   outside   the same, but nodes are allocated before the mutex is taken, and freed after it was left
 *   exchanged without the mutex: nodes are linked and taken out by one atomic instruction
 *   piped     each thread frees the nodes that another one has sent it through a pipe
 *   forked    as locked, in a child
 *
 * Expected: no conflict in the lives of nodes (lives.c has those).
 * Watched by default: the cache (lru_create: once, through a wrapper that everything goes through), its nodes
 * (cache_put), the variable cache_limit. Not watched: buffers, total. Prints "done".
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUCKETS 1024
#define NOINLINE __attribute__((noinline))

struct node {
    long key;
    char value[40];
};
struct lru {
    struct node *buckets[BUCKETS];
    volatile long used;
    pthread_mutex_t lock;
};

static struct lru *cache;
static enum { LOCKED, OUTSIDE, EXCHANGED, PIPED, FORKED, MODES } mode;
static const char *const mode_names[MODES] = {"locked", "outside", "exchanged", "piped", "forked"};
static int rounds, pipes[64][2], thread_count;
long cache_limit = 1000, total;

static NOINLINE void *need(size_t size)
{
    void *block = malloc(size);
    if (!block)
        abort();
    return memset(block, 0, size);
}

static NOINLINE struct lru *lru_create(void)
{
    struct lru *made = need(sizeof(*made));
    pthread_mutex_init(&made->lock, NULL);
    return made;
}

static NOINLINE void buffer_use(size_t size)
{
    char *buffer = need(size);
    __atomic_add_fetch(&total, (long)size, __ATOMIC_RELAXED);
    free(buffer);
}

/* One instruction: no node is freed twice. */
static NOINLINE struct node *cache_exchange(struct node *node)
{
    __atomic_add_fetch(&cache->used, node->key, __ATOMIC_RELAXED);
    return __atomic_exchange_n(&cache->buckets[node->key % BUCKETS], node, __ATOMIC_RELAXED);
}

static NOINLINE void cache_put(long key)
{
    bool outside = mode == OUTSIDE;
    if (!outside && mode != EXCHANGED)
        pthread_mutex_lock(&cache->lock);
    struct node *node = need(sizeof(*node));
    node->key = key;
    if (outside)
        pthread_mutex_lock(&cache->lock);
    struct node *old = cache_exchange(node);
    if (outside)
        pthread_mutex_unlock(&cache->lock);
    free(old);
    if (!outside && mode != EXCHANGED)
        pthread_mutex_unlock(&cache->lock);
}

/* To the next thread, and from the one before. */
static NOINLINE void cache_pass(long self, long key)
{
    struct node *node = need(sizeof(*node));
    void *sent = node, *other;
    node->key = key;
    if (write(pipes[(self + 1) % thread_count][1], &sent, sizeof(sent)) != sizeof(sent) ||
        read(pipes[self][0], &other, sizeof(other)) != sizeof(other))
        abort();
    free(other);
}

static void *serve(void *argument)
{
    long self = (long)argument;
    unsigned random = (unsigned)self;
    for (int i = 0; i < rounds; i++) {
        random = random * 1103515245 + 12345;
        long key = random >> 16;
        buffer_use(key % 400 + 1);
        if (mode == PIPED)
            cache_pass(self, key);
        else
            cache_put(key);
    }
    return NULL;
}

static void serve_all(void)
{
    pthread_t thread[64];
    for (long i = 0; i < thread_count; i++)
        if (pipe(pipes[i]) != 0)
            abort();
    for (long i = 0; i < thread_count; i++)
        if (pthread_create(&thread[i], NULL, serve, (void *)i) != 0)
            abort();
    for (int i = 0; i < thread_count; i++)
        pthread_join(thread[i], NULL);
}

int main(int argc, char **argv)
{
    int status = 0;
    thread_count = argc > 1 ? atoi(argv[1]) : 4;
    rounds = argc > 2 ? atoi(argv[2]) : 20000;
    for (int i = 0; argc > 3 && i < MODES; i++)
        if (strcmp(argv[3], mode_names[i]) == 0)
            mode = i;
    if (thread_count < 1 || thread_count > 64)
        return 2;
    for (int i = 0; i < 5000; i++) /* so that the wrapper is well known when the cache is made */
        buffer_use(100);
    cache = lru_create();
    if (mode == FORKED && fork() != 0) {
        wait(&status);
        return status != 0;
    }
    serve_all();
    puts("done");
    return 0;
}
