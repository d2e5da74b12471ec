/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks, semaphores and threads. Expected: see hook_case.h; a lock that can be had at once is not counted. */
#include "hook_case.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <semaphore.h>
#include <threads.h>

/* A thread that holds a lock until it is told to leave; it takes and leaves it by functions that are not hooked. */
struct holder {
    pthread_t thread;
    int (*take)(void *), (*leave)(void *);
    void *lock;
    atomic_int taken;
};

static void *holder_thread(void *argument)
{
    struct holder *h = argument;
    prctl(PR_SET_NAME, "holder");
    if (h->take(h->lock) != 0)
        abort();
    h->taken = 1;
    pause_ms(SHORT_MS);
    h->leave(h->lock);
    return NULL;
}

static void hold(struct holder *h, void *take, void *leave, void *lock)
{
    *h = (struct holder){.take = (int (*)(void *))take, .leave = (int (*)(void *))leave, .lock = lock};
    pthread_create(&h->thread, NULL, holder_thread, h);
    pthread_detach(h->thread);
    while (!h->taken)
        sched_yield();
}

static void mutex_of_type(pthread_mutex_t *mutex, int type, int robust)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, type);
    pthread_mutexattr_setrobust(&attributes, robust);
    pthread_mutex_init(mutex, &attributes);
}

static void *die_with_lock(void *mutex)
{
    prctl(PR_SET_NAME, "dying");
    pthread_mutex_trylock(mutex);
    return NULL;
}

static void owner_died(pthread_mutex_t *mutex)
{
    pthread_t thread;
    mutex_of_type(mutex, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST);
    pthread_create(&thread, NULL, die_with_lock, mutex);
    while (pthread_tryjoin_np(thread, NULL) != 0)
        sched_yield();
}

CASE(pthread_mutex_lock, "pthread_mutex_lock 2 1 10 lock")
{
    static struct holder h;
    static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER, checking, recursive, robust;
    show_error("free", pthread_mutex_lock(&plain));
    pthread_mutex_unlock(&plain);
    hold(&h, pthread_mutex_trylock, pthread_mutex_unlock, &plain);
    show_error("held by another", pthread_mutex_lock(&plain));
    mutex_of_type(&checking, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED);
    show_error("error checking", pthread_mutex_lock(&checking));
    show_error("error checking again", pthread_mutex_lock(&checking));
    mutex_of_type(&recursive, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED);
    show_error("recursive", pthread_mutex_lock(&recursive));
    show_error("recursive again", pthread_mutex_lock(&recursive));
    owner_died(&robust);
    show_error("robust", pthread_mutex_lock(&robust));
    pthread_mutex_unlock(&robust);
    show_error("not repaired", pthread_mutex_lock(&robust));
}

CASE(pthread_mutex_timedlock, "pthread_mutex_timedlock 3 2 20 lock")
{
    static struct holder h;
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct timespec until = after_ms(CLOCK_REALTIME, SHORT_MS), late = after_ms(CLOCK_REALTIME, 60000), bad = {0, -1};
    show_error("free", pthread_mutex_timedlock(&mutex, &until));
    show_error("held", pthread_mutex_timedlock(&mutex, &until));
    show_error("bad time", pthread_mutex_timedlock(&mutex, &bad));
    pthread_mutex_unlock(&mutex);
    hold(&h, pthread_mutex_trylock, pthread_mutex_unlock, &mutex);
    show_error("left in time", pthread_mutex_timedlock(&mutex, &late));
}

CASE(pthread_mutex_clocklock, "pthread_mutex_clocklock 1 1 10 lock")
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct timespec until = after_ms(CLOCK_MONOTONIC, SHORT_MS);
    show_error("free", pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &until));
    show_error("held", pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &until));
}

typedef int wait_function(void *condition, pthread_mutex_t *mutex);
typedef int timedwait_function(void *condition, pthread_mutex_t *mutex, const struct timespec *until);
static int (*signal_condition)(void *);

static void wake(void *condition)
{
    signal_condition(condition);
}

static void wait_condition(wait_function *wait, const char *version)
{
    static struct later l;
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t *condition = calloc(1, sizeof(*condition));
    signal_condition = (int (*)(void *))dlvsym(RTLD_DEFAULT, "pthread_cond_signal", version);
    pthread_mutex_trylock(&mutex);
    later_do(&l, wake, condition);
    show_error("wait", wait(condition, &mutex));
    show_error("the mutex is held", pthread_mutex_trylock(&mutex));
    pthread_mutex_unlock(&mutex);
}

