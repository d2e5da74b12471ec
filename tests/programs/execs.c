/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * execs same|clean|fails|thread|last: replaces its program. Expected of the traces:
 *   same    generation 0: usleep 1, finished; generation 1 ("last"): usleep 5, finished
 *   clean   the new program's environment is empty: one trace, finished
 *   fails   no such program: one trace, usleep 3, finished
 *   thread  as same, but another thread of the process does it
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char *self;

static int become_last(char *const *environment)
{
    char *arguments[] = {self, "last", NULL};
    execve(self, arguments, environment);
    return 1;
}

static void *thread(void *unused)
{
    become_last(environ);
    return unused;
}

static int fail(void)
{
    char *arguments[] = {"missing", NULL};
    if (execv("/nonexistent/program", arguments) != -1 || errno != ENOENT)
        return 1;
    usleep(1000);
    errno = 0;
    if (execvp("nonexistent-program", arguments) != -1 || errno != ENOENT)
        return 2;
    usleep(1000);
    return 0;
}

int main(int count, char **arguments)
{
    const char *mode = count > 1 ? arguments[1] : "";
    char *empty[] = {NULL};
    pthread_t other;
    self = arguments[0];
    usleep(1000);
    if (strcmp(mode, "last") == 0) {
        for (int i = 0; i < 4; i++)
            usleep(1000);
        return 0;
    }
    if (strcmp(mode, "fails") == 0)
        return fail();
    if (strcmp(mode, "thread") == 0) {
        pthread_create(&other, NULL, thread, NULL);
        pthread_join(other, NULL);
    }
    return become_last(strcmp(mode, "clean") == 0 ? empty : environ);
}
