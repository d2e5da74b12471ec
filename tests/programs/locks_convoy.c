/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads that wait for one mutex, `ledger_lock`. With the argument "guilty" the owner keeps it for HOLD_MS in
 * slow_audit(), for which the others stand in line; with "innocent" each has a lock of its own and the owner does the
 * same work. With "convoy" all take it again and again for a few microseconds, and it is of the kind that the kernel
 * hands to who has waited longest. Printed is what the waiters lost by their own clocks (waited_ns), how much of it
 * they may have spent queueing for a CPU (queued_ns), and how often they waited (waits).
 *
 * Expected: guilty, lock-contention on ledger_lock whose owner is slow_audit; convoy, lock-contention on it as a
 * convoy; innocent, nothing.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define WAITERS 4
#define ROUNDS 20
#define HOLD_MS 20
#define CONVOY 8 /* threads */
#define CONVOY_MS 400
#define CONVOY_WORK 1000

static pthread_mutex_t ledger_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t own_locks[WAITERS + 1];
static pthread_barrier_t taken, done;
static int shared = 1;
static uint64_t waited[WAITERS], queued[WAITERS];
static volatile unsigned long sink;

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Time for which the thread was ready but had no CPU. */
static uint64_t queued_now(void)
{
    unsigned long long ran, delay = 0;
    FILE *file = fopen("/proc/thread-self/schedstat", "re");
    if (file && fscanf(file, "%llu %llu", &ran, &delay) != 2)
        delay = 0;
    if (file)
        fclose(file);
    return delay;
}

static pthread_mutex_t *lock_of(int i)
{
    return shared ? &ledger_lock : &own_locks[i];
}

/* Computes: a lock that is held during I/O is another matter. */
static __attribute__((noinline)) void slow_audit(void)
{
    pthread_mutex_lock(lock_of(WAITERS));
    pthread_barrier_wait(&taken);
    for (uint64_t end = now() + HOLD_MS * 1000000u; now() < end;)
        sink++;
    pthread_mutex_unlock(lock_of(WAITERS));
}

static void *waiter(void *argument)
{
    int i = (int)(intptr_t)argument;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&taken);
        uint64_t before = queued_now(), begin = now();
        pthread_mutex_lock(lock_of(i));
        waited[i] += now() - begin;
        pthread_mutex_unlock(lock_of(i));
        queued[i] += queued_now() - before;
        pthread_barrier_wait(&done);
    }
    return NULL;
}

static void *convoy_member(void *argument)
{
    uint64_t end = now() + CONVOY_MS * 1000000u;
    while (now() < end) {
        pthread_mutex_lock(&ledger_lock);
        for (int work = 0; work < CONVOY_WORK; work++)
            sink++;
        pthread_mutex_unlock(&ledger_lock);
    }
    return argument;
}

static int convoy(void)
{
    pthread_t threads[CONVOY];
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&ledger_lock, &attributes);
    for (int i = 0; i < CONVOY; i++)
        pthread_create(&threads[i], NULL, convoy_member, NULL);
    for (int i = 0; i < CONVOY; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

int main(int argc, char **argv)
{
    pthread_t threads[WAITERS];
    uint64_t total = 0, queue = 0;
    if (argc > 1 && strcmp(argv[1], "convoy") == 0)
        return convoy();
    shared = argc > 1 && strcmp(argv[1], "guilty") == 0;
    pthread_barrier_init(&taken, NULL, WAITERS + 1);
    pthread_barrier_init(&done, NULL, WAITERS + 1);
    for (int i = 0; i <= WAITERS; i++)
        pthread_mutex_init(&own_locks[i], NULL);
    for (int i = 0; i < WAITERS; i++)
        pthread_create(&threads[i], NULL, waiter, (void *)(intptr_t)i);
    for (int round = 0; round < ROUNDS; round++) {
        slow_audit();
        pthread_barrier_wait(&done);
    }
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(threads[i], NULL);
        total += waited[i];
        queue += queued[i];
    }
    printf("waited_ns %llu\nqueued_ns %llu\nwaits %d\n", (unsigned long long)total, (unsigned long long)queue,
           WAITERS * ROUNDS);
    return 0;
}