static void timedwait_condition(timedwait_function *wait)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t *condition = calloc(1, sizeof(*condition));
    struct timespec until = after_ms(CLOCK_REALTIME, SHORT_MS), bad = {0, -1};
    pthread_mutex_trylock(&mutex);
    show_error("wait in vain", wait(condition, &mutex, &until));
    show_error("bad time", wait(condition, &mutex, &bad));
    pthread_mutex_unlock(&mutex);
}

CASE(pthread_cond_wait, "pthread_cond_wait 1 0 10 lock")
{
    wait_condition((wait_function *)pthread_cond_wait, "GLIBC_2.3.2");
}

CASE(pthread_cond_wait_old, "pthread_cond_wait 1 0 10 lock")
{
    wait_condition((wait_function *)dlvsym(RTLD_DEFAULT, "pthread_cond_wait", "GLIBC_2.2.5"), "GLIBC_2.2.5");
}

CASE(pthread_cond_timedwait, "pthread_cond_timedwait 2 2 10 lock")
{
    timedwait_condition((timedwait_function *)pthread_cond_timedwait);
}

CASE(pthread_cond_timedwait_old, "pthread_cond_timedwait 2 2 10 lock")
{
    timedwait_condition((timedwait_function *)dlvsym(RTLD_DEFAULT, "pthread_cond_timedwait", "GLIBC_2.2.5"));
}

CASE(pthread_cond_clockwait, "pthread_cond_clockwait 1 1 10 lock")
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    struct timespec until = after_ms(CLOCK_MONOTONIC, SHORT_MS);
    pthread_mutex_trylock(&mutex);
    show_error("wait in vain", pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &until));
}

CASE(pthread_rwlock_rdlock, "pthread_rwlock_rdlock 2 1 10 lock")
{
    static struct holder h;
    static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
    show_error("free", pthread_rwlock_rdlock(&lock));
    show_error("again", pthread_rwlock_rdlock(&lock));
    pthread_rwlock_unlock(&lock);
    pthread_rwlock_unlock(&lock);
    hold(&h, pthread_rwlock_trywrlock, pthread_rwlock_unlock, &lock);
    show_error("written by another", pthread_rwlock_rdlock(&lock));
    pthread_rwlock_unlock(&lock);
    pthread_rwlock_trywrlock(&lock);
    show_error("written by itself", pthread_rwlock_rdlock(&lock));
}

CASE(pthread_rwlock_wrlock, "pthread_rwlock_wrlock 2 1 10 lock")
{
    static struct holder h;
    static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
    show_error("free", pthread_rwlock_wrlock(&lock));
    show_error("written by itself", pthread_rwlock_wrlock(&lock));
    pthread_rwlock_unlock(&lock);
    hold(&h, pthread_rwlock_tryrdlock, pthread_rwlock_unlock, &lock);
    show_error("read by another", pthread_rwlock_wrlock(&lock));
}

