/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes. Expected: see hook_case.h; what happens in children is in their own traces. */
#include "hook_case.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

static char *const true_arguments[] = {"true", NULL};

/* A child that the recorder is not told about and that exits at once or after a moment. */
static pid_t child_new(int status, long ms)
{
    pid_t child = (pid_t)syscall(SYS_fork);
    if (child == 0) {
        struct timespec t = {0, ms * 1000000};
        syscall(SYS_nanosleep, &t, NULL);
        syscall(SYS_exit_group, status);
    }
    return child;
}

#define WAITING(name, expression)               \
    CASE(name, #name " 2 1 10 none")            \
    {                                           \
        int status = 0;                         \
        pid_t child = child_new(3, SHORT_MS);   \
        show("in time", (expression) == child); \
        show("status", WEXITSTATUS(status));    \
        show("no child", expression);           \
    }
WAITING(wait, wait(&status))
WAITING(waitpid, waitpid(child, &status, 0))
WAITING(wait3, wait3(&status, 0, NULL))
WAITING(wait4, wait4(child, &status, 0, NULL))

CASE(waitid, "waitid 2 1 10 none")
{
    siginfo_t info;
    pid_t child = child_new(4, SHORT_MS);
    show("WNOHANG", waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG));
    show("in time", waitid(P_PID, (id_t)child, &info, WEXITED));
    show("status", info.si_status);
    show("no child", waitid(P_PID, (id_t)child, &info, WEXITED));
}

CASE(system, "system 2 0 0 process")
{
    show("system", WEXITSTATUS(system("exit 5")));
    show("is there a shell", system(NULL) != 0);
}

CASE(popen, "popen 2 1 0 process; pclose 1 0 0 none; fgets 1 0 0 pipe")
{
    char line[16] = "";
    FILE *stream = popen("echo hello", "r");
    show("fgets", fgets(line, sizeof(line), stream) != NULL);
    printf("  %s", line);
    show("pclose", pclose(stream));
    show("bad mode", popen("echo hello", "x") ? 0 : -1);
}

CASE(pclose, "popen 1 0 0 process; pclose 1 0 10 none")
{
    show("pclose", WEXITSTATUS(pclose(popen("sleep 0.03; exit 6", "w"))));
}

typedef int spawn_function(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                           char *const[], char *const[]);

static void spawn(spawn_function *function, const char *path)
{
    pid_t child;
    int status = -1;
    show_error("spawn", function(&child, path, NULL, NULL, true_arguments, environ));
    syscall(SYS_wait4, child, &status, 0, NULL);
    show("status", status);
    show_error("missing", function(&child, "/nonexistent/program", NULL, NULL, true_arguments, environ));
}

#define SPAWNING(name, call, version, path)                                  \
    CASE(name, #call " 2 1 0 process")                                       \
    {                                                                        \
        spawn((spawn_function *)dlvsym(RTLD_DEFAULT, #call, version), path); \
    }
SPAWNING(posix_spawn, posix_spawn, "GLIBC_2.15", "/bin/true")
SPAWNING(posix_spawn_old, posix_spawn, "GLIBC_2.2.5", "/bin/true")
SPAWNING(posix_spawnp, posix_spawnp, "GLIBC_2.15", "true")
SPAWNING(posix_spawnp_old, posix_spawnp, "GLIBC_2.2.5", "true")

/* How a child ended; it is waited for without a hook. */
static void show_end(pid_t child)
{
    int status = -1;
    syscall(SYS_wait4, child, &status, 0, NULL);
    show("status", WIFEXITED(status) ? WEXITSTATUS(status) : -status);
}

#define FORKING(name, counted)  \
    CASE(name, counted)         \
    {                           \
        pid_t child = name();   \
        if (child == 0)         \
            _exit(7);           \
        show(#name, child > 0); \
        show_end(child);        \
    }
FORKING(fork, "fork 1 0 0 none")
FORKING(_Fork, "fork 1 0 0 none")
FORKING(vfork, "vfork 1 0 0 none")

#define FAILING "/nonexistent/program"
#define REPLACING(name, good, bad) \
    CASE(name, "fork 1 0 0 none")  \
    {                              \
        pid_t child = fork();      \
        if (child == 0) {          \
            show("missing", bad);  \
            show("never", good);   \
        }                          \
        show_end(child);           \
    }
REPLACING(execve, execve("/bin/false", true_arguments, environ), execve(FAILING, true_arguments, environ))
REPLACING(execv, execv("/bin/false", true_arguments), execv(FAILING, true_arguments))
REPLACING(execvp, execvp("false", true_arguments), execvp(FAILING, true_arguments))
REPLACING(execvpe, execvpe("false", true_arguments, environ), execvpe(FAILING, true_arguments, environ))
REPLACING(execveat, execveat(AT_FDCWD, "/bin/false", true_arguments, environ, 0),
          execveat(AT_FDCWD, FAILING, true_arguments, environ, 0))
REPLACING(fexecve, fexecve((int)syscall(SYS_openat, AT_FDCWD, "/bin/false", O_RDONLY), true_arguments, environ),
          fexecve(-1, true_arguments, environ))
REPLACING(execl, execl("/bin/sh", "sh", "-c", "exit $1$2", "sh", "1", "2", NULL), execl(FAILING, "a", "b", NULL))
REPLACING(execlp, execlp("sh", "sh", "-c", "exit $1$2", "sh", "1", "2", NULL), execlp(FAILING, "a", NULL))
REPLACING(execle, execle("/bin/sh", "sh", "-c", "exit $A", NULL, ((char *[]){"A=13", NULL})),
          execle(FAILING, "a", NULL, environ))

#define ENDING(name)              \
    CASE(name, "fork 1 0 0 none") \
    {                             \
        pid_t child = fork();     \
        if (child == 0)           \
            name(9);              \
        show_end(child);          \
    }
ENDING(_exit)
ENDING(_Exit)
ENDING(quick_exit)

CASE(prctl, "")
{
    show("PR_GET_DUMPABLE", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
    show("no such option", prctl(-1, 0, 0, 0, 0));
}

CASE(syscall, "")
{
    show("getpid", syscall(SYS_getpid) == getpid());
    show("pwrite64", syscall(SYS_pwrite64, -1, "abc", 3, 1, 0, 0));
}

CASE(dlclose, "")
{
    show("dlclose", dlclose(dlopen("libm.so.6", RTLD_NOW)));
}
