/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Constructor, destructor and fork handlers: where recording begins and ends. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "capture/fdtable.h"
#include "capture/modules.h"
#include "capture/put.h"
#include "capture/real.h"
#include "capture/recorder.h"
#include "capture/summary.h"
#include "capture/thread.h"

#define STDERR 2

static struct {
    bool known; /* standard error as it was at start */
    dev_t device;
    ino_t inode;
    bool quiet;
    bool silent; /* a process further down: what is wrong with the settings has been said */
} terminal;

static void stderr_remember(void)
{
    struct stat st;
    if (SYS_CALL(SYS_fstat, STDERR, &st, 0, 0, 0, 0) < 0)
        return;
    terminal.known = true;
    terminal.device = st.st_dev;
    terminal.inode = st.st_ino;
}

/* A daemon may have opened a file of its own as descriptor 2: nothing is ever written there. */
static bool stderr_unchanged(void)
{
    struct stat st;
    return terminal.known && SYS_CALL(SYS_fstat, STDERR, &st, 0, 0, 0, 0) == 0 && st.st_dev == terminal.device &&
           st.st_ino == terminal.inode;
}

void recorder_say(const char *text)
{
    if (!terminal.quiet && stderr_unchanged())
        sys_write(STDERR, text, strlen(text));
}

static void complain(const char *text)
{
    if (!terminal.silent)
        recorder_say(text);
}

static const char *error_text(int error)
{
    static const struct {
        int error;
        const char *text;
    } texts[] = {
        {EACCES, "permission denied"},
        {EPERM, "operation not permitted"},
        {EROFS, "the file system is read-only"},
        {ENOSPC, "the disk is full"},
        {EDQUOT, "the disk quota is used up"},
        {ENOENT, "its parent directory does not exist"},
        {ENOTDIR, "it is not a directory"},
        {EFBIG, "the file size limit (ulimit -f) is too small"},
        {ENOMEM, "out of address space"},
        {EMFILE, "too many open files"},
        {ENFILE, "too many open files in the system"},
        {ENODEV, "the file system cannot map files"},
        {ENAMETOOLONG, "the path is too long"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (texts[i].error == error)
            return texts[i].text;
    return "the system refused";
}

static void say_failure(int error)
{
    char line[SETTINGS_PATH_MAX + 300];
    char *p = put_text(line, "cprobe: not recording: cannot write to ");
    p = put_text(p, recorder.settings.dir);
    p = put_text(p, ": ");
    p = put_text(p, error_text(error));
    put_text(p, "; set CPROBE_DIR to a directory that this process can write\n");
    complain(line);
}

/* What children must agree on: the directory, absolute, and who prints the closing line. */
static void export_settings(void)
{
    static char dir[SETTINGS_PATH_MAX + 16], root[32];
    put_text(put_text(dir, "CPROBE_DIR="), recorder.settings.dir);
    put_unsigned(put_text(root, "CPROBE_ROOT="), (uint64_t)sys_getpid(), 10);
    putenv(dir); // NOLINT: static storage
    putenv(root);
}

static void fork_child(void)
{
    recorder_forked();
}

__attribute__((constructor(101))) static void start(void)
{
    real_init();
    if (getauxval(AT_SECURE)) /* set-uid: not ours to look into */
        return;
    clock_init();
    stderr_remember();
    terminal.quiet = getenv("CPROBE_QUIET") && strcmp(getenv("CPROBE_QUIET"), "1") == 0;
    terminal.silent = getenv("CPROBE_ROOT") != NULL;
    settings_read(&recorder.settings, environ, complain);
    recorder.root = recorder.settings.root == 0 || recorder.settings.root == (uint32_t)sys_getpid();
    thread_init();
    fdtable_init();
    int r = recorder_start();
    if (r < 0) {
        say_failure(-r);
        return;
    }
    if (recorder.root)
        export_settings();
    pthread_key_t key;
    if (REAL(pthread_key_create)(&key, thread_exit) == 0)
        recorder.thread_key = (int)key;
    pthread_atfork(NULL, NULL, fork_child);
    modules_init();
}

__attribute__((destructor(101))) static void stop(void)
{
    bool recorded = recorder_on();
    recorder_finish(0);
    if (!recorded || !recorder.root)
        return;
    char line[2 * SETTINGS_PATH_MAX + 100];
    char *p = put_text(line, "cprobe: recorded into ");
    p = put_text(p, recorder.settings.dir);
    p = put_text(p, "; read it with: cprobe report ");
    p = put_text(p, recorder.settings.dir);
    put_text(p, "\n");
    if (recorder.settings.summary)
        summary_print(recorder.settings.dir);
    recorder_say(line);
}
