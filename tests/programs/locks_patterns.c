/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Well-known ways to lock, wrong and right; the argument chooses one (PATTERNS below). Two threads, both alive, take
 * turns, so that nothing hangs unless the pattern is to hang ("hang", "hang3", "self"): those print "hanging" when all
 * threads are about to wait.
 *
 * Expected: each row of PATTERNS says which rule finds something; the others find nothing.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock_a = PTHREAD_MUTEX_INITIALIZER, lock_b = PTHREAD_MUTEX_INITIALIZER,
                       lock_c = PTHREAD_MUTEX_INITIALIZER, gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t array[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static pthread_mutex_t recursive;
static pthread_rwlock_t table = PTHREAD_RWLOCK_INITIALIZER, list = PTHREAD_RWLOCK_INITIALIZER;
static sem_t token;
static int turn, arrived;

static void turn_wait(int mine)
{
    while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) < mine)
        sched_yield();
}

static void turn_next(void)
{
    __atomic_add_fetch(&turn, 1, __ATOMIC_ACQ_REL);
}

static void both(pthread_mutex_t *first, pthread_mutex_t *second)
{
    pthread_mutex_lock(first);
    pthread_mutex_lock(second);
    pthread_mutex_unlock(second);
    pthread_mutex_unlock(first);
}

/* ---- orders ---- */

static void abba(int i)
{
    i == 0 ? both(&lock_a, &lock_b) : both(&lock_b, &lock_a);
}

static void same_order(int i)
{
    (void)i;
    both(&lock_a, &lock_b);
}

static void gated(int i)
{
    pthread_mutex_lock(&gate);
    abba(i);
    pthread_mutex_unlock(&gate);
}

/* What stood behind a gate at first stands without it later. */
static void gated_once(int i)
{
    gated(i);
    abba(i);
}

static void by_address(int i)
{
    (void)i;
    both(&array[0], &array[1]);
}

static void by_argument(int i)
{
    both(&array[i], &array[1 - i]);
}

static void tried(int i)
{
    if (i == 0) {
        both(&lock_a, &lock_b);
        return;
    }
    pthread_mutex_lock(&lock_b);
    if (pthread_mutex_trylock(&lock_a) == 0)
        pthread_mutex_unlock(&lock_a);
    pthread_mutex_unlock(&lock_b);
}

static void circle(int i)
{
    pthread_mutex_t *locks[] = {&lock_a, &lock_b, &lock_c};
    both(locks[i], locks[(i + 1) % 3]);
}

static void readers(int i)
{
    pthread_rwlock_rdlock(i == 0 ? &table : &list);
    pthread_rwlock_rdlock(i == 0 ? &list : &table);
    pthread_rwlock_unlock(&table);
    pthread_rwlock_unlock(&list);
}

static void writers(int i)
{
    pthread_rwlock_rdlock(i == 0 ? &table : &list);
    pthread_rwlock_wrlock(i == 0 ? &list : &table);
    pthread_rwlock_unlock(&table);
    pthread_rwlock_unlock(&list);
}

static void semaphore_mutex(int i)
{
    if (i == 0)
        sem_wait(&token);
    pthread_mutex_lock(&lock_a);
    if (i == 1)
        sem_wait(&token);
    sem_post(&token);
    pthread_mutex_unlock(&lock_a);
}

static void recursion(int i)
{
    (void)i;
    pthread_mutex_lock(&recursive);
    both(&lock_a, &recursive);
    pthread_mutex_unlock(&recursive);
}

/* ---- misuse ---- */

static void stranger(int i)
{
    if (i == 0)
        pthread_mutex_lock(&lock_a);
    else
        pthread_mutex_unlock(&lock_a);
}

static void twice_unlocked(int i)
{
    pthread_rwlock_t *lock = &table;
    if (i != 0)
        return;
    pthread_mutex_lock(&lock_a);
    pthread_mutex_unlock(&lock_a);
    pthread_mutex_unlock(&lock_a);
    pthread_rwlock_rdlock(lock);
    pthread_rwlock_unlock(lock);
    pthread_rwlock_unlock(lock);
}

static void destroyed_used(int i)
{
    if (i == 0)
        pthread_mutex_destroy(&lock_a);
    else
        pthread_mutex_lock(&lock_a);
}

static void own_tried(int i)
{
    pthread_rwlock_wrlock(&table);
    if (i == 0)
        pthread_rwlock_trywrlock(&table);
    pthread_rwlock_unlock(&table);
}

static void bad_time(int i)
{
    static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    struct timespec never = {1, 2000000000};
    if (i != 0)
        return;
    pthread_mutex_lock(&lock_a);
    pthread_cond_timedwait(&condition, &lock_a, &never);
    pthread_mutex_unlock(&lock_a);
}

static pthread_cond_t ready = PTHREAD_COND_INITIALIZER;
static int go;

