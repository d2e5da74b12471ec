/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "capture/put.h"
#include "capture/recorder.h"

#define STDERR 2

static struct {
    bool known; /* standard error as it was at start */
    dev_t device;
    ino_t inode;
    bool quiet;
    bool silent; /* a process further down: what is wrong with the settings has been said */
} terminal;

void terminal_init(void)
{
    struct stat st;
    const char *quiet = getenv("CPROBE_QUIET");
    terminal.quiet = quiet && strcmp(quiet, "1") == 0;
    terminal.silent = getenv("CPROBE_ROOT") != NULL;
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

void terminal_say(const char *text)
{
    if (!terminal.quiet && stderr_unchanged())
        sys_write(STDERR, text, strlen(text));
}

void terminal_complain(const char *text)
{
    if (!terminal.silent)
        terminal_say(text);
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

void terminal_say_failure(const char *what, int error)
{
    char line[SETTINGS_PATH_MAX + 300];
    char *p = put_text(put_text(put_text(line, "cprobe: "), what), ": cannot write to ");
    p = put_text(p, recorder.settings.dir);
    p = put_text(p, ": ");
    p = put_text(p, error_text(error));
    put_text(p, "; set CPROBE_DIR to a directory that this process can write\n");
    if (recorder.root || !terminal.silent) /* not for each of the processes further down */
        terminal_say(line);
}
