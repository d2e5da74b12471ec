/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/summary.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "capture/real.h"
#include "capture/recorder.h"
#include "capture/terminal.h"

#define PATH_SIZE 4096

/* Where the command is, seen from the library: in the build tree beside it, installed in ../bin or ../../bin. */
static const char *const places[] = {"/cprobe", "/../bin/cprobe", "/../../bin/cprobe"};

static bool find_command(char *path)
{
    Dl_info info;
    if (!dladdr((const void *)(uintptr_t)summary_print, &info) || !info.dli_fname)
        return false;
    const char *slash = strrchr(info.dli_fname, '/');
    size_t length = slash ? (size_t)(slash - info.dli_fname) : 0;
    if (!slash || length + 32 > PATH_SIZE)
        return false;
    memcpy(path, info.dli_fname, length);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        strcpy(path + length, places[i]); // NOLINT: room was checked
        if (SYS_CALL(SYS_access, path, X_OK, 0, 0, 0, 0) == 0)
            return true;
    }
    return false;
}

void summary_print(const char *dir)
{
    static char path[PATH_SIZE];
    char *const arguments[] = {path, (char *)"report", (char *)"--format", (char *)"short", (char *)dir, NULL};
    char *environment[2] = {(char *)"CPROBE_QUIET=1", NULL}; /* without LD_PRELOAD: the command is not to be recorded */
    posix_spawn_file_actions_t actions;
    pid_t child;
    if (!find_command(path)) {
        terminal_say("cprobe: CPROBE_SUMMARY=1: the cprobe command is not where libcprobe.so is; run: cprobe report\n");
        return;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    if (REAL(posix_spawn)(&child, path, &actions, NULL, arguments, environment) == 0)
        while (SYS_CALL(SYS_wait4, child, NULL, 0, NULL, 0, 0) == -4 /* EINTR */)
            ;
    posix_spawn_file_actions_destroy(&actions);
}
