/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lives HOW SECONDS [THREADS]: threads that make items and put them where others find and free them; what orders
 * them is
 *
 *   nothing    the guilty one: unlocked-mutation is expected, of a block of item_pool_make, in table_turn. Each thread
 *              is in another part of the table for a while: only their pace keeps two from freeing one item twice
 *   mutex      a mutex around each turn
 *   spin       a spin lock of the program's own, which is no call
 *   exchange   the item is swapped for the old one by one atomic instruction
 *   ring       two threads, each with a ring to the other: plain stores and loads, which is enough on x86-64
 *   self       the same, where each also puts aside items of its own and frees them elsewhere
 *   pipe       each thread frees what the one before it has sent through a pipe
 *
 * All but the first are innocent: no finding. Prints "done".
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 1024
#define STAY 512 /* rounds in one part of the table */
#define RING 64
#define THREADS_MAX 16
#define NOINLINE __attribute__((noinline))

struct item {
    long key;
    char value[40];
};

struct ring {
    struct item *items[RING];
    unsigned long put, got;
};

static struct item *table[SLOTS], *aside[THREADS_MAX];
static struct ring rings[2]; /* to thread 0, to thread 1 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int spin, pipes[THREADS_MAX][2], thread_count = 4;
static volatile int stop;

static NOINLINE struct item *item_pool_make(long key)
{
    struct item *item = calloc(1, sizeof(*item));
    if (item)
        item->key = key;
    return item;
}

/* A slot of the part that this thread is in: nobody else is meant to be there. All move on by 1, 2, 3 … parts. */
static long slot_of(long self, long round)
{
    long part = SLOTS / thread_count, moves = round / STAY;
    return (self + moves * (moves + 1) / 2) % thread_count * part + round * 7919 % part;
}

static NOINLINE void table_turn(long self, long round)
{
    long at = slot_of(self, round);
    struct item *old = table[at];
    table[at] = item_pool_make(round);
    free(old);
}

static NOINLINE void mutex_turn(long self, long round)
{
    pthread_mutex_lock(&lock);
    table_turn(self, round);
    pthread_mutex_unlock(&lock);
}

static NOINLINE void spin_turn(long self, long round)
{
    while (__atomic_exchange_n(&spin, 1, __ATOMIC_ACQUIRE))
        usleep(10);
    table_turn(self, round);
    __atomic_store_n(&spin, 0, __ATOMIC_RELEASE);
}

static NOINLINE void exchange_turn(long self, long round)
{
    long at = slot_of(self, round);
    free(__atomic_exchange_n(&table[at], item_pool_make(round), __ATOMIC_ACQ_REL));
}

static NOINLINE void ring_turn(long self, long round)
{
    struct ring *out = &rings[1 - self], *in = &rings[self];
    unsigned long put = out->put, got = in->got;
    if (put - __atomic_load_n(&out->got, __ATOMIC_ACQUIRE) < RING) {
        out->items[put % RING] = item_pool_make(round);
        __atomic_store_n(&out->put, put + 1, __ATOMIC_RELEASE);
    }
    if (__atomic_load_n(&in->put, __ATOMIC_ACQUIRE) != got) {
        free(in->items[got % RING]);
        __atomic_store_n(&in->got, got + 1, __ATOMIC_RELEASE);
    }
}

static NOINLINE void self_turn(long self, long round)
{
    free(aside[self]);
    aside[self] = item_pool_make(round);
    ring_turn(self, round);
}

static NOINLINE void pipe_turn(long self, long round)
{
    struct item *item = item_pool_make(round), *other;
    if (write(pipes[(self + 1) % thread_count][1], &item, sizeof(item)) == sizeof(item) &&
        read(pipes[self][0], &other, sizeof(other)) == sizeof(other))
        free(other);
}

static const struct how {
    const char *name;
    void (*turn)(long self, long round);
    int threads; /* 0: any number */
} hows[] = {{"nothing", table_turn, 0},     {"mutex", mutex_turn, 0}, {"spin", spin_turn, 0},
            {"exchange", exchange_turn, 0}, {"ring", ring_turn, 2},   {"self", self_turn, 2},
            {"pipe", pipe_turn, 0}};
static const struct how *how;

static void *serve(void *argument)
{
    const struct timespec pause = {0, 100000};
    for (long round = 0; !stop; round++) {
        how->turn((long)argument, round);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

int main(int count, char **arguments)
{
    pthread_t threads[THREADS_MAX];
    for (size_t i = 0; count > 2 && i < sizeof(hows) / sizeof(hows[0]); i++)
        how = strcmp(hows[i].name, arguments[1]) == 0 ? &hows[i] : how;
    if (count > 3)
        thread_count = atoi(arguments[3]);
    if (!how || thread_count < 2 || thread_count > THREADS_MAX)
        return 2;
    thread_count = how->threads ? how->threads : thread_count;
    for (int i = 0; i < thread_count; i++)
        if (pipe(pipes[i]) != 0)
            return 2;
    for (long i = 0; i < thread_count; i++)
        if (pthread_create(&threads[i], NULL, serve, (void *)i) != 0)
            return 2;
    sleep((unsigned)atoi(arguments[2]));
    stop = 1;
    if (how->turn != pipe_turn) /* there they wait for each other */
        for (int i = 0; i < thread_count; i++)
            pthread_join(threads[i], NULL);
    puts("done");
    return 0;
}
