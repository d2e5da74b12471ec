/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A least-recently-used cache that threads share, and what else a server allocates. Arguments: THREADS ROUNDS MODE.
 *
 *   locked    the cache is used under its mutex: nothing is wrong with it
 *   guilty    without: blocks are linked and freed by several threads at once. Only what is allocated and freed is done
 *             in this program, atomically, so that it does not end in a crash: see exchange_node
 *   forked    as locked, in a child
 *
 * Watched by default: the cache (lru_create: once, through a wrapper that everything goes through), its nodes
 * (cache_put), the variable cache_limit. Not watched: buffers, total. Prints "done".
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUCKETS 64
#define NOINLINE __attribute__((noinline))

struct node {
    long key;
    char value[40];
};
struct lru {
    struct node *buckets[BUCKETS];
    pthread_mutex_t lock;
};

static struct lru *cache;
static int guilty, rounds;
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

/* The race as far as it can go without ending the program: an exchange that is one instruction. */
static NOINLINE struct node *exchange_node(long key, struct node *node)
{
    return __atomic_exchange_n(&cache->buckets[key % BUCKETS], node, __ATOMIC_RELAXED);
}

static NOINLINE void cache_put(long key)
{
    struct node *node = need(sizeof(*node));
    node->key = key;
    free(exchange_node(key, node));
}

static void *serve(void *argument)
{
    unsigned random = (unsigned)(long)argument;
    for (int i = 0; i < rounds; i++) {
        random = random * 1103515245 + 12345;
        long key = random >> 16;
        buffer_use(key % 400 + 1);
        if (!guilty)
            pthread_mutex_lock(&cache->lock);
        cache_put(key);
        if (!guilty)
            pthread_mutex_unlock(&cache->lock);
    }
    return NULL;
}

static void serve_all(int threads)
{
    pthread_t thread[64];
    for (long i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, serve, (void *)(i + 1)) != 0)
            abort();
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 4, status = 0;
    rounds = argc > 2 ? atoi(argv[2]) : 20000;
    guilty = argc > 3 && strcmp(argv[3], "guilty") == 0;
    for (int i = 0; i < 5000; i++) /* so that the wrapper is well known when the cache is made */
        buffer_use(100);
    cache = lru_create();
    if (argc > 3 && strcmp(argv[3], "forked") == 0 && fork() != 0) {
        wait(&status);
        return status != 0;
    }
    serve_all(threads > 64 ? 64 : threads);
    puts("done");
    return 0;
}
