/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What programs rely on where locks end badly: owners that die, waits that are cancelled, processes that fork with
 * locks held. Prints what came of it, which must be the same with and without the recorder.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    pthread_mutex_t robust, inheriting, plain, ordinary;
    pthread_cond_t condition;
    pthread_rwlock_t rwlock;
    sem_t semaphore;
    atomic_int stage, released;
};
static struct shared *shared;
static int atfork_calls;

static void show(const char *what, int error)
{
    printf("%s: %s\n", what, error ? strerrorname_np(error) : "0");
    fflush(stdout);
}

static void mutex_make(pthread_mutex_t *mutex, int type, int robust, int protocol)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, type);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, robust);
    pthread_mutexattr_setprotocol(&attributes, protocol);
    show("init", pthread_mutex_init(mutex, &attributes));
}

static void in_child(void (*run)(void), const char *what)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        run();
        _exit(0);
    }
    waitpid(child, &status, 0);
    printf("%s: child %d\n", what, WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
}

static void *in_thread(void *run)
{
    ((void (*)(void))run)();
    return NULL;
}

static void *join(pthread_t thread)
{
    void *result;
    pthread_join(thread, &result);
    return result;
}

static pthread_t start(void (*run)(void))
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, in_thread, (void *)run) != 0)
        abort();
    return thread;
}

static void stage_wait(int stage)
{
    while (shared->stage < stage)
        sched_yield();
}

/* ---- owners that die ---- */

static void die_robust(void)
{
    pthread_mutex_lock(&shared->robust);
}

static void killed_robust(void)
{
    pthread_mutex_lock(&shared->robust);
    raise(SIGKILL);
}

static void recover(const char *what)
{
    show(what, pthread_mutex_lock(&shared->robust));
    show("consistent", pthread_mutex_consistent(&shared->robust));
    show("unlock", pthread_mutex_unlock(&shared->robust));
    show("lock", pthread_mutex_lock(&shared->robust));
    show("unlock", pthread_mutex_unlock(&shared->robust));
}

static void die_robust_late(void)
{
    pthread_mutex_lock(&shared->robust);
    shared->stage = 1;
    usleep(20000);
}

static void owners(void)
{
    mutex_make(&shared->robust, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
    join(start(die_robust));
    recover("dead thread");
    in_child(killed_robust, "killed");
    recover("dead process");
    shared->stage = 0;
    pthread_t thread = start(die_robust_late);
    stage_wait(1);
    recover("died while waited for");
    join(thread);
    in_child(killed_robust, "killed");
    show("trylock", pthread_mutex_trylock(&shared->robust));
    show("unlock unrepaired", pthread_mutex_unlock(&shared->robust));
    show("lock unrepaired", pthread_mutex_lock(&shared->robust));
}

static void wait_for_dead(void)
{
    pthread_mutex_lock(&shared->robust);
    shared->stage = 1;
    show("wait, the mutex of a dead thread", pthread_cond_wait(&shared->condition, &shared->robust));
    show("consistent", pthread_mutex_consistent(&shared->robust));
    show("unlock", pthread_mutex_unlock(&shared->robust));
}

static void signal_and_die(void)
{
    pthread_mutex_lock(&shared->robust);
    pthread_cond_signal(&shared->condition);
    usleep(20000);
}

/* Who is signalled gets the mutex from a thread that ended with it. */
static void owner_dies_in_wait(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_cond_init(&shared->condition, &attributes);
    mutex_make(&shared->robust, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_INHERIT);
    join(start(die_robust));
    recover("dead thread, inheriting");
    shared->stage = 0;
    pthread_t thread = start(wait_for_dead);
    stage_wait(1);
    join(start(signal_and_die));
    join(thread);
    show("lock", pthread_mutex_lock(&shared->robust));
    show("unlock", pthread_mutex_unlock(&shared->robust));
}

static void killed_with_all(void)
{
    pthread_rwlock_wrlock(&shared->rwlock);
    sem_wait(&shared->semaphore);
    pthread_mutex_lock(&shared->ordinary);
    raise(SIGKILL);
}

/* What a process had that was killed nobody gives back, whatever it was. */
static void killed_owner(void)
{
    struct timespec past = {1, 0};
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_rwlock_init(&shared->rwlock, &attributes);
    sem_init(&shared->semaphore, 1, 1);
    shared->ordinary = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    in_child(killed_with_all, "killed with all");
    show("rdlock", pthread_rwlock_timedrdlock(&shared->rwlock, &past));
    show("tryrdlock", pthread_rwlock_tryrdlock(&shared->rwlock));
    show("sem_timedwait", sem_timedwait(&shared->semaphore, &past) ? errno : 0);
    show("timedlock", pthread_mutex_timedlock(&shared->ordinary, &past));
    shared->ordinary = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    show("lock", pthread_mutex_lock(&shared->ordinary));
    show("unlock", pthread_mutex_unlock(&shared->ordinary));
}

static long counter;

static void count_ordinary(void)
{
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&shared->ordinary);
        counter++;
        pthread_mutex_unlock(&shared->ordinary);
    }
}

