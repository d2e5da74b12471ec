/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * locks own|one THREADS COUNT [WORK]: nanoseconds of one lock and one unlock of a mutex in a program with threads; CPU
 * time of a thread where each has a mutex of its own, elapsed time where all have the same one and work while they hold
 * it, and as long again before they take it once more. WORK: turns of an empty loop, some tens of ns by default.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS_MAX 64
#define WORK 50

struct worker {
    pthread_mutex_t own __attribute__((aligned(128)));
    pthread_mutex_t *mutex;
    pthread_t thread;
    double ns;
};
static struct worker workers[THREADS_MAX];
static pthread_barrier_t begin;
static long count, turns = WORK;
static volatile long sum;

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

static void *worker_thread(void *argument)
{
    struct worker *w = argument;
    pthread_barrier_wait(&begin);
    double from = now(CLOCK_THREAD_CPUTIME_ID);
    for (long i = 0; i < count; i++) {
        pthread_mutex_lock(w->mutex);
        if (w->mutex != &w->own) {
            work();
            sum = sum + 1;
        }
        pthread_mutex_unlock(w->mutex);
        if (w->mutex != &w->own)
            work();
    }
    w->ns = (now(CLOCK_THREAD_CPUTIME_ID) - from) / (double)count;
    return NULL;
}

int main(int argc, char **argv)
{
    int threads = argc > 3 ? atoi(argv[2]) : 0;
    double ns = 0;

    if (threads < 1 || threads > THREADS_MAX)
        return 1;
    count = atol(argv[3]);
    turns = argc > 4 ? atol(argv[4]) : WORK;
    int one = strcmp(argv[1], "one") == 0;
    pthread_barrier_init(&begin, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++) {
        struct worker *w = &workers[i];
        pthread_mutex_init(&w->own, NULL);
        w->mutex = one ? &workers[THREADS_MAX - 1].own : &w->own;
        if (pthread_create(&w->thread, NULL, worker_thread, w) != 0)
            return 1;
    }
    pthread_barrier_wait(&begin);
    double from = now(CLOCK_MONOTONIC);
    for (int i = 0; i < threads; i++)
        pthread_join(workers[i].thread, NULL);
    double elapsed = (now(CLOCK_MONOTONIC) - from) / (double)count / threads;
    for (int i = 0; i < threads; i++)
        ns += workers[i].ns / threads;
    printf("%.2f\n", one ? elapsed : ns);
    return 0;
}
