/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch_token SECONDS: two threads that hand each other a byte, so that the processor does little but switch between
 * them, each time after a change to a block of token_cache_new. Prints how many context switches there were.
 *
 * Expected: the block is watched, but seldom, as breakpoints make each switch dearer; no finding, for the pipes keep
 * the threads apart.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static struct token_cache {
    long handed_on;
} * cache;
static int pipes[2][2];
static volatile int stop;

__attribute__((noinline)) static struct token_cache *token_cache_new(void)
{
    return calloc(1, sizeof(struct token_cache));
}

static void *hand_on(void *argument)
{
    long self = (long)argument;
    char token;
    while (read(pipes[self][0], &token, 1) == 1) {
        cache->handed_on++;
        if (stop || write(pipes[!self][1], &token, 1) != 1)
            break;
    }
    close(pipes[!self][1]);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[2];
    struct rusage usage;
    cache = token_cache_new();
    if (!cache || pipe(pipes[0]) != 0 || pipe(pipes[1]) != 0)
        return 1;
    for (long i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, hand_on, (void *)i);
    if (write(pipes[0][1], "x", 1) != 1)
        return 1;
    sleep(argc > 1 ? (unsigned)atoi(argv[1]) : 1);
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    getrusage(RUSAGE_SELF, &usage);
    printf("%ld\n", usage.ru_nvcsw + usage.ru_nivcsw);
    return 0;
}