/* One that every function may have: lock, trylock, timedlock and waits take turns. */
static void count_tried(void)
{
    struct timespec far = {INT32_MAX, 0};
    for (int i = 0; i < 20000; i++) {
        while (i % 2 && pthread_mutex_trylock(&shared->ordinary) != 0)
            sched_yield();
        if (i % 2 == 0)
            pthread_mutex_timedlock(&shared->ordinary, &far);
        counter++;
        pthread_mutex_unlock(&shared->ordinary);
    }
}

static void ordinary(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = start(i % 2 ? count_tried : count_ordinary);
    for (int i = 0; i < 4; i++)
        join(threads[i]);
    printf("counted %ld\n", counter);
    show("destroy", pthread_mutex_destroy(&shared->ordinary));
    counter = 0;
}

static void count_inheriting(void)
{
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(&shared->inheriting);
        counter++;
        pthread_mutex_unlock(&shared->inheriting);
    }
}

static void inheriting(void)
{
    pthread_t threads[4];
    mutex_make(&shared->inheriting, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_INHERIT);
    for (int i = 0; i < 4; i++)
        threads[i] = start(count_inheriting);
    for (int i = 0; i < 4; i++)
        join(threads[i]);
    printf("counted %ld\n", counter);
    show("lock", pthread_mutex_lock(&shared->inheriting));
    show("again", pthread_mutex_lock(&shared->inheriting));
    show("unlock", pthread_mutex_unlock(&shared->inheriting));
    show("not held", pthread_mutex_unlock(&shared->inheriting));
}

/* ---- cancellation ---- */

static void cleanup(void *mutex)
{
    show("held in the cleanup handler", pthread_mutex_trylock(mutex));
    show("unlock", pthread_mutex_unlock(mutex));
}

static void wait_forever(void)
{
    pthread_mutex_lock(&shared->plain);
    pthread_cleanup_push(cleanup, &shared->plain);
    shared->stage = 1;
    for (;;)
        pthread_cond_wait(&shared->condition, &shared->plain);
    pthread_cleanup_pop(0);
}

static void wait_long(void)
{
    struct timespec far = {INT32_MAX, 0};
    pthread_mutex_lock(&shared->plain);
    pthread_cleanup_push(cleanup, &shared->plain);
    shared->stage = 1;
    for (;;)
        pthread_cond_timedwait(&shared->condition, &shared->plain, &far);
    pthread_cleanup_pop(0);
}

static int locked_file;

static void file_forever(void)
{
    struct flock range = {.l_type = F_WRLCK};
    shared->stage = 1;
    fcntl(locked_file, F_SETLKW, &range);
}

static void lock_file(void)
{
    struct flock range = {.l_type = F_WRLCK};
    fcntl(locked_file, F_SETLK, &range);
    shared->stage = 1;
    pause();
}

static void semaphore_forever(void)
{
    shared->stage = 1;
    sem_wait(&shared->semaphore);
}

