/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two processes, the second one started by exec, that wait for each other's locks: a mutex and a semaphore in a mapped
 * file, at different addresses, then the file itself, locked with fcntl and with flock; and a mutex of one of them
 * only. argument: a file to be made. Prints the process ids, first the one that waits for the file, then its holder.
 *
 * Expected: both know the two shared locks by the same device, inode and offset, and no others; the waits for the file
 * name the process that held it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define HOLD_MS 30

struct both {
    atomic_int stage;
    pthread_mutex_t mutex;
    sem_t semaphore;
};
static struct both *both;
static pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){0, ms * 1000000}, NULL);
}

/* Until the other process is inside the system call, and a while longer. */
static void hold_against(long call)
{
    char path[64], text[32] = "", wanted[32];
    snprintf(path, sizeof(path), "/proc/%d/syscall", getppid());
    snprintf(wanted, sizeof(wanted), "%ld ", call);
    for (int tries = 0; tries < 10000 && strncmp(text, wanted, strlen(wanted)) != 0; tries++) {
        FILE *file = fopen(path, "re");
        if (!file || !fgets(text, sizeof(text), file))
            text[0] = '\0';
        if (file)
            fclose(file);
        pause_ms(1);
    }
    pause_ms(HOLD_MS);
}

static void stage_wait(int stage)
{
    while (both->stage < stage)
        sched_yield();
}

static void hold(int stage)
{
    pthread_mutex_lock(&both->mutex);
    sem_wait(&both->semaphore);
    both->stage = stage;
    pause_ms(HOLD_MS);
    pthread_mutex_unlock(&both->mutex);
    pause_ms(HOLD_MS);
    sem_post(&both->semaphore);
}

static void want(int stage)
{
    stage_wait(stage);
    pthread_mutex_lock(&both->mutex);
    sem_wait(&both->semaphore);
    sem_post(&both->semaphore);
    pthread_mutex_unlock(&both->mutex);
}

static void *own_wait(void *unused)
{
    pthread_mutex_lock(&own);
    pthread_mutex_unlock(&own);
    return unused;
}

static void second(int fd)
{
    struct flock range = {.l_type = F_WRLCK, .l_len = 10};
    hold(1);
    want(2);
    fcntl(fd, F_SETLKW, &range);
    both->stage = 3;
    hold_against(SYS_fcntl);
    range.l_type = F_UNLCK;
    fcntl(fd, F_SETLK, &range);
    flock(fd, LOCK_EX);
    both->stage = 4;
    hold_against(SYS_flock);
    flock(fd, LOCK_UN);
}

static void first(int fd)
{
    struct flock range = {.l_type = F_WRLCK, .l_start = 5};
    pthread_t thread;
    want(1);
    hold(2);
    stage_wait(3);
    fcntl(fd, F_SETLKW, &range);
    stage_wait(4);
    flock(fd, LOCK_EX);
    pthread_mutex_lock(&own);
    pthread_create(&thread, NULL, own_wait, NULL);
    pause_ms(HOLD_MS);
    pthread_mutex_unlock(&own);
    pthread_join(thread, NULL);
}

static void locks_make(void)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&both->mutex, &attributes);
    sem_init(&both->semaphore, 1, 1);
}

int main(int argc, char **argv)
{
    int again = argc > 2, fd = argc > 1 ? open(argv[1], O_RDWR | O_CREAT, 0600) : -1;
    if (fd < 0 || (!again && ftruncate(fd, 3 * PAGE) != 0))
        return 2;
    char *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, again ? PAGE : 0);
    if (memory == MAP_FAILED)
        return 2;
    both = (void *)(memory + (again ? 0 : PAGE) + 128);
    if (again) {
        second(fd);
        return 0;
    }
    locks_make();
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", argv[0], argv[1], "again", (char *)NULL);
        _exit(127);
    }
    first(fd);
    waitpid(child, NULL, 0);
    printf("%d %d\n", getpid(), child);
    return 0;
}