#define RWLOCK_UNTIL(name, clock, ...)                                    \
    CASE(name, #name " 2 1 10 lock")                                      \
    {                                                                     \
        static struct holder h;                                           \
        static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;        \
        struct timespec until = after_ms(clock, 60000), past = {1, 0};    \
        hold(&h, pthread_rwlock_trywrlock, pthread_rwlock_unlock, &lock); \
        show_error("too late", name(&lock, ##__VA_ARGS__, &past));        \
        show_error("left in time", name(&lock, ##__VA_ARGS__, &until));   \
    }
RWLOCK_UNTIL(pthread_rwlock_timedrdlock, CLOCK_REALTIME)
RWLOCK_UNTIL(pthread_rwlock_timedwrlock, CLOCK_REALTIME)
RWLOCK_UNTIL(pthread_rwlock_clockrdlock, CLOCK_MONOTONIC, CLOCK_MONOTONIC)
RWLOCK_UNTIL(pthread_rwlock_clockwrlock, CLOCK_MONOTONIC, CLOCK_MONOTONIC)

CASE(pthread_barrier_wait, "pthread_barrier_wait 1 0 0 lock")
{
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 1);
    show("serial thread", pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD);
}

static void post(void *semaphore)
{
    sem_post(semaphore);
}

CASE(sem_wait, "sem_wait 2 1 20 lock")
{
    static struct later l, signals;
    static sem_t semaphore;
    sem_init(&semaphore, 0, 1);
    errno = 77;
    show("free", sem_wait(&semaphore));
    show("errno", errno);
    interrupt_begin(&signals, SIGUSR1);
    show("interrupted", sem_wait(&semaphore));
    interrupt_end(&signals);
    pause_ms(2 * SHORT_MS);
    later_do(&l, post, &semaphore);
    show("taken", sem_wait(&semaphore));
}

CASE(sem_timedwait, "sem_timedwait 1 1 10 lock")
{
    sem_t semaphore;
    struct timespec until = after_ms(CLOCK_REALTIME, SHORT_MS);
    sem_init(&semaphore, 0, 1);
    show("free", sem_timedwait(&semaphore, &until));
    show("taken", sem_timedwait(&semaphore, &until));
}

CASE(sem_clockwait, "sem_clockwait 1 1 10 lock")
{
    sem_t semaphore;
    struct timespec until = after_ms(CLOCK_MONOTONIC, SHORT_MS);
    sem_init(&semaphore, 0, 1);
    show("free", sem_clockwait(&semaphore, CLOCK_MONOTONIC, &until));
    show("taken", sem_clockwait(&semaphore, CLOCK_MONOTONIC, &until));
}

/* ---- never waited for ---- */

#define TRY_AND_LEAVE(type, initialiser, try, leave) \
    {                                                \
        static type lock = initialiser;              \
        show_error("free", try(&lock));              \
        show_error("taken", try(&lock));             \
        show_error("left", leave(&lock));            \
    }
CASE(pthread_mutex_trylock, "")
TRY_AND_LEAVE(pthread_mutex_t, PTHREAD_MUTEX_INITIALIZER, pthread_mutex_trylock, pthread_mutex_unlock)
CASE(pthread_rwlock_trywrlock, "")
TRY_AND_LEAVE(pthread_rwlock_t, PTHREAD_RWLOCK_INITIALIZER, pthread_rwlock_trywrlock, pthread_rwlock_unlock)
CASE(pthread_rwlock_tryrdlock, "")
TRY_AND_LEAVE(pthread_rwlock_t, PTHREAD_RWLOCK_INITIALIZER, pthread_rwlock_tryrdlock, pthread_rwlock_unlock)
CASE(pthread_spin_trylock, "")
TRY_AND_LEAVE(pthread_spinlock_t, 1, pthread_spin_trylock, pthread_spin_unlock)

CASE(pthread_mutex_unlock, "")
{
    static pthread_mutex_t checking, recursive;
    mutex_of_type(&checking, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED);
    show_error("not held", pthread_mutex_unlock(&checking));
    mutex_of_type(&recursive, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED);
    pthread_mutex_lock(&recursive);
    pthread_mutex_lock(&recursive);
    show_error("once", pthread_mutex_unlock(&recursive));
    show_error("twice", pthread_mutex_unlock(&recursive));
    show_error("once too often", pthread_mutex_unlock(&recursive));
}

CASE(pthread_mutex_init, "")
{
    pthread_mutex_t mutex;
    show_error("pthread_mutex_init", pthread_mutex_init(&mutex, NULL));
}

CASE(pthread_mutex_destroy, "")
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    show_error("held", pthread_mutex_destroy(&mutex));
    pthread_mutex_unlock(&mutex);
    show_error("free", pthread_mutex_destroy(&mutex));
}

CASE(pthread_rwlock_unlock, "")
{
    pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
    pthread_rwlock_rdlock(&lock);
    show_error("pthread_rwlock_unlock", pthread_rwlock_unlock(&lock));
}

CASE(pthread_rwlock_init, "")
{
    pthread_rwlock_t lock;
    show_error("pthread_rwlock_init", pthread_rwlock_init(&lock, NULL));
}

CASE(pthread_rwlock_destroy, "")
{
    pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
    show_error("pthread_rwlock_destroy", pthread_rwlock_destroy(&lock));
}

CASE(pthread_spin_lock, "pthread_spin_lock 1 0 10 lock")
{
    static struct holder h;
    static pthread_spinlock_t lock;
    pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE);
    show_error("free", pthread_spin_lock(&lock));
    pthread_spin_unlock(&lock);
    hold(&h, pthread_spin_trylock, pthread_spin_unlock, (void *)&lock);
    show_error("held by another", pthread_spin_lock(&lock));
}

CASE(pthread_spin_unlock, "")
{
    pthread_spinlock_t lock;
    pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE);
    show_error("pthread_spin_unlock", pthread_spin_unlock(&lock));
}

CASE(pthread_spin_init, "")
{
    pthread_spinlock_t lock;
    show_error("pthread_spin_init", pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE));
}

CASE(pthread_spin_destroy, "")
{
    pthread_spinlock_t lock;
    pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE);
    show_error("pthread_spin_destroy", pthread_spin_destroy(&lock));
}

CASE(pthread_cond_signal, "")
{
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    show_error("pthread_cond_signal", pthread_cond_signal(&condition));
}

