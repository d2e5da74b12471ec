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
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    pthread_mutex_t robust, inheriting, plain;
    pthread_cond_t condition;
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

static long counter;

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
    pthread_atfork(prepare, parent, child);
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
    inheriting();
    cancellations();
    files();
    forks();
    return 0;
}
