/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * locks_processes hang|inversion|ordered|gated files|mutexes DIRECTORY: two processes that lock two files below
 * DIRECTORY, or two mutexes in memory that they share.
 *
 * hang: each has locked one and waits for the other's; "hanging" is printed when both are about to wait. inversion:
 * they take turns, in conflicting order. ordered: they take turns, in the same order. gated: in conflicting order, but
 * with a third one locked.
 *
 * Expected: hang, a deadlock of both processes; inversion, lock-order-inversion; ordered and gated, nothing.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *mode;
static int with_files, files[3];
static struct shared {
    int arrived;
    pthread_mutex_t mutexes[3];
} * shared;

static int file_open(const char *directory, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return open(path, O_RDWR | O_CREAT, 0600);
}

static void meet(void)
{
    if (strcmp(mode, "hang") != 0)
        return;
    if (__atomic_add_fetch(&shared->arrived, 1, __ATOMIC_ACQ_REL) == 2) {
        puts("hanging");
        fflush(stdout);
    }
    while (__atomic_load_n(&shared->arrived, __ATOMIC_ACQUIRE) < 2)
        usleep(1000);
}

static inline __attribute__((always_inline)) void lock(int i)
{
    with_files ? flock(files[i], LOCK_EX) : pthread_mutex_lock(&shared->mutexes[i]);
}

static inline __attribute__((always_inline)) void unlock(int i)
{
    with_files ? flock(files[i], LOCK_UN) : pthread_mutex_unlock(&shared->mutexes[i]);
}

static __attribute__((noinline)) void transfer(int from, int to)
{
    lock(from);
    meet();
    lock(to);
    unlock(to);
    unlock(from);
}

static void work(const char *directory, int number)
{
    int second = number == 1 && strcmp(mode, "ordered") != 0;
    files[0] = file_open(directory, "accounts");
    files[1] = file_open(directory, "orders");
    files[2] = file_open(directory, "gate");
    if (strcmp(mode, "gated") == 0)
        lock(2);
    transfer(second, !second);
    if (strcmp(mode, "gated") == 0)
        unlock(2);
}

static void mutexes_make(void)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    for (int i = 0; i < 3; i++)
        pthread_mutex_init(&shared->mutexes[i], &attributes);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    mode = argv[1];
    with_files = strcmp(argv[2], "files") == 0;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    mutexes_make();
    pid_t child = fork();
    if (child == 0) {
        work(argv[3], 0);
        return 0;
    }
    if (strcmp(mode, "hang") != 0)
        waitpid(child, NULL, 0);
    work(argv[3], 1);
    waitpid(child, NULL, 0);
    return 0;
}
