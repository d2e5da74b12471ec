/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watched_process WHAT: what a program may do with signals, descriptors and processes while its memory is watched. Two
 * threads race in one block from shared_pool_new all the time (unlocked-mutation is expected). Prints "ok" and ends
 * with status 0 where all is as it would be without cprobe.
 *
 *   handler      its own SIGTRAP handler sees int3 and raise(), not the watching; sigaction() shows it
 *   default      a child that executes int3 is killed by SIGTRAP
 *   sigwait      a thread that blocks all signals writes to the block and waits for any signal: only the one sent
 * arrives descriptors  no descriptor below 1024 appears; closing all of them harms nobody exit-main    main ends by
 * pthread_exit: the process ends with the last thread fork         children race and watch on their own exec the next
 * program is recorded from its start
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long *shared;
static volatile int stop;
static volatile sig_atomic_t trapped;
static volatile sig_atomic_t wrong;

__attribute__((noinline)) static long *shared_pool_new(void)
{
    return calloc(8, sizeof(long));
}

static void pause_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&time, &time) != 0)
        ;
}

static void *race(void *unused)
{
    (void)unused;
    while (!stop) {
        shared[1]++;
        shared[2]++;
        usleep(200);
    }
    return NULL;
}

static void race_begin(pthread_t *threads, int count)
{
    shared = shared_pool_new();
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, race, NULL);
}

static void race_end(pthread_t *threads, int count)
{
    stop = 1;
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static int fail(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    return 1;
}

static void on_trap(int signal, siginfo_t *info, void *context)
{
    (void)context;
    if (signal == SIGTRAP && info->si_code != 6)
        trapped++;
    else
        wrong++;
}

static int with_handler(void)
{
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO}, seen;
    pthread_t threads[2];
    sigaction(SIGTRAP, &action, NULL);
    race_begin(threads, 2);
    for (int i = 0; i < 200; i++) {
        pause_ms(10);
        __asm__ volatile("int3");
    }
    raise(SIGTRAP);
    if (trapped != 201 || wrong)
        return fail("handler");
    if (sigaction(SIGTRAP, NULL, &seen) != 0 || seen.sa_sigaction != on_trap)
        return fail("sigaction");
    if (signal(SIGTRAP, SIG_IGN) != (void (*)(int))(void *)on_trap)
        return fail("signal");
    raise(SIGTRAP);
    if (trapped != 201)
        return fail("ignored");
    race_end(threads, 2);
    return 0;
}

static int with_default(void)
{
    pthread_t threads[2];
    int status;
    race_begin(threads, 2);
    pause_ms(1000);
    pid_t child = fork();
    if (child == 0) {
        __asm__ volatile("int3");
        _exit(0);
    }
    if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status) || WTERMSIG(status) != SIGTRAP)
        return fail("default");
    race_end(threads, 2);
    return 0;
}

static void *wait_for_any(void *unused)
{
    sigset_t all;
    int got;
    (void)unused;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    for (int i = 0; i < 2000; i++) {
        shared[1]++;
        usleep(1000);
    }
    if (sigwait(&all, &got) != 0 || got != SIGUSR1)
        wrong = got;
    return NULL;
}

static int with_sigwait(void)
{
    pthread_t threads[2], waiter;
    race_begin(threads, 2);
    pthread_create(&waiter, NULL, wait_for_any, NULL);
    pause_ms(3500);
    pthread_kill(waiter, SIGUSR1);
    pthread_join(waiter, NULL);
    race_end(threads, 2);
    return wrong ? fail("sigwait") : 0;
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 3; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

static int with_descriptors(void)
{
    pthread_t threads[2];
    int before = open_descriptors();
    race_begin(threads, 2);
    for (int i = 0; i < 20; i++) {
        pause_ms(100);
        if (open_descriptors() != before)
            return fail("descriptors");
        for (int fd = 3; fd < 1024; fd++)
            close(fd);
        before = 0;
    }
    race_end(threads, 2);
    return 0;
}

static void *ends_later(void *unused)
{
    (void)unused;
    pause_ms(2000);
    stop = 1;
    printf("ok\n");
    fflush(stdout);
    return NULL;
}

static int with_exit_main(void)
{
    pthread_t threads[2], last;
    race_begin(threads, 2);
    pthread_create(&last, NULL, ends_later, NULL);
    pthread_exit(NULL);
}

static int with_fork(void)
{
    pthread_t threads[2];
    int status;
    race_begin(threads, 2);
    pause_ms(1000);
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        if (child == 0) {
            race_begin(threads, 2);
            pause_ms(2000);
            race_end(threads, 2);
            exit(0);
        }
        if (waitpid(child, &status, 0) != child || status != 0)
            return fail("child");
    }
    race_end(threads, 2);
    return 0;
}

static int with_exec(const char *self)
{
    pthread_t threads[2];
    race_begin(threads, 2);
    pause_ms(1000);
    execl(self, self, "descriptors", (char *)NULL);
    return fail("exec");
}

int main(int count, char **arguments)
{
    const char *what = count > 1 ? arguments[1] : "";
    int status = strcmp(what, "handler") == 0       ? with_handler()
                 : strcmp(what, "default") == 0     ? with_default()
                 : strcmp(what, "sigwait") == 0     ? with_sigwait()
                 : strcmp(what, "descriptors") == 0 ? with_descriptors()
                 : strcmp(what, "exit-main") == 0   ? with_exit_main()
                 : strcmp(what, "fork") == 0        ? with_fork()
                 : strcmp(what, "exec") == 0        ? with_exec(arguments[0])
                                                    : 2;
    if (status == 0)
        printf("ok\n");
    return status;
}
