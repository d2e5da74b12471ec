/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cancels a thread in each of the calls that wait. Expected: every thread ends as cancelled, its clean-up handler has
 * run, and the thread that waits after it (named "after") is recorded: usleep once for each call of the list.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int pipe_fds[2], pair_fds[2], listener, epoll, lock_file, full;
static struct sockaddr_in full_address;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;
static pid_t child;
static atomic_int cleaned;

static void wait_recv(void)
{
    char c;
    recv(pair_fds[0], &c, 1, 0);
}

static void wait_recvmsg(void)
{
    char c;
    struct iovec part = {&c, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    recvmsg(pair_fds[0], &message, 0);
}

static void wait_read(void)
{
    char c;
    if (read(pipe_fds[0], &c, 1) != 1)
        abort();
}

static void wait_write(void)
{
    static char block[1 << 20];
    while (write(pipe_fds[1], block, sizeof(block)) > 0)
        ;
}

static void wait_poll(void)
{
    struct pollfd fd = {.fd = pair_fds[0], .events = POLLIN};
    poll(&fd, 1, -1);
}

static void wait_select(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pair_fds[0], &set);
    select(pair_fds[0] + 1, &set, NULL, NULL, NULL);
}

static void wait_epoll(void)
{
    struct epoll_event event;
    epoll_wait(epoll, &event, 1, -1);
}

static void wait_accept(void)
{
    accept(listener, NULL, NULL);
}

static void wait_connect(void)
{
    connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&full_address, sizeof(full_address));
}

static void wait_nanosleep(void)
{
    struct timespec hour = {3600, 0};
    nanosleep(&hour, NULL);
}

static void wait_sem(void)
{
    sem_wait(&semaphore);
}

static void unlock(void *m)
{
    pthread_mutex_unlock(m);
}

static void wait_condition(void)
{
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(unlock, &mutex);
    pthread_cond_wait(&condition, &mutex);
    pthread_cleanup_pop(1);
}

static void wait_child(void)
{
    waitpid(child, NULL, 0);
}

static void wait_file_lock(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    fcntl(lock_file, F_SETLKW, &lock);
}

static const struct {
    const char *name;
    void (*run)(void);
} calls[] = {
    {"recv", wait_recv},
    {"recvmsg", wait_recvmsg},
    {"read", wait_read},
    {"poll", wait_poll},
    {"select", wait_select},
    {"epoll_wait", wait_epoll},
    {"accept", wait_accept},
    {"connect", wait_connect},
    {"nanosleep", wait_nanosleep},
    {"sem_wait", wait_sem},
    {"pthread_cond_wait", wait_condition},
    {"waitpid", wait_child},
    {"fcntl F_SETLKW", wait_file_lock},
    {"write", wait_write},
};

/* A listening socket whose queue is full: one more connect waits. */
static void fill_listener(void)
{
    socklen_t length = sizeof(full_address);
    full = socket(AF_INET, SOCK_STREAM, 0);
    full_address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(full, (struct sockaddr *)&full_address, length) || listen(full, 0) ||
        getsockname(full, (struct sockaddr *)&full_address, &length))
        abort();
    for (int i = 0; i < 4; i++)
        connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), (struct sockaddr *)&full_address, length);
}

static void prepare(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (pipe(pipe_fds) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair_fds))
        abort();
    listener = socket(AF_INET, SOCK_STREAM, 0);
    listen(listener, 1);
    epoll = epoll_create1(0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, pair_fds[0], &event);
    sem_init(&semaphore, 0, 0);
    fill_listener();
    lock_file = (int)syscall(SYS_memfd_create, "lock", 0);
    int ready[2];
    char c;
    if (pipe(ready))
        abort();
    child = (pid_t)syscall(SYS_fork);
    if (child == 0) { /* has the file's lock and does not end */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        syscall(SYS_fcntl, lock_file, F_SETLK, &lock);
        syscall(SYS_write, ready[1], "x", 1);
        for (;;)
            syscall(SYS_pause);
    }
    syscall(SYS_read, ready[0], &c, 1);
}

static void clean(void *unused)
{
    (void)unused;
    cleaned++;
}

static void *blocked(void *argument)
{
    int i = (int)(long)argument;
    pthread_cleanup_push(clean, NULL);
    calls[i].run();
    pthread_cleanup_pop(0);
    return NULL;
}

static void *after(void *argument)
{
    prctl(PR_SET_NAME, "after");
    usleep(1000);
    return argument;
}

int main(void)
{
    prepare();
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        pthread_t thread;
        void *result = NULL;
        int before = cleaned;
        pthread_create(&thread, NULL, blocked, (void *)(long)i);
        syscall(SYS_nanosleep, &(struct timespec){0, 20000000}, NULL);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        printf("%s: %s, %d handler\n", calls[i].name, result == PTHREAD_CANCELED ? "cancelled" : "not cancelled",
               cleaned - before);
        pthread_create(&thread, NULL, after, NULL);
        pthread_join(thread, NULL);
    }
    syscall(SYS_kill, child, SIGKILL);
    return 0;
}
