/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE /* pipe2 */
#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"

static void signals_block(struct child *child)
{
    static const int forwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM};
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t blocked;

    sigemptyset(&child->forwarded);
    for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
        sigaddset(&child->forwarded, forwarded[i]);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        sigaddset(&child->forwarded, number);
    blocked = child->forwarded;
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, &child->old_mask);
    /* Where SIGCHLD was ignored on entry, children would vanish without a status. */
    sigaction(SIGCHLD, &standard, &child->old_child);
}

static void signals_restore(const struct child *child)
{
    sigaction(SIGCHLD, &child->old_child, NULL);
    sigprocmask(SIG_SETMASK, &child->old_mask, NULL);
}

/* In the new process. Success closes the pipe, failure sends errno through it. */
static void program_exec(const struct child *child, char *const argv[], int (*prepare)(const void *context),
                         const void *context, int report_fd)
{
    signals_restore(child);
    int code = -prepare(context);
    if (code == 0) {
        execvp(argv[0], argv);
        code = errno;
    }
    ssize_t written = write(report_fd, &code, sizeof(code));
    _exit(written == (ssize_t)sizeof(code) ? 127 : 126);
}

static ssize_t code_read(int fd, int *code)
{
    ssize_t length;

    do
        length = read(fd, code, sizeof(*code));
    while (length < 0 && errno == EINTR);
    return length;
}

int child_start(struct child *child, char *const argv[], int (*prepare)(const void *context), const void *context)
{
    int pipe_fds[2], code = 0;

    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return -errno;
    signals_block(child);
    child->pid = fork();
    if (child->pid == 0)
        program_exec(child, argv, prepare, context, pipe_fds[1]);
    if (child->pid < 0)
        code = errno;
    close(pipe_fds[1]);
    if (child->pid > 0 && code_read(pipe_fds[0], &code) == (ssize_t)sizeof(code))
        waitpid(child->pid, NULL, 0);
    close(pipe_fds[0]);
    if (code != 0)
        signals_restore(child);
    return -code;
}

/* si_code > 0: from the kernel, that is from the terminal, which sent it to the child as well. */
static void signal_forward(const struct child *child, const siginfo_t *info)
{
    if (info->si_code <= 0)
        kill(child->pid, info->si_signo);
}

int child_wait(struct child *child)
{
    sigset_t awaited = child->forwarded;
    int status = 0;

    sigaddset(&awaited, SIGCHLD);
    for (;;) {
        siginfo_t info;
        pid_t pid = waitpid(child->pid, &status, WNOHANG);
        if (pid == child->pid || (pid < 0 && errno != EINTR))
            break;
        if (sigwaitinfo(&awaited, &info) > 0 && info.si_signo != SIGCHLD)
            signal_forward(child, &info);
    }
    signals_restore(child);
    return status;
}
