/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * alloc THREADS COUNT [live]: nanoseconds of one malloc() and one free() in each of THREADS threads at once. With
 * `live` each thread keeps some thousand blocks of mixed sizes and frees a random one for each that it allocates.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIVE 4096
#define THREADS_MAX 256

static long count;
static int live;
static pthread_barrier_t start;

static void pairs(void)
{
    for (long i = 0; i < count; i++) {
        void *volatile block = malloc(64);
        free(block);
    }
}

static void mixed(void)
{
    static const size_t sizes[] = {16, 24, 40, 64, 100, 200, 500, 1000};
    void **blocks = calloc(LIVE, sizeof(*blocks));
    uint64_t random = (uintptr_t)&blocks | 1;
    for (long i = 0; i < count; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        void **at = &blocks[(random >> 40) % LIVE];
        free(*at);
        *at = malloc(sizes[(random >> 33) % 8]);
    }
    for (int i = 0; i < LIVE; i++)
        free(blocks[i]);
    free(blocks);
}

static double elapsed(const struct timespec *begin)
{
    struct timespec end;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    return (double)(end.tv_sec - begin->tv_sec) * 1e9 + (double)(end.tv_nsec - begin->tv_nsec);
}

/* The time of the thread itself: others that take the CPU away do not count. */
static void *run(void *result)
{
    struct timespec begin;
    pthread_barrier_wait(&start);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    if (live)
        mixed();
    else
        pairs();
    *(double *)result = elapsed(&begin) / (double)count;
    return NULL;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    pthread_t thread[THREADS_MAX];
    double result[THREADS_MAX], sum = 0;
    count = argc > 2 ? atol(argv[2]) : 1000000;
    live = argc > 3 && strcmp(argv[3], "live") == 0;
    if (threads < 1 || threads > THREADS_MAX || count < 1)
        return 2;
    pthread_barrier_init(&start, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, run, &result[i]) != 0)
            return 1;
    for (int i = 0; i < threads; i++) {
        pthread_join(thread[i], NULL);
        sum += result[i];
    }
    printf("%.2f\n", sum / threads);
    return 0;
}
