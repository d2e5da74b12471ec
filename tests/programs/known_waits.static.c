/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * known_waits: waits of known number and length, by direct system calls of a static program, which no preloaded library
 * sees. It begins when a byte comes on standard input. Expected, for each thread (the counts are prime numbers, so that
 * none can be mistaken for another):
 *
 *     sleeper  37 times clock_nanosleep, 11 ms each, woken by a timer
 *     reader   41 times read of an empty pipe, about 7 ms each, woken by the writer
 *     locker   31 times futex, about 13 ms each, woken by the holder
 *
 * Prints one line of JSON: for each thread its id, its waker's id, how many waits, how long each of them is at least,
 * and their wall time as measured here.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000L

struct waiter {
    const char *name, *call;
    long number; /* of the call */
    long count, wait_ns;
    long tid, waker_tid;
    uint64_t wall_ns;
};

static struct waiter sleeper = {
    .name = "sleeper", .call = "clock_nanosleep", .number = SYS_clock_nanosleep, .count = 37, .wait_ns = 11 * MS};
static struct waiter reader = {.name = "reader", .call = "read", .number = SYS_read, .count = 41, .wait_ns = 7 * MS};
static struct waiter locker = {.name = "locker", .call = "futex", .number = SYS_futex, .count = 31, .wait_ns = 13 * MS};
static int channel[2];
static uint32_t turns; /* of the lock: the holder counts up */

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void pause_for(long ns)
{
    struct timespec time = {0, ns};
    syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &time, NULL);
}

/* Whether it sleeps in its call: "running", or the call's number (proc(5), syscall). */
static bool is_waiting(const struct waiter *w)
{
    char path[64], text[16] = "";
    long tid = __atomic_load_n(&w->tid, __ATOMIC_SEQ_CST);
    snprintf(path, sizeof(path), "/proc/self/task/%ld/syscall", tid);
    int fd = tid ? open(path, O_RDONLY) : -1;
    bool is = fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && text[0] >= '0' && text[0] <= '9' &&
              strtol(text, NULL, 10) == w->number;
    if (fd >= 0)
        close(fd);
    return is;
}

/* What the thread that ends its waits does in front of each: one that is late, on a busy machine, waits as long. */
static void pause_before(const struct waiter *w)
{
    while (!is_waiting(w))
        pause_for(MS / 2);
    pause_for(w->wait_ns);
}

static void waiter_begin(struct waiter *w)
{
    __atomic_store_n(&w->tid, syscall(SYS_gettid), __ATOMIC_SEQ_CST);
    pthread_setname_np(pthread_self(), w->name);
}

static void *sleep_run(void *arg)
{
    waiter_begin(&sleeper);
    for (long i = 0; i < sleeper.count; i++) {
        uint64_t begin = now_ns();
        pause_for(sleeper.wait_ns);
        sleeper.wall_ns += now_ns() - begin;
    }
    return arg;
}

static void *read_run(void *arg)
{
    char byte;
    waiter_begin(&reader);
    for (long i = 0; i < reader.count; i++) {
        uint64_t begin = now_ns();
        if (syscall(SYS_read, channel[0], &byte, 1) != 1)
            break;
        reader.wall_ns += now_ns() - begin;
    }
    return arg;
}

static void *write_run(void *arg)
{
    reader.waker_tid = syscall(SYS_gettid);
    for (long i = 0; i < reader.count; i++) {
        pause_before(&reader);
        if (syscall(SYS_write, channel[1], "x", 1) != 1)
            break;
    }
    return arg;
}

static void *lock_run(void *arg)
{
    waiter_begin(&locker);
    for (uint32_t i = 0; i < (uint32_t)locker.count; i++) {
        uint64_t begin = now_ns();
        syscall(SYS_futex, &turns, FUTEX_WAIT_PRIVATE, i, NULL, NULL, 0);
        locker.wall_ns += now_ns() - begin;
    }
    return arg;
}

static void *hold_run(void *arg)
{
    locker.waker_tid = syscall(SYS_gettid);
    for (long i = 0; i < locker.count; i++) {
        pause_before(&locker);
        __atomic_add_fetch(&turns, 1, __ATOMIC_SEQ_CST);
        syscall(SYS_futex, &turns, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
    return arg;
}

int main(void)
{
    void *(*const runs[])(void *) = {sleep_run, read_run, write_run, lock_run, hold_run};
    const struct waiter *waiters[] = {&sleeper, &reader, &locker};
    pthread_t threads[5];
    char byte;

    if (pipe(channel) != 0 || read(0, &byte, 1) != 1)
        return 1;
    for (int i = 0; i < 5; i++)
        if (pthread_create(&threads[i], NULL, runs[i], NULL) != 0)
            return 1;
    for (int i = 0; i < 5; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 3; i++)
        printf(
            "%s\"%s\": {\"call\": \"%s\", \"tid\": %ld, \"waker\": %ld, \"count\": %ld, \"wait_ns\": %ld, \"wall_ns\": "
            "%" PRIu64 "}%s",
            i == 0 ? "{" : ", ", waiters[i]->name, waiters[i]->call, waiters[i]->tid, waiters[i]->waker_tid,
            waiters[i]->count, waiters[i]->wait_ns, waiters[i]->wall_ns, i == 2 ? "}\n" : "");
    return 0;
}