CASE(pthread_cond_broadcast, "")
{
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    show_error("pthread_cond_broadcast", pthread_cond_broadcast(&condition));
}

CASE(pthread_cond_init, "")
{
    pthread_cond_t condition;
    show_error("pthread_cond_init", pthread_cond_init(&condition, NULL));
}

CASE(pthread_cond_signal_old, "")
{
    pthread_cond_t *condition = calloc(1, sizeof(*condition));
    int (*old)(void *) = (int (*)(void *))dlvsym(RTLD_DEFAULT, "pthread_cond_signal", "GLIBC_2.2.5");
    show_error("pthread_cond_signal", old(condition));
}

CASE(pthread_cond_destroy, "")
{
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    show_error("pthread_cond_destroy", pthread_cond_destroy(&condition));
}

CASE(pthread_barrier_init, "")
{
    pthread_barrier_t barrier;
    show_error("pthread_barrier_init", pthread_barrier_init(&barrier, NULL, 2));
    show_error("of nobody", pthread_barrier_init(&barrier, NULL, 0));
}

CASE(pthread_barrier_destroy, "")
{
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 2);
    show_error("pthread_barrier_destroy", pthread_barrier_destroy(&barrier));
}

CASE(sem_trywait, "")
{
    sem_t semaphore;
    sem_init(&semaphore, 0, 1);
    show("free", sem_trywait(&semaphore));
    show("taken", sem_trywait(&semaphore));
}

CASE(sem_post, "")
{
    sem_t semaphore;
    int value;
    sem_init(&semaphore, 0, 0);
    show("sem_post", sem_post(&semaphore));
    sem_getvalue(&semaphore, &value);
    show("value", value);
}

CASE(sem_init, "")
{
    sem_t semaphore;
    show("sem_init", sem_init(&semaphore, 0, 1));
    show("too much", sem_init(&semaphore, 0, 0xffffffffu));
}

CASE(sem_destroy, "")
{
    sem_t semaphore;
    sem_init(&semaphore, 0, 1);
    show("sem_destroy", sem_destroy(&semaphore));
}

CASE(sem_open, "sem_wait 1 0 10 lock")
{
    static struct later l;
    char name[40];
    snprintf(name, sizeof(name), "/cprobe-hooks-%d", (int)getpid());
    show("none", sem_open(name, 0) == SEM_FAILED ? -1 : 0);
    sem_t *semaphore = sem_open(name, O_CREAT | O_EXCL, 0600, 1u);
    show("sem_open", semaphore == SEM_FAILED ? -1 : 0);
    show("free", sem_wait(semaphore));
    later_do(&l, post, semaphore);
    show("taken", sem_wait(semaphore));
    sem_unlink(name);
}

CASE(sem_close, "")
{
    char name[40];
    snprintf(name, sizeof(name), "/cprobe-hooks-%d", (int)getpid());
    sem_t *semaphore = sem_open(name, O_CREAT | O_EXCL, 0600, 1u);
    sem_unlink(name);
    show("sem_close", sem_close(semaphore));
}

/* ---- C11 ---- */

CASE(mtx_lock, "mtx_lock 1 0 10 lock")
{
    static struct holder h;
    static mtx_t mutex;
    mtx_init(&mutex, mtx_plain);
    show("free", mtx_lock(&mutex));
    mtx_unlock(&mutex);
    hold(&h, mtx_trylock, mtx_unlock, &mutex);
    show("held by another", mtx_lock(&mutex));
}

CASE(mtx_trylock, "")
{
    mtx_t mutex;
    mtx_init(&mutex, mtx_plain);
    show("free", mtx_trylock(&mutex));
    show("taken", mtx_trylock(&mutex) == thrd_busy);
}

CASE(mtx_timedlock, "mtx_timedlock 1 1 10 lock")
{
    mtx_t mutex;
    struct timespec until = after_ms(CLOCK_REALTIME, SHORT_MS);
    mtx_init(&mutex, mtx_timed);
    show("free", mtx_timedlock(&mutex, &until));
    show("held", mtx_timedlock(&mutex, &until) == thrd_timedout);
}

CASE(mtx_unlock, "")
{
    mtx_t mutex;
    mtx_init(&mutex, mtx_plain | mtx_recursive);
    mtx_lock(&mutex);
    mtx_lock(&mutex);
    show("once", mtx_unlock(&mutex));
    show("twice", mtx_unlock(&mutex));
}

CASE(mtx_init, "")
{
    mtx_t mutex;
    show("mtx_init", mtx_init(&mutex, mtx_plain));
    show("bad type", mtx_init(&mutex, 77) == thrd_error);
}

