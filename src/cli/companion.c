/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/companion.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/message.h"
#include "kernel/support.h"

#define POLL_MS 50

static int number_send(int connection, int number)
{
    return send(connection, &number, sizeof(number), MSG_NOSIGNAL) == (ssize_t)sizeof(number) ? 0 : -EPIPE;
}

/* 1: a number; 0: the other end is closed; negative errno. */
static int number_receive(int connection, int *number, int flags)
{
    ssize_t n;
    do
        n = recv(connection, number, sizeof(*number), flags);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n == (ssize_t)sizeof(*number);
}

/* The life of the companion. Signals from the terminal are for the program; the end of the connection ends it. */
static void companion_live(const struct collector_options *options, int connection)
{
    struct collector_summary summary;
    struct collector *collector;
    char error[ERROR_SIZE];
    int number, rc;

    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (number_receive(connection, &number, 0) != 1)
        return;
    pid_t pid = (pid_t)number;
    rc = collector_start(options, &pid, 1, &collector, error, sizeof(error));
    if (rc < 0)
        message_print("not recorded through the kernel: %s", error);
    number_send(connection, rc);
    if (rc < 0)
        return;
    while (rc == 0 && number_receive(connection, &number, MSG_DONTWAIT) == -EAGAIN)
        rc = collector_poll(collector, POLL_MS);
    if (collector_finish(collector, &summary) < 0 || rc < 0)
        message_print("recording through the kernel failed in the middle: %s", strerror(rc < 0 ? -rc : EIO));
}

int companion_start(struct companion *c, const struct collector_options *options, char *error, size_t error_size)
{
    int ends[2];
    int rc = support_check(error, error_size);

    if (rc < 0)
        return rc;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return error_set(error, error_size, -errno, "%s", strerror(errno));
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        rc = error_set(error, error_size, -errno, "%s", strerror(errno));
        close(ends[0]);
        close(ends[1]);
        return rc;
    }
    if (pid == 0) {
        close(ends[0]);
        companion_live(options, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    *c = (struct companion){pid, ends[0]};
    return 0;
}

int companion_join(const struct companion *c)
{
    int result;

    if (!c->pid)
        return 0;
    if (number_send(c->connection, getpid()) < 0 || number_receive(c->connection, &result, 0) != 1)
        return -EPIPE;
    return result;
}

void companion_end(struct companion *c)
{
    if (!c->pid)
        return;
    close(c->connection);
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    c->pid = 0;
}
