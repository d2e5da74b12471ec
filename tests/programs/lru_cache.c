/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lru_cache THREADS SECONDS [locked] [PAUSE_US]: threads that look up and insert in one LRU cache, with a doubly linked
 * list and a count of entries.
 *
 * Without `locked` nothing keeps the threads apart: expected is unlocked-mutation at lru_put or lru_touch, of the block
 * that lru_cache_new allocated. Each thread has links of its own to insert, so that the list, however mangled, never
 * leads outside of the cache's memory: the program survives its race. With `locked` a mutex is held around each
 * operation: no finding. Prints how many operations were made.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NODES 64 /* of each thread */

struct node {
    struct node *next;
    long key;
};

struct lru_cache {
    pthread_mutex_t lock;
    struct node *head;
    long entries;
    long hits;
};

static struct lru_cache *cache;
static int locked, pause_us;
static volatile int stop;

__attribute__((noinline)) static struct lru_cache *lru_cache_new(void)
{
    struct lru_cache *c = calloc(1, sizeof(*c));
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

/* The list is short: what falls off its end is only forgotten. */
__attribute__((noinline)) static void lru_put(struct lru_cache *c, struct node *node)
{
    node->next = c->head;
    c->head = node;
    c->entries++;
}

__attribute__((noinline)) static long lru_touch(struct lru_cache *c, long key)
{
    int steps = 0;
    for (const struct node *n = c->head; n && steps < 8; n = n->next, steps++)
        if (n->key == key)
            c->hits++;
    return steps;
}

static void *work(void *argument)
{
    struct node *nodes = calloc(NODES, sizeof(*nodes));
    long operations = 0;
    (void)argument;
    while (!stop) {
        struct node *node = &nodes[operations % NODES];
        if (locked)
            pthread_mutex_lock(&cache->lock);
        node->key = operations % NODES;
        lru_put(cache, node);
        lru_touch(cache, operations % 8);
        if (locked)
            pthread_mutex_unlock(&cache->lock);
        operations++;
        if (pause_us)
            usleep((useconds_t)pause_us);
    }
    return (void *)operations;
}

int main(int count, char **arguments)
{
    pthread_t threads[256];
    long total = 0;
    int n = count > 1 ? atoi(arguments[1]) : 4, seconds = count > 2 ? atoi(arguments[2]) : 2;
    locked = count > 3 && strcmp(arguments[3], "locked") == 0;
    pause_us = count > 4 ? atoi(arguments[4]) : 0;
    cache = lru_cache_new();
    for (int i = 0; i < n && i < 256; i++)
        pthread_create(&threads[i], NULL, work, NULL);
    struct timespec time = {seconds, 0};
    nanosleep(&time, NULL);
    stop = 1;
    for (int i = 0; i < n && i < 256; i++) {
        void *operations;
        pthread_join(threads[i], &operations);
        total += (long)operations;
    }
    printf("%ld operations\n", total);
    return 0;
}
