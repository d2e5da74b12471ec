/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread that waits for a condition when the main thread exits; the argument chooses how it came to that. It prints
 * its thread id and how many locks it had taken since the last signal.
 *
 *   early      it is signalled before it waits, and waits without a look at anything: lost, 1
 *   busy       the same in a loop: it was told once, and the second signal came while it was busy: lost, 1
 *   predicate  what it is to do stands in a variable, so that it found the second thing by itself: 2
 *   attended   the second signal came while it waited, and nothing after that: none
 *   timed      as early, but it waits with a time limit: none
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int work;
static atomic_int stage;

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){0, ms * 1000000}, NULL);
}

static void stage_wait(int wanted)
{
    while (stage < wanted)
        pause_ms(1);
}

static void waited_for(void)
{
    while (!(__atomic_load_n(&condition.__data.__wrefs, __ATOMIC_RELAXED) >> 3))
        pause_ms(1);
}

static __attribute__((noinline)) void wait_without_look(void)
{
    pthread_mutex_lock(&mutex);
    pthread_cond_wait(&condition, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void work_take(void)
{
    pthread_mutex_lock(&mutex);
    while (!work)
        pthread_cond_wait(&condition, &mutex);
    work--;
    pthread_mutex_unlock(&mutex);
}

static void *worker(void *argument)
{
    const char *how = argument;
    int looks = strcmp(how, "early") == 0 || strcmp(how, "busy") == 0;
    printf("%d %d\n", gettid(), strcmp(how, "predicate") == 0 ? 2 : looks);
    fflush(stdout);
    if (strcmp(how, "early") == 0 || strcmp(how, "timed") == 0)
        stage_wait(1);
    if (strcmp(how, "timed") == 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 1000;
        pthread_mutex_lock(&mutex);
        pthread_cond_timedwait(&condition, &mutex, &until);
    }
    for (int turn = 0;; turn++) {
        strcmp(how, "predicate") == 0 ? work_take() : wait_without_look();
        if (turn == 0) { /* busy */
            stage = 2;
            stage_wait(strcmp(how, "attended") == 0 ? 0 : 3);
        }
    }
    return NULL;
}

static __attribute__((noinline)) void tell(void)
{
    pthread_mutex_lock(&mutex);
    work++;
    pthread_mutex_unlock(&mutex);
    pthread_cond_signal(&condition);
}

int main(int argc, char **argv)
{
    pthread_t thread;
    if (argc < 2 || pthread_create(&thread, NULL, worker, argv[1]) != 0)
        return 2;
    if (strcmp(argv[1], "early") == 0 || strcmp(argv[1], "timed") == 0) {
        tell();
        stage = 1;
    } else {
        waited_for();
        pause_ms(20);
        tell();
        stage_wait(2);
        if (strcmp(argv[1], "attended") == 0)
            waited_for();
        tell();
        pause_ms(20);
        stage = 3;
    }
    pause_ms(20);
    waited_for();
    pause_ms(20);
    return 0;
}