/* Thread 1 comes when thread 0 waits: it gets the mutex. */
static void wait_with(pthread_mutex_t *mutex)
{
    pthread_mutex_lock(mutex);
    turn_next();
    while (!go)
        pthread_cond_wait(&ready, mutex);
    pthread_mutex_unlock(mutex);
}

static void wake(pthread_mutex_t *held)
{
    pthread_mutex_lock(held);
    go = 1;
    pthread_cond_broadcast(&ready);
    pthread_mutex_unlock(held);
}

static void two_mutexes(int i)
{
    struct timespec past = {1, 0};
    if (i == 0) {
        wait_with(&lock_a);
        return;
    }
    pthread_mutex_lock(&lock_a); /* only when it waits */
    pthread_mutex_unlock(&lock_a);
    pthread_mutex_lock(&lock_b);
    pthread_cond_timedwait(&ready, &lock_b, &past);
    pthread_mutex_unlock(&lock_b);
    wake(&lock_a);
}

static void one_mutex(int i)
{
    struct timespec past = {1, 0};
    if (i == 0) {
        wait_with(&lock_a);
        return;
    }
    pthread_mutex_lock(&lock_a);
    pthread_cond_timedwait(&ready, &lock_a, &past);
    pthread_mutex_unlock(&lock_a);
    wake(&lock_a);
}

static void *leave_barrier(void *barrier)
{
    pthread_barrier_wait(barrier);
    return NULL;
}

static void barrier_again(int i)
{
    static pthread_barrier_t barrier;
    pthread_t thread;
    if (i != 0)
        return;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, leave_barrier, &barrier);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    pthread_barrier_init(&barrier, NULL, 3);
}

static void barrier_right(int i)
{
    static pthread_barrier_t barrier;
    pthread_t thread;
    if (i != 0)
        return;
    for (int round = 0; round < 2; round++) {
        pthread_barrier_init(&barrier, NULL, 2);
        pthread_create(&thread, NULL, leave_barrier, &barrier);
        pthread_barrier_wait(&barrier);
        pthread_barrier_destroy(&barrier);
        pthread_join(thread, NULL);
    }
}

struct object {
    char name[40];
    pthread_mutex_t lock;
    pthread_rwlock_t shared;
};

static struct object *object_new(void)
{
    struct object *object = malloc(sizeof(*object));
    pthread_mutex_init(&object->lock, NULL);
    pthread_rwlock_init(&object->shared, NULL);
    return object;
}

static void freed_held(int i)
{
    struct object *object = object_new();
    if (i == 0)
        pthread_mutex_lock(&object->lock);
    else
        pthread_rwlock_rdlock(&object->shared);
    free(object);
}

/* What is freed lies beside the lock that is held, or has locks that were left; none was destroyed, as many do. */
static void freed_right(int i)
{
    struct object *objects[4];
    for (int j = 0; j < 4; j++)
        objects[j] = object_new();
    pthread_mutex_lock(&objects[i]->lock);
    for (int j = 0; j < 4; j++) {
        if (j == i)
            continue;
        pthread_mutex_lock(&objects[j]->lock);
        pthread_rwlock_wrlock(&objects[j]->shared);
        pthread_rwlock_unlock(&objects[j]->shared);
        pthread_mutex_unlock(&objects[j]->lock);
        free(objects[j]);
    }
    pthread_mutex_unlock(&objects[i]->lock);
    free(objects[i]);
}

static void born_held(int i)
{
    if (i != 0)
        return;
    pthread_mutex_lock(&lock_a);
    pthread_mutex_init(&lock_a, NULL);
    pthread_mutex_lock(&lock_a);
    pthread_mutex_unlock(&lock_a);
}

/* Memory is used again, with another lock held; a child makes anew what its parent held. */
static void born_right(int i)
{
    pthread_mutex_lock(&gate);
    for (int j = 0; j < 3; j++) {
        struct object *object = object_new();
        both(&object->lock, &lock_a);
        pthread_mutex_init(&object->lock, NULL);
        free(object);
    }
    if (i == 0 && fork() == 0) {
        pthread_mutex_init(&gate, NULL);
        _exit(0);
    }
    pthread_mutex_unlock(&gate);
}

static void garbage(int i)
{
    static pthread_cond_t condition;
    memset((char *)&condition + sizeof(condition) - 1, 1, 1);
    if (i == 0)
        pthread_cond_signal(&condition);
}

/* Conditions of all kinds that were not waited for, some not initialised but all 0. */
static void fresh_conditions(int i)
{
    static pthread_cond_t zero, made, shared;
    pthread_condattr_t attributes;
    struct timespec past = {1, 0};
    if (i != 0)
        return;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&made, &attributes);
    pthread_condattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&shared, &attributes);
    pthread_cond_t *all[] = {&zero, &made, &shared};
    for (int j = 0; j < 9; j++) {
        pthread_cond_t *condition = all[j % 3];
        pthread_cond_signal(condition);
        pthread_cond_broadcast(condition);
        pthread_mutex_lock(&lock_a);
        pthread_cond_timedwait(condition, &lock_a, &past);
        pthread_mutex_unlock(&lock_a);
    }
    for (int j = 0; j < 3; j++)
        pthread_cond_destroy(all[j]);
}