CASE(mtx_destroy, "")
{
    mtx_t mutex;
    mtx_init(&mutex, mtx_plain);
    mtx_destroy(&mutex);
}

CASE(cnd_wait, "cnd_wait 1 0 10 lock")
{
    static struct later l;
    static cnd_t condition;
    mtx_t mutex;
    mtx_init(&mutex, mtx_plain);
    signal_condition = (int (*)(void *))cnd_signal;
    mtx_trylock(&mutex);
    later_do(&l, wake, &condition);
    show("wait", cnd_wait(&condition, &mutex));
}

CASE(cnd_init, "")
{
    cnd_t condition;
    show("cnd_init", cnd_init(&condition) == thrd_success);
}

CASE(cnd_signal, "")
{
    cnd_t condition;
    cnd_init(&condition);
    show("cnd_signal", cnd_signal(&condition) == thrd_success);
}

CASE(cnd_broadcast, "")
{
    cnd_t condition;
    cnd_init(&condition);
    show("cnd_broadcast", cnd_broadcast(&condition) == thrd_success);
}

CASE(cnd_timedwait, "cnd_timedwait 1 1 10 lock")
{
    cnd_t condition;
    mtx_t mutex;
    struct timespec until = after_ms(CLOCK_REALTIME, SHORT_MS);
    cnd_init(&condition);
    mtx_init(&mutex, mtx_plain);
    mtx_trylock(&mutex);
    show("wait in vain", cnd_timedwait(&condition, &mutex, &until) == thrd_timedout);
}

static void once_function(void)
{
    pause_ms(SHORT_MS);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static once_flag once_c11 = ONCE_FLAG_INIT;

static int once_take(void *unused)
{
    (void)unused;
    return 0;
}

static int once_run(void *unused)
{
    (void)unused;
    return pthread_once(&once, once_function);
}

static int once_c11_run(void *unused)
{
    (void)unused;
    call_once(&once_c11, once_function);
    return 0;
}

/* Another thread is at it: its function takes a while. */
static void once_elsewhere(int (*function)(void *), const int *word)
{
    static struct holder h[2];
    hold(&h[function == once_run], once_take, function, NULL);
    while (!*(const volatile int *)word)
        sched_yield();
}

CASE(pthread_once, "pthread_once 1 0 1 lock")
{
    once_elsewhere(once_run, &once);
    show_error("meanwhile", pthread_once(&once, once_function));
    show_error("done", pthread_once(&once, once_function));
}

CASE(call_once, "call_once 1 0 1 lock")
{
    once_elsewhere(once_c11_run, &once_c11.__data);
    call_once(&once_c11, once_function);
    call_once(&once_c11, once_function);
}

/* ---- threads ------------------------------------------------------------------------------------------------------
 */

static void *brief_thread(void *argument)
{
    prctl(PR_SET_NAME, "brief");
    pause_ms(SHORT_MS);
    return argument;
}

static pthread_t thread_new(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, brief_thread, (void *)7) != 0)
        abort();
    return thread;
}

CASE(pthread_create, "")
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, (size_t)1 << 46);
    show_error("pthread_create", pthread_create(&thread, NULL, brief_thread, NULL));
    pthread_detach(thread);
    show_error("without room", pthread_create(&thread, &attributes, brief_thread, NULL));
}

CASE(pthread_setname_np, "")
{
    char name[16];
    prctl(PR_GET_NAME, name);
    show_error("pthread_setname_np", pthread_setname_np(pthread_self(), name));
    show_error("too long", pthread_setname_np(pthread_self(), "a name of more than fifteen bytes"));
}

CASE(pthread_join, "pthread_join 2 1 10 none")
{
    void *result;
    show_error("pthread_join", pthread_join(thread_new(), &result));
    show("result", (long)result);
    show_error("itself", pthread_join(pthread_self(), NULL));
}

#define JOIN_UNTIL(name, clock, ...)                                       \
    CASE(name, #name " 2 1 10 none")                                       \
    {                                                                      \
        pthread_t thread = thread_new();                                   \
        struct timespec until = after_ms(clock, 60000), past = {1, 0};     \
        show_error("too early", name(thread, NULL, ##__VA_ARGS__, &past)); \
        show_error("in time", name(thread, NULL, ##__VA_ARGS__, &until));  \
    }
JOIN_UNTIL(pthread_timedjoin_np, CLOCK_REALTIME)
JOIN_UNTIL(pthread_clockjoin_np, CLOCK_MONOTONIC, CLOCK_MONOTONIC)
