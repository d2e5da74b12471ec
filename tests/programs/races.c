/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * races KIND SECONDS [THREADS]: threads that change one variable together about 1,000 times a second, among blocks that
 * each thread has for itself and blocks that a mutex guards.
 *
 * Guilty, unlocked-mutation is expected:  counter (counter++ in a block)   list (a node is put before a list's head)
 *     global (a variable is read, computed with, written)   field (each thread stores a value of its own)
 * Innocent, no finding is expected:       locked, rwlock, spin (a spin lock of the program's own), ticket (likewise;
 * its release is a plain increment), atomic (fetch-and-add), cas, mailbox (one thread fills, the other empties, with
 * plain stores and loads), once (a flag that every thread stores the same value to), hand-over (a block goes from
 * thread to thread through a mutex-guarded slot)
 */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PRIVATE_BLOCKS 50
#define RATE 1000 /* changes a second, of all threads */

struct node {
    struct node *next;
    long key;
};

struct shared {
    pthread_mutex_t lock;
    pthread_rwlock_t rwlock;
    long counter;
    struct node *head;
    long field;
    int spin;
    unsigned next_ticket, serving;
    long *slot;
    int full;
};

static struct shared *shared;
long shared_total; /* of "global" */
static const char *kind;
static volatile int stop;
static int thread_count;
static volatile long sink;

static int is(const char *name)
{
    return strcmp(kind, name) == 0;
}

__attribute__((noinline)) static void pool_push(struct shared *s, struct node *n)
{
    n->next = s->head;
    s->head = n;
}

__attribute__((noinline)) static void total_add(long n)
{
    long before = shared_total;
    for (int i = 0; i < 20; i++) /* something that takes a moment */
        n += before % (i + 3);
    shared_total = before + (n & 15) + 1;
}

static void own_lock(struct shared *s)
{
    while (__atomic_exchange_n(&s->spin, 1, __ATOMIC_ACQUIRE))
        sched_yield();
}

static void own_unlock(struct shared *s)
{
    __atomic_store_n(&s->spin, 0, __ATOMIC_RELEASE);
}

__attribute__((noinline)) static void ticket_turn(struct shared *s)
{
    unsigned mine = __atomic_fetch_add(&s->next_ticket, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&s->serving, __ATOMIC_ACQUIRE) != mine)
        sched_yield();
    s->counter++;
    __asm__ volatile("incl %0" : "+m"(s->serving) : : "memory");
}

__attribute__((noinline)) static void mailbox_turn(struct shared *s, long id)
{
    int wanted = id % 2 ? 0 : 1;
    for (int i = 0; i < 10000 && __atomic_load_n(&s->full, __ATOMIC_ACQUIRE) != wanted && !stop; i++)
        sched_yield();
    if (__atomic_load_n(&s->full, __ATOMIC_ACQUIRE) != wanted)
        return;
    s->field = id;
    __atomic_store_n(&s->full, 1 - wanted, __ATOMIC_RELEASE);
}

static void hand_over(struct shared *s, long **mine)
{
    pthread_mutex_lock(&s->lock);
    long *other = s->slot;
    s->slot = *mine;
    pthread_mutex_unlock(&s->lock);
    *mine = other;
    if (other)
        other[1]++;
    else
        *mine = calloc(4, sizeof(long));
}

static void change(struct shared *s, long id, struct node *node, long **mine)
{
    if (is("counter"))
        s->counter++;
    else if (is("list"))
        pool_push(s, node);
    else if (is("global"))
        total_add(id);
    else if (is("field"))
        s->field = id;
    else if (is("atomic"))
        __atomic_fetch_add(&s->counter, 1, __ATOMIC_RELAXED);
    else if (is("ticket"))
        ticket_turn(s);
    else if (is("mailbox"))
        mailbox_turn(s, id);
    else if (is("once"))
        s->field = 1;
    else if (is("hand-over"))
        hand_over(s, mine);
    if (is("locked")) {
        pthread_mutex_lock(&s->lock);
        s->counter++;
        pool_push(s, node);
        pthread_mutex_unlock(&s->lock);
    } else if (is("rwlock")) {
        pthread_rwlock_wrlock(&s->rwlock);
        s->counter++;
        pthread_rwlock_unlock(&s->rwlock);
        pthread_rwlock_rdlock(&s->rwlock);
        sink += s->counter;
        pthread_rwlock_unlock(&s->rwlock);
    } else if (is("spin")) {
        own_lock(s);
        s->counter++;
        pool_push(s, node);
        own_unlock(s);
    } else if (is("cas")) {
        long before = __atomic_load_n(&s->counter, __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n(&s->counter, &before, before + 1, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            ;
    }
}

static void *work(void *argument)
{
    long id = (long)argument, *blocks[PRIVATE_BLOCKS], *mine = NULL;
    struct node *nodes = calloc(64, sizeof(*nodes));
    struct timespec pause = {0, 1000000000L / RATE * thread_count - 60000};
    for (int i = 0; i < PRIVATE_BLOCKS; i++)
        blocks[i] = calloc(8, sizeof(long));
    for (long i = 0; !stop; i++) {
        change(shared, id, &nodes[i % 64], &mine);
        for (int k = 0; k < 10; k++)
            blocks[(i + k) % PRIVATE_BLOCKS][i % 8] += i;
        nanosleep(&pause, NULL);
    }
    return NULL;
}

__attribute__((noinline)) static struct shared *shared_pool_new(void)
{
    struct shared *s = calloc(1, sizeof(*s));
    pthread_mutex_init(&s->lock, NULL);
    pthread_rwlock_init(&s->rwlock, NULL);
    return s;
}

int main(int count, char **arguments)
{
    pthread_t threads[64];
    kind = count > 1 ? arguments[1] : "counter";
    int seconds = count > 2 ? atoi(arguments[2]) : 3;
    thread_count = count > 3 ? atoi(arguments[3]) : 2;
    shared = shared_pool_new();
    for (long i = 0; i < thread_count; i++)
        pthread_create(&threads[i], NULL, work, (void *)(i + 1));
    sleep((unsigned)seconds);
    stop = 1;
    for (int i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    printf("%ld %ld\n", shared->counter, shared_total);
    return 0;
}