static void exit_held(int i)
{
    if (i == 0)
        pthread_mutex_lock(&lock_a);
}

/* ---- hanging ---- */

static void hang(int i, int threads)
{
    pthread_mutex_t *locks[] = {&lock_a, &lock_b, &lock_c};
    pthread_mutex_lock(locks[i]);
    if (__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL) == threads) {
        puts("hanging");
        fflush(stdout);
    }
    while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) < threads)
        sched_yield();
    pthread_mutex_lock(locks[(i + 1) % threads]);
}

static void hang2(int i)
{
    hang(i, 2);
}

static void hang3(int i)
{
    hang(i, 3);
}

static void self(int i)
{
    if (i != 0)
        return;
    pthread_mutex_lock(&lock_a);
    puts("hanging");
    fflush(stdout);
    pthread_mutex_lock(&lock_a);
}

static const struct pattern {
    const char *name;
    void (*run)(int);
    int threads;
    int together; /* the threads do not take turns */
    const char *rule;
} PATTERNS[] = {
    {"abba", abba, 2, 0, "lock-order-inversion"},
    {"circle", circle, 3, 0, "lock-order-inversion"},
    {"by_argument", by_argument, 2, 0, "lock-order-inversion"},
    {"writers", writers, 2, 0, "lock-order-inversion"},
    {"gated_once", gated_once, 2, 0, "lock-order-inversion"},
    {"semaphore_mutex", semaphore_mutex, 2, 0, "lock-order-inversion"},
    {"hang", hang2, 2, 1, "lock-order-inversion"},
    {"hang3", hang3, 3, 1, "lock-order-inversion"},
    {"self", self, 2, 0, "lock-order-inversion"},
    {"stranger", stranger, 2, 0, "lock-misuse"},
    {"exit_held", exit_held, 2, 0, "lock-misuse"},
    {"twice_unlocked", twice_unlocked, 2, 0, "lock-misuse"},
    {"destroyed_used", destroyed_used, 2, 0, "lock-misuse"},
    {"own_tried", own_tried, 2, 0, "lock-misuse"},
    {"bad_time", bad_time, 2, 0, "lock-misuse"},
    {"two_mutexes", two_mutexes, 2, 0, "lock-misuse"},
    {"barrier_again", barrier_again, 2, 0, "lock-misuse"},
    {"freed_held", freed_held, 2, 0, "lock-misuse"},
    {"freed_right", freed_right, 2, 0, ""},
    {"born_held", born_held, 2, 0, "lock-misuse"},
    {"born_right", born_right, 2, 0, ""},
    {"garbage", garbage, 2, 0, "lock-misuse"},
    {"fresh_conditions", fresh_conditions, 2, 0, ""},
    {"one_mutex", one_mutex, 2, 0, ""},
    {"barrier_right", barrier_right, 2, 0, ""},
    {"alone", NULL, 0, 0, "lock-order-inversion"},
    {"same_order", same_order, 2, 0, ""},
    {"gated", gated, 2, 0, ""},
    {"by_address", by_address, 2, 0, ""},
    {"tried", tried, 2, 0, ""},
    {"readers", readers, 2, 0, ""},
    {"recursion", recursion, 2, 0, ""},
    {"startup", same_order, 2, 0, ""},
};

static const struct pattern *pattern;

static void *thread_main(void *argument)
{
    int i = (int)(size_t)argument;
    if (!pattern->together)
        turn_wait(i);
    pattern->run(i);
    turn_next();
    turn_wait(pattern->threads); /* alive until all have had their turn */
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[3];
    pthread_mutexattr_t attributes;
    for (size_t i = 0; i < sizeof(PATTERNS) / sizeof(PATTERNS[0]); i++) {
        if (argc > 1 && strcmp(argv[1], "list") == 0)
            printf("%s %s\n", PATTERNS[i].name, PATTERNS[i].rule);
        else if (argc > 1 && strcmp(argv[1], PATTERNS[i].name) == 0)
            pattern = &PATTERNS[i];
    }
    if (!pattern)
        return argc > 1 && strcmp(argv[1], "list") == 0 ? 0 : 2;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&recursive, &attributes);
    sem_init(&token, 0, 1);
    if (strcmp(pattern->name, "startup") == 0 || strcmp(pattern->name, "alone") == 0)
        both(&lock_b, &lock_a); /* before there is a second thread */
    if (strcmp(pattern->name, "alone") == 0)
        both(&lock_a, &lock_b);
    for (int i = 0; i < pattern->threads; i++)
        pthread_create(&threads[i], NULL, thread_main, (void *)(size_t)i);
    for (int i = 0; i < pattern->threads; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
