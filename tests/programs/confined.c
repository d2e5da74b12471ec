/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confined waits|strict|filter|filter-syscall|chroot|fill: a program whose surroundings do not let the recorder work.
 * It prints "done" and ends with status 0 whatever the recorder can do. Expected of the trace, where there is one:
 *   waits    usleep 5
 *   strict   usleep 2, then seccomp's strict mode: disabled, and nothing but read, write and exit is called
 *   filter   usleep 2, then a filter that kills the process for anything but these, clock_nanosleep and exit_group
 *   chroot   usleep 2, then another root directory: 5 children that cannot have traces
 *   fill     4 threads wait with ever new stacks and endpoints for 2 s
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int pair[2];

static void sleep_times(int times)
{
    for (int i = 0; i < times; i++)
        usleep(1000);
}

/* Only calls that the sandbox allows; the descriptors are known before. */
static void work_confined(int sleeps)
{
    char c;
    for (int i = 0; i < 100; i++)
        if (write(pair[0], "x", 1) != 1 || read(pair[1], &c, 1) != 1)
            syscall(SYS_exit, 3);
    sleep_times(sleeps);
    if (write(STDOUT_FILENO, "done\n", 5) != 5)
        syscall(SYS_exit, 4);
}

static void strict(void)
{
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
        exit(5);
    work_confined(0);
    syscall(SYS_exit, 0);
}

#define ALLOW(number) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void filter(int by_syscall)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(read),
        ALLOW(write),
        ALLOW(clock_nanosleep),
        ALLOW(exit_group),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    long result = by_syscall ? syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)
                             : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    if (result != 0)
        exit(6);
    work_confined(3);
}

static void change_root(void)
{
    if (mkdir("empty-root", 0700) != 0 || chroot("empty-root") != 0 || chdir("/") != 0)
        exit(7);
    for (int i = 0; i < 5; i++) {
        pid_t child = fork();
        if (child == 0) {
            sleep_times(2);
            _exit(0);
        }
        waitpid(child, NULL, 0);
    }
}

__attribute__((noinline)) static void wait_below(unsigned path, int depth)
{
    volatile unsigned kept = path;
    if (depth == 0)
        usleep(100);
    else if (path & 1)
        wait_below(path >> 1, depth - 1);
    else
        wait_below(kept >> 1, depth - 1); /* another return address */
    __asm__ volatile("" ::"r"(kept));
}

static void *fill(void *unused)
{
    struct timespec begin, now;
    unsigned path = 0;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        snprintf(address.sun_path, sizeof(address.sun_path), "/nonexistent/%u/%080u", path, path);
        connect(fd, (struct sockaddr *)&address, sizeof(address));
        close(fd);
        wait_below(path++, 20);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - begin.tv_sec < 2);
    return unused;
}

static void fill_by_threads(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, fill, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

int main(int count, char **arguments)
{
    const char *mode = count > 1 ? arguments[1] : "";
    char c;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || write(pair[0], "x", 1) != 1 || read(pair[1], &c, 1) != 1 ||
        write(STDOUT_FILENO, "", 0) != 0)
        return 2;
    sleep_times(2);
    if (strcmp(mode, "strict") == 0)
        strict();
    else if (strncmp(mode, "filter", 6) == 0)
        filter(mode[6] != '\0');
    else if (strcmp(mode, "chroot") == 0)
        change_root();
    else if (strcmp(mode, "fill") == 0)
        fill_by_threads();
    else
        sleep_times(3);
    if (strncmp(mode, "filter", 6) == 0)
        return 0;
    puts("done");
    return 0;
}
