/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/hook.h"

#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "capture/modules.h"
#include "capture/watcher.h"

/* ---- waiting for children -------------------------------------------------------------------------------------------
 */

EXPORT pid_t wait(int *status)
{
    return TIMED_PLAIN(wait, REAL(wait)(status));
}

EXPORT pid_t waitpid(pid_t pid, int *status, int options)
{
    return options & WNOHANG ? REAL(waitpid)(pid, status, options)
                             : TIMED_PLAIN(waitpid, REAL(waitpid)(pid, status, options));
}

EXPORT int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    return options & WNOHANG ? REAL(waitid)(type, id, info, options)
                             : TIMED_PLAIN(waitid, REAL(waitid)(type, id, info, options));
}

EXPORT pid_t wait3(int *status, int options, struct rusage *usage)
{
    return options & WNOHANG ? REAL(wait3)(status, options, usage)
                             : TIMED_PLAIN(wait3, REAL(wait3)(status, options, usage));
}

EXPORT pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
    return options & WNOHANG ? REAL(wait4)(pid, status, options, usage)
                             : TIMED_PLAIN(wait4, REAL(wait4)(pid, status, options, usage));
}

/* ---- starting children
 * ------------------------------------------------------------------------------------------------ */

/* The program of a shell command: its first word. Arguments may be secrets. */
static const char *first_word(const char *command, char *word, size_t size)
{
    size_t n = command ? strcspn(command, " \t\n;|&<>") : 0;
    n = n < size ? n : size - 1;
    memcpy(word, command ? command : "", n);
    word[n] = '\0';
    return word;
}

EXPORT int system(const char *command)
{
    char word[64];
    uint64_t begin = wait_begin();
    int result = REAL(system)(command);
    if (begin)
        wait_end_named(CALL_system, begin, result, result == -1 ? errno : 0, ENDPOINT_PROCESS,
                       first_word(command, word, sizeof(word)));
    return result;
}

EXPORT FILE *popen(const char *command, const char *mode)
{
    char word[64];
    uint64_t begin = wait_begin();
    FILE *stream = REAL(popen)(command, mode);
    if (stream)
        fd_forget(REAL(fileno)(stream));
    if (begin)
        wait_end_named(CALL_popen, begin, 0, stream ? 0 : errno, ENDPOINT_PROCESS,
                       first_word(command, word, sizeof(word)));
    return stream;
}

EXPORT int pclose(FILE *stream)
{
    uint64_t begin = wait_begin();
    fd_closed(REAL(fileno)(stream));
    int result = REAL(pclose)(stream);
    wait_end_plain(CALL_pclose, begin, result, result == -1 ? errno : 0);
    return result;
}

typedef int spawn_function(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                           const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]);

static int spawn(enum call_number call, spawn_function *real, pid_t *pid, const char *path,
                 const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
                 char *const arguments[], char *const environment[])
{
    uint64_t begin = wait_begin();
    int error = real(pid, path, actions, attributes, arguments, environment);
    wait_end_named(call, begin, error, error, ENDPOINT_PROCESS, path);
    return error;
}

