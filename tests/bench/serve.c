/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serve THREADS REQUESTS: a threaded server with a cache behind a mutex, and a client for each of its threads at the
 * other end of a socketpair. Prints requests per second and the 99th percentile of their latencies in nanoseconds.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUCKETS 4096
#define THREADS_MAX 256

struct entry {
    uint64_t key;
    size_t size;
    char value[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *cache[BUCKETS];
static int pairs[THREADS_MAX][2];
static long requests; /* of each client */
static uint32_t *latencies;

static __attribute__((noinline)) struct entry *cache_entry(uint64_t key)
{
    size_t size = 50 + key % 500;
    struct entry *e = malloc(sizeof(*e) + size);
    if (!e)
        abort();
    *e = (struct entry){.key = key, .size = size};
    memset(e->value, (int)key, size);
    return e;
}

static uint64_t cache_get(uint64_t key)
{
    pthread_mutex_lock(&lock);
    struct entry **at = &cache[key % BUCKETS], *old = NULL;
    if (!*at || (*at)->key != key) {
        old = *at;
        *at = cache_entry(key);
    }
    uint64_t sum = (*at)->key + (unsigned char)(*at)->value[(*at)->size - 1];
    pthread_mutex_unlock(&lock);
    free(old);
    return sum;
}

/* What a request costs besides: parsing, formatting. */
static void *scratch_use(const char *request)
{
    char *copy = strdup(request), *line = malloc(300);
    if (!copy || !line)
        abort();
    snprintf(line, 300, "%s: %zu bytes", copy, strlen(copy));
    free(copy);
    return line;
}

static void *serve(void *fd)
{
    char request[64];
    while (recv((int)(long)fd, request, sizeof(request), 0) > 0) {
        uint64_t sum = cache_get(strtoull(request, NULL, 10));
        void *scratch = scratch_use(request);
        free(scratch);
        if (send((int)(long)fd, &sum, sizeof(sum), 0) < 0)
            break;
    }
    return NULL;
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *ask(void *argument)
{
    long self = (long)argument;
    uint64_t random = (uint64_t)self + 1, sum;
    char request[64];
    for (long i = 0; i < requests; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t begin = now();
        snprintf(request, sizeof(request), "%llu", (unsigned long long)(random >> 50));
        if (send(pairs[self][0], request, sizeof(request), 0) < 0 || recv(pairs[self][0], &sum, sizeof(sum), 0) < 0)
            abort();
        latencies[self * requests + i] = (uint32_t)(now() - begin);
    }
    shutdown(pairs[self][0], SHUT_RDWR);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    long threads = argc > 1 ? atol(argv[1]) : 4;
    pthread_t servers[THREADS_MAX], clients[THREADS_MAX];
    requests = argc > 2 ? atol(argv[2]) / threads : 10000;
    if (threads < 1 || threads > THREADS_MAX || requests < 1)
        return 2;
    latencies = calloc((size_t)(threads * requests), sizeof(*latencies));
    for (long i = 0; i < threads; i++)
        if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pairs[i]) != 0 ||
            pthread_create(&servers[i], NULL, serve, (void *)(long)pairs[i][1]) != 0)
            return 1;
    uint64_t begin = now();
    for (long i = 0; i < threads; i++)
        if (pthread_create(&clients[i], NULL, ask, (void *)i) != 0)
            return 1;
    for (long i = 0; i < threads; i++)
        pthread_join(clients[i], NULL);
    double seconds = (double)(now() - begin) / 1e9;
    for (long i = 0; i < threads; i++)
        pthread_join(servers[i], NULL);
    qsort(latencies, (size_t)(threads * requests), sizeof(*latencies), compare);
    printf("%.0f %u\n", (double)(threads * requests) / seconds, latencies[threads * requests * 99 / 100]);
    return 0;
}
