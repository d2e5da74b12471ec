/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * locks own THREADS COUNT: nanoseconds of CPU time of one lock and one unlock, where each thread has a mutex of its
 * own. locks one THREADS MS [TURNS]: elapsed nanoseconds for each time that one of the threads had the one mutex that
 * all want. Who has it works, and as long again before it asks once more: TURNS of an empty loop, some tens of ns by
 * default.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS_MAX 64
#define TURNS 50

struct worker {
    pthread_mutex_t own __attribute__((aligned(128)));
    pthread_t thread;
    double begin, end, cpu; /* ns */
    long count;
};
static struct worker workers[THREADS_MAX];
static pthread_mutex_t one __attribute__((aligned(128)));
static pthread_barrier_t begin;
static long count, turns = TURNS;
static volatile long sum __attribute__((aligned(128)));
static int stop __attribute__((aligned(128)));

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void work(void)
{
    for (long i = 0; i < turns; i++)
        __asm__ volatile("" ::: "memory");
}

static void *own_thread(void *argument)
{
    struct worker *w = argument;
    pthread_barrier_wait(&begin);
    double from = now(CLOCK_THREAD_CPUTIME_ID);
    for (; w->count < count; w->count++) {
        pthread_mutex_lock(&w->own);
        pthread_mutex_unlock(&w->own);
    }
    w->cpu = now(CLOCK_THREAD_CPUTIME_ID) - from;
    return NULL;
}

static void *one_thread(void *argument)
{
    struct worker *w = argument;
    long had = 0;
    pthread_barrier_wait(&begin);
    w->begin = now(CLOCK_MONOTONIC);
    for (; !__atomic_load_n(&stop, __ATOMIC_RELAXED); had++) {
        pthread_mutex_lock(&one);
        work();
        sum = sum + 1;
        pthread_mutex_unlock(&one);
        work();
    }
    w->end = now(CLOCK_MONOTONIC);
    w->count = had;
    return NULL;
}

int main(int argc, char **argv)
{
    int threads = argc > 3 ? atoi(argv[2]) : 0, all = threads && strcmp(argv[1], "one") == 0;
    if (threads < 1 || threads > THREADS_MAX)
        return 1;
    count = atol(argv[3]);
    turns = argc > 4 ? atol(argv[4]) : TURNS;
    pthread_barrier_init(&begin, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&workers[i].thread, NULL, all ? one_thread : own_thread, &workers[i]) != 0)
            return 1;
    pthread_barrier_wait(&begin);
    if (all)
        nanosleep(&(struct timespec){count / 1000, count % 1000 * 1000000}, NULL);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    struct worker sums = {.begin = 1e300};
    for (int i = 0; i < threads; i++) {
        const struct worker *w = &workers[i];
        pthread_join(w->thread, NULL);
        sums.cpu += w->cpu;
        sums.count += w->count;
        sums.begin = w->begin < sums.begin ? w->begin : sums.begin;
        sums.end = w->end > sums.end ? w->end : sums.end;
    }
    printf("%.2f\n", (all ? sums.end - sums.begin : sums.cpu) / (double)sums.count);
    return 0;
}
