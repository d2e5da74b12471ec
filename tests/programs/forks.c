/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * forks tree|load|raw|vfork|daemon FILE: processes that come from processes. Expected of the traces, one a process:
 *   tree    parent: usleep 3, children (fork, _Fork): usleep 2, finished
 *   load    200 children of a process with busy threads: usleep 1 each, finished
 *   raw     a child made by system call: usleep 2 in its own trace; another that makes system calls only: no trace
 *   vfork   500 children that close and replace descriptors: the parent's are known as before; a non-blocking read is
 *           not counted, a blocking one from the accepted connection is, on the server's side
 *   daemon  goes to the background the old way and closes everything: usleep 4 there; FILE becomes its descriptor 2 and
 *           stays empty
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void sleep_times(int times)
{
    for (int i = 0; i < times; i++)
        usleep(1000);
}

static void wait_for(pid_t child, int expected)
{
    int status = -1;
    if (waitpid(child, &status, 0) != child || status != expected << 8)
        exit(10);
}

static int tree(void)
{
    pid_t (*const makers[])(void) = {fork, _Fork};
    sleep_times(1);
    for (int i = 0; i < 2; i++) {
        pid_t child = makers[i]();
        if (child == 0) {
            sleep_times(2);
            _exit(i);
        }
        wait_for(child, i);
        sleep_times(1);
    }
    return 0;
}

static atomic_int stop;

static void *busy(void *argument)
{
    int fds[2];
    char c;
    if (pipe(fds) != 0)
        abort();
    while (!stop) {
        if (write(fds[1], "x", 1) != 1 || read(fds[0], &c, 1) != 1)
            abort();
        usleep(20);
    }
    return argument;
}

static int load(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, busy, NULL);
    for (int i = 0; i < 200; i++) {
        pid_t child = fork();
        if (child == 0) {
            sleep_times(1);
            _exit(0);
        }
        wait_for(child, 0);
    }
    stop = 1;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

static int raw(void)
{
    sleep_times(1);
    pid_t child = (pid_t)syscall(SYS_fork);
    if (child == 0) {
        sleep_times(2);
        _exit(0);
    }
    wait_for(child, 0);
    child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0)
        syscall(SYS_exit_group, 0);
    wait_for(child, 0);
    sleep_times(1);
    return 0;
}

/* A connection to itself: returns the accepted end, *other the connecting one. */
static int connection(int *other)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    *other = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&address, &length) ||
        connect(*other, (struct sockaddr *)&address, length))
        abort();
    return accept(listener, NULL, NULL);
}

static int vforks(void)
{
    int quick[2], client, server = connection(&client);
    char c;
    char *arguments[] = {"true", NULL};
    if (pipe2(quick, O_NONBLOCK) != 0)
        return 1;
    for (int i = 0; i < 500; i++) {
        pid_t child = vfork();
        if (child == 0) {
            dup2(server, quick[0]);
            fcntl(server, F_SETFL, fcntl(server, F_GETFL));
            close(server);
            close(client);
            closefrom(3);
            if (i % 50 == 0)
                execv("/bin/true", arguments);
            _exit(0);
        }
        wait_for(child, 0);
    }
    if (read(quick[0], &c, 1) != -1 || errno != EAGAIN)
        return 2;
    return send(client, "x", 1, 0) == 1 && recv(server, &c, 1, 0) == 1 ? 0 : 3;
}

static void close_everything(const char *error_file)
{
    for (int fd = 0; fd < 1024; fd++)
        close(fd);
    close_range(3, ~0U, 0);
    closefrom(0);
    open("/dev/null", O_RDWR);
    open("/dev/null", O_RDWR);
    if (open(error_file, O_RDWR | O_CREAT | O_TRUNC, 0600) != 2)
        _exit(4);
}

static int daemonize(const char *error_file)
{
    pid_t child = fork();
    if (child != 0) {
        wait_for(child, 0);
        return 0;
    }
    setsid();
    if (fork() != 0)
        _exit(0);
    prctl(PR_SET_NAME, "daemon");
    umask(0);
    if (chdir("/") != 0)
        _exit(5);
    close_everything(error_file);
    sleep_times(4);
    exit(0);
}

int main(int count, char **arguments)
{
    const char *mode = count > 1 ? arguments[1] : "";
    if (strcmp(mode, "tree") == 0)
        return tree();
    if (strcmp(mode, "load") == 0)
        return load();
    if (strcmp(mode, "raw") == 0)
        return raw();
    if (strcmp(mode, "vfork") == 0)
        return vforks();
    return count > 2 ? daemonize(arguments[2]) : 2;
}