/* Before GLIBC_2.15 a file that cannot be executed was run as a shell script: the versions differ (cprobe.map). */
#define SPAWN(function, symbol_version, call, real)                                                       \
    __asm__(".symver " #function ", " symbol_version);                                                    \
    EXPORT spawn_function function;                                                                       \
    int function(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,                 \
                 const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]) \
    {                                                                                                     \
        return spawn(CALL_##call, REAL(real), pid, path, actions, attributes, arguments, environment);    \
    }

SPAWN(hook_spawn_path, "posix_spawn@@GLIBC_2.15", posix_spawn, posix_spawn)
SPAWN(hook_spawn_path_old, "posix_spawn@GLIBC_2.2.5", posix_spawn, posix_spawn_old)
SPAWN(hook_spawn_file, "posix_spawnp@@GLIBC_2.15", posix_spawnp, posix_spawnp)
SPAWN(hook_spawn_file_old, "posix_spawnp@GLIBC_2.2.5", posix_spawnp, posix_spawnp_old)

static void fork_end(enum call_number call, uint64_t begin, pid_t child)
{
    if (!begin)
        return;
    struct event_fork *e = child > 0 ? (void *)writer_log_reserve(&recorder.writer, sizeof(*e), 0) : NULL;
    if (e) {
        e->header.time_ns = begin;
        e->child = (uint32_t)child;
        writer_log_commit(&e->header, EVENT_FORK);
    }
    wait_end_plain(call, begin, child, child < 0 ? errno : 0);
}

EXPORT pid_t fork(void)
{
    uint64_t begin = wait_begin();
    pid_t child = REAL(fork)();
    if (child != 0) /* the child's recording began in its pthread_atfork handler */
        fork_end(CALL_fork, begin, child);
    return child;
}

EXPORT pid_t _Fork(void)
{
    pid_t (*real)(void) = REAL(_Fork);
    if (!real)
        real = REAL(fork);
    uint64_t begin = wait_begin();
    pid_t child = real();
    if (child == 0)
        recorder_forked();
    else
        fork_end(CALL_fork, begin, child);
    return child;
}

/*
 * vfork: the child runs on this very stack and memory until it calls exec or _exit, so nothing may be kept on the
 * stack. The caller's return address waits in rdx, which the kernel preserves and glibc's vfork does not use. While the
 * child runs, hooks on this thread only pass through.
 */
__attribute__((used)) static void *vfork_begin(void)
{
    thread_self.vfork_ns = wait_begin();
    thread_self.in_vfork++;
    return (void *)(uintptr_t)REAL(vfork);
}

/* In the parent, which has waited until the child called exec or ended. Called before `child` is returned. */
__attribute__((used)) static void vfork_end(pid_t child)
{
    thread_self.in_vfork--;
    fork_end(CALL_vfork, thread_self.vfork_ns, child);
}

__asm__(
    ".pushsection .text\n"
    ".globl vfork\n"
    ".type vfork, @function\n"
    "vfork:\n"
    "    .cfi_startproc\n"
    "    sub $8, %rsp\n"
    "    .cfi_adjust_cfa_offset 8\n"
    "    call vfork_begin\n"
    "    add $8, %rsp\n"
    "    .cfi_adjust_cfa_offset -8\n"
    "    pop %rdx\n"
    "    .cfi_adjust_cfa_offset -8\n"
    "    .cfi_register %rip, %rdx\n"
    "    call *%rax\n"
    "    push %rdx\n"
    "    .cfi_adjust_cfa_offset 8\n"
    "    .cfi_rel_offset %rip, 0\n"
    "    test %eax, %eax\n"
    "    je 1f\n"
    "    push %rax\n"
    "    .cfi_adjust_cfa_offset 8\n"
    "    call vfork_end\n"
    "    pop %rax\n"
    "    .cfi_adjust_cfa_offset -8\n"
    "1:  ret\n"
    "    .cfi_endproc\n"
    ".size vfork, .-vfork\n"
    ".popsection\n");

/* ---- exec
 * ----------------------------------------------------------------------------------------------------------------- */

/* The trace is completed before, for there is no after; where the exec fails, recording goes on. */
#define EXEC(path, expression)          \
    ({                                  \
        recorder_exec(path);            \
        int exec_result = (expression); \
        recorder_resume();              \
        exec_result;                    \
    })

EXPORT int execve(const char *path, char *const arguments[], char *const environment[])
{
    return EXEC(path, REAL(execve)(path, arguments, environment));
}

EXPORT int execv(const char *path, char *const arguments[])
{
    return EXEC(path, REAL(execv)(path, arguments));
}

EXPORT int execvp(const char *file, char *const arguments[])
{
    return EXEC(file, REAL(execvp)(file, arguments));
}

EXPORT int execvpe(const char *file, char *const arguments[], char *const environment[])
{
    return EXEC(file, REAL(execvpe)(file, arguments, environment));
}

EXPORT int execveat(int dir, const char *path, char *const arguments[], char *const environment[], int flags)
{
    int (*real)(int, const char *, char *const[], char *const[], int) = REAL(execveat);
    if (!real) {
        errno = ENOSYS;
        return -1;
    }
    return EXEC(path, real(dir, path, arguments, environment, flags));
}

EXPORT int fexecve(int fd, char *const arguments[], char *const environment[])
{
    return EXEC("", REAL(fexecve)(fd, arguments, environment));
}

/* Gathers the arguments of an execl function into an array on the caller's stack, as they may be any number. */
#define ARGUMENT_LIST(list, first, arguments)                                                    \
    va_list list, list##_count;                                                                  \
    size_t count = 1;                                                                            \
    char *list##_head = (char *)first;                                                           \
    __asm__("" : "+r"(list##_head)); /* declared as never NULL, called with NULL all the same */ \
    va_start(list, first);                                                                       \
    va_copy(list##_count, list);                                                                 \
    if (list##_head)                                                                             \
        for (count = 2; va_arg(list##_count, char *);)                                           \
            count++;                                                                             \
    va_end(list##_count);                                                                        \
    char *arguments[count];                                                                      \
    arguments[0] = list##_head;                                                                  \
    for (size_t i = 1; i < count; i++)                                                           \
    arguments[i] = va_arg(list, char *)

EXPORT int execl(const char *path, const char *argument, ...)
{
    ARGUMENT_LIST(list, argument, arguments);
    va_end(list);
    return EXEC(path, REAL(execv)(path, arguments));
}

EXPORT int execlp(const char *file, const char *argument, ...)
{
    ARGUMENT_LIST(list, argument, arguments);
    va_end(list);
    return EXEC(file, REAL(execvp)(file, arguments));
}

EXPORT int execle(const char *path, const char *argument, ...)
{
    ARGUMENT_LIST(list, argument, arguments);
    char *const *environment = va_arg(list, char *const *);
    va_end(list);
    return EXEC(path, REAL(execve)(path, arguments, environment));
}

/* ---- the end
 * ------------------------------------------------------------------------------------------------------------ */

EXPORT void _exit(int status)
{
    recorder_end(status);
    REAL(_exit)(status);
    __builtin_unreachable();
}

EXPORT void _Exit(int status)
{
    recorder_end(status);
    REAL(_Exit)(status);
    __builtin_unreachable();
}

EXPORT void quick_exit(int status)
{
    recorder_end(status);
    REAL(quick_exit)(status);
    __builtin_unreachable();
}

/* ---- sandboxes, names, unloading
 * --------------------------------------------------------------------------------------- */

/* `before`: the time just before. Strict mode forbids even to read the clock. */
static void sandboxed(uint64_t before)
{
    recorder_disable(TRACE_REASON_SECCOMP,
                     "the process entered a seccomp sandbox: recording ended there, because a system call of "
                     "the recorder could be its last",
                     before);
}

static bool enters_sandbox(long number, const long *a)
{
    return (number == SYS_seccomp && (a[0] == SECCOMP_SET_MODE_STRICT || a[0] == SECCOMP_SET_MODE_FILTER)) ||
           (number == SYS_prctl && a[0] == PR_SET_SECCOMP);
}

/* What makes system calls on its own ends before. */
static uint64_t sandbox_near(void)
{
    watcher_stop();
    return wait_begin();
}

EXPORT int prctl(int option, ...)
{
    unsigned long a[4];
    va_list list;
    va_start(list, option);
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(list, unsigned long);
    va_end(list);
    uint64_t begin = unlikely(option == PR_SET_SECCOMP) ? sandbox_near() : 0;
    int result = REAL(prctl)(option, a[0], a[1], a[2], a[3]);
    if (begin && result == 0)
        sandboxed(begin);
    return result;
}

EXPORT long syscall(long number, ...)
{
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    uint64_t begin = unlikely(enters_sandbox(number, a)) ? sandbox_near() : 0;
    long result = REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (unlikely(begin && result == 0))
        sandboxed(begin);
    return result;
}

EXPORT int dlclose(void *handle)
{
    int result = REAL(dlclose)(handle);
    struct thread *t = &thread_self;
    if (recorder_on() && !t->in_vfork && thread_enter(t, FRAME_ADDRESS)) {
        modules_check();
        thread_leave(t);
    }
    return result;
}