static void cancelled(void (*run)(void), const char *what)
{
    shared->stage = 0;
    pthread_t thread = start(run);
    stage_wait(1);
    usleep(20000);
    pthread_cancel(thread);
    printf("%s: %s\n", what, join(thread) == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
}

/* While another process has it. */
static void file_cancelled(void)
{
    char path[] = "/tmp/cprobe-locks.XXXXXX";
    locked_file = mkstemp(path);
    shared->stage = 0;
    pid_t holder = fork();
    if (holder == 0)
        lock_file();
    stage_wait(1);
    cancelled(file_forever, "F_SETLKW");
    kill(holder, SIGKILL);
    waitpid(holder, NULL, 0);
    unlink(path);
}

static void cancellations(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&shared->condition, &attributes);
    mutex_make(&shared->plain, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
    sem_init(&shared->semaphore, 1, 0);
    cancelled(wait_forever, "pthread_cond_wait");
    show("free", pthread_mutex_trylock(&shared->plain));
    pthread_mutex_unlock(&shared->plain);
    cancelled(wait_long, "pthread_cond_timedwait");
    show("free", pthread_mutex_trylock(&shared->plain));
    pthread_mutex_unlock(&shared->plain);
    file_cancelled();
    cancelled(semaphore_forever, "sem_wait");
    sem_post(&shared->semaphore);
    show("posted", sem_trywait(&shared->semaphore) ? errno : 0);
}

/* ---- fork ---- */

static void prepare(void)
{
    printf("prepare %d\n", atfork_calls++);
    show("lock", pthread_mutex_lock(&shared->plain));
}

static void parent(void)
{
    show("unlock in the parent", pthread_mutex_unlock(&shared->plain));
}

static void child(void)
{
    fflush(stdout);
    atfork_calls += 10;
}

static void order_prepare(void)
{
    printf("prepare, registered later: first\n");
}

static void order_parent(void)
{
    printf("parent, registered later: last\n");
}

static void child_works(void)
{
    static pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
    show("own", pthread_mutex_lock(&own));
    show("own", pthread_mutex_unlock(&own));
    printf("calls %d\n", atfork_calls);
    fflush(stdout);
}

static pthread_mutex_t private = PTHREAD_MUTEX_INITIALIZER;

static void child_unlocks(void)
{
    show("held over fork", pthread_mutex_unlock(&private));
    show("lock", pthread_mutex_lock(&private));
    show("unlock", pthread_mutex_unlock(&private));
}

static pthread_mutex_t others = PTHREAD_MUTEX_INITIALIZER;

static void hold_others(void)
{
    pthread_mutex_lock(&others);
    shared->stage = 1;
    stage_wait(2);
    pthread_mutex_unlock(&others);
}

/* A thread that does not exist here has it. */
static void child_tries(void)
{
    struct timespec past = {1, 0};
    show("trylock in the child", pthread_mutex_trylock(&others));
    show("timedlock in the child", pthread_mutex_timedlock(&others, &past));
    pthread_mutex_init(&others, NULL);
    show("made anew", pthread_mutex_lock(&others));
    show("unlock", pthread_mutex_unlock(&others));
}

static void killed_holding(void)
{
    pthread_mutex_lock(&shared->plain);
    raise(SIGKILL);
}

static void forks(void)
{
    struct timespec past = {1, 0}, bad = {0, -1};
    pthread_mutex_lock(&private);
    in_child(child_unlocks, "holding");
    show("unlock", pthread_mutex_unlock(&private));
    shared->stage = 0;
    pthread_t thread = start(hold_others);
    stage_wait(1);
    in_child(child_tries, "held by another thread");
    shared->stage = 2;
    join(thread);
    show("lock", pthread_mutex_lock(&others));
    show("unlock", pthread_mutex_unlock(&others));
    pthread_atfork(prepare, parent, child);
    pthread_atfork(order_prepare, order_parent, NULL);
    in_child(child_works, "atfork");
    mutex_make(&shared->plain, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
    in_child(killed_holding, "killed");
    show("held by a killed process", pthread_mutex_timedlock(&shared->plain, &past));
    show("bad time", pthread_mutex_timedlock(&shared->plain, &bad));
}

/* ---- files ---- */

static void files(void)
{
    char path[] = "/tmp/cprobe-locks.XXXXXX";
    int fd = mkstemp(path), other = open(path, O_RDWR);
    struct flock range = {.l_type = F_WRLCK, .l_len = 10}, question = range;
    show("flock", flock(fd, LOCK_EX) ? errno : 0);
    show("taken", flock(other, LOCK_EX | LOCK_NB) ? errno : 0);
    close(fd);
    show("closed", flock(other, LOCK_SH) ? errno : 0);
    show("unlock", flock(other, LOCK_UN) ? errno : 0);
    show("F_SETLKW", fcntl(other, F_SETLKW, &range) ? errno : 0);
    show("F_OFD_GETLK", fcntl(other, F_OFD_GETLK, &question) ? errno : 0);
    printf("type %d start %ld length %ld\n", question.l_type, (long)question.l_start, (long)question.l_len);
    range.l_type = F_UNLCK;
    show("F_UNLCK", fcntl(other, F_SETLK, &range) ? errno : 0);
    show("lockf", lockf(other, F_TLOCK, 0) ? errno : 0);
    show("ulock", lockf(other, F_ULOCK, 0) ? errno : 0);
    show("bad", fcntl(-1, F_SETLKW, &range) ? errno : 0);
    unlink(path);
}

int main(void)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    owners();
    owner_dies_in_wait();
    killed_owner();
    ordinary();
    inheriting();
    cancellations();
    files();
    forks();
    return 0;
}
