/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/hook.h"

#include "capture/heap.h"
#include "capture/lock.h"
#include "capture/slots.h"
#include "capture/watcher.h"

#define STARTS 1024

/* What the new thread needs to know; from a fixed pool, since the host's malloc is not ours to call. */
struct start {
    uint32_t taken;
    void *(*function)(void *);
    void *argument;
    uintptr_t stack_size;
};
static struct start starts[STARTS];
static uint32_t next_start;

static struct start *start_take(void)
{
    for (int i = 0; i < 16; i++) {
        struct start *s = &starts[add_relaxed(&next_start, 1) % STARTS];
        if (!__atomic_exchange_n(&s->taken, 1, __ATOMIC_ACQUIRE))
            return s;
    }
    return NULL; /* the thread starts unannounced: thread_prepare guesses its bounds */
}

static void *start_thread(void *argument)
{
    struct start *pooled = argument;
    struct start s = *pooled;
    store_release(&pooled->taken, 0);
    thread_begin(s.stack_size);
    void *result = s.function(s.argument);
    if (unlikely(lockset_self.depth)) /* a thread that was never recorded has no destructor that would tell */
        lock_thread_ended();
    return result;
}

static uintptr_t stack_size(const pthread_attr_t *attributes)
{
    size_t size = 0;
    if (attributes && REAL(pthread_attr_getstacksize)(attributes, &size) == 0 && size)
        return size;
    return thread_default_stack();
}

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *),
                          void *argument)
{
    struct start *s = recorder_on() ? start_take() : NULL;
    lockset_first_thread();
    heap_threads_begin();
    life_told();
    if (!s)
        return REAL(pthread_create)(thread, attributes, function, argument);
    s->function = function;
    s->argument = argument;
    s->stack_size = stack_size(attributes);
    int error = REAL(pthread_create)(thread, attributes, start_thread, s);
    if (error)
        store_release(&s->taken, 0);
    else
        watcher_news();
    return error;
}

EXPORT int pthread_setname_np(pthread_t thread, const char *name)
{
    int error = REAL(pthread_setname_np)(thread, name);
    struct thread *t = &thread_self;
    uintptr_t self;
    __asm__("mov %%fs:0, %0" : "=r"(self));
    if (error == 0 && recorder_on() && t->slot && (uintptr_t)thread == self) {
        size_t length = strnlen(name, sizeof(t->slot->data->name) - 1);
        memcpy(t->slot->data->name, name, length);
        t->slot->data->name[length] = '\0';
    }
    return error; /* another thread's name is read when that thread ends */
}

EXPORT int pthread_join(pthread_t thread, void **result)
{
    return TIMED_ERROR(pthread_join, REAL(pthread_join)(thread, result));
}

EXPORT int pthread_timedjoin_np(pthread_t thread, void **result, const struct timespec *until)
{
    return TIMED_ERROR(pthread_timedjoin_np, REAL(pthread_timedjoin_np)(thread, result, until));
}

EXPORT int pthread_clockjoin_np(pthread_t thread, void **result, clockid_t clock, const struct timespec *until)
{
    return TIMED_ERROR(pthread_clockjoin_np, REAL(pthread_clockjoin_np)(thread, result, clock, until));
}
