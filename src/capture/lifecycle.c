/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Constructor, destructor and fork handlers: where recording begins and ends. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/sys.h"
#include "capture/conversation.h"
#include "capture/fdtable.h"
#include "capture/heap.h"
#include "capture/modules.h"
#include "capture/put.h"
#include "capture/real.h"
#include "capture/record.h"
#include "capture/recorder.h"
#include "capture/summary.h"
#include "capture/terminal.h"
#include "capture/thread.h"
#include "capture/watcher.h"

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

/* Said only where somebody asked for the heap: with the default nothing may be missed. */
static void check_heap(void)
{
    static const char text[] = "the program has a malloc of its own: blocks of its heap are not watched";
    if (!recorder.settings.watch_own && patterns_any(&recorder.settings.watch) &&
        !modules_own((uintptr_t)dlsym(RTLD_DEFAULT, "malloc")))
        record_note(RECORD_INFO, text, sizeof(text) - 1);
}

__attribute__((constructor(101))) static void start(void)
{
    real_init();
    if (getauxval(AT_SECURE)) /* set-uid: not ours to look into */
        return;
    clock_init();
    terminal_init();
    settings_read(&recorder.settings, environ, terminal_complain);
    recorder.root = recorder.settings.root == 0 || recorder.settings.root == (uint32_t)sys_getpid();
    thread_init();
    fdtable_init();
    conversations_init();
    int r = recorder_start();
    if (r < 0) {
        terminal_say_failure("not recording", -r);
        return;
    }
    if (recorder.root)
        export_settings();
    pthread_key_t key;
    if (REAL(pthread_key_create)(&key, thread_exit) == 0)
        recorder.thread_key = (int)key;
    pthread_atfork(NULL, NULL, fork_child);
    modules_init();
    watcher_init();
    heap_init();
    check_heap();
}

/* The run's closing line, once: by its first process. */
static void announce(void)
{
    char line[2 * SETTINGS_PATH_MAX + 100];
    char *p = put_text(line, "cprobe: recorded into ");
    p = put_text(p, recorder.settings.dir);
    p = put_text(p, "; read it with: cprobe report ");
    p = put_text(p, recorder.settings.dir);
    put_text(p, "\n");
    recorder.root = false;
    terminal_say(line);
}

void recorder_end(int status)
{
    bool last = recorder_on() && recorder.root && !thread_self.in_vfork;
    recorder_finish(status);
    if (last)
        announce();
}

__attribute__((destructor(101))) static void stop(void)
{
    bool last = recorder_on() && recorder.root;
    recorder_finish(0);
    if (!last)
        return;
    if (recorder.settings.summary)
        summary_print(recorder.settings.dir);
    announce();
}
