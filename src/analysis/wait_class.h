/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a wait is to the user: by its call, its endpoint, and the runtime function that made the call. */
#ifndef CPROBE_ANALYSIS_WAIT_CLASS_H
#define CPROBE_ANALYSIS_WAIT_CLASS_H

#include <stdbool.h>

#include "analysis/symbols.h"

struct wait_row;

/* In the words of a user: several calls (poll, then recv) are one problem of one class. */
enum wait_class {
    CLASS_IO,
    CLASS_SLEEP,
    CLASS_NAME,
    CLASS_FILE,
    CLASS_FILELOCK,
    CLASS_PROCESS,
    CLASS_LOCK,
    CLASS_JOIN,
    CLASS_SIGNAL,
    CLASS_MEMORY, /* pages that had to be fetched first, address space that others changed */
};

/* Sets class, runtime and own of a row whose thread, endpoint, stack, call and flags are known. */
void wait_classify(struct wait_row *row, struct symbols *symbols);

const char *wait_class_name(enum wait_class class); /* "io", "sleep", … */

/* Reads and writes of regular files without a flush to disk, and page faults: mostly copies from and to memory. */
bool wait_is_page_cache(const struct wait_row *row);
/* Making a process: mostly CPU time spent copying page tables. */
bool wait_is_spawn(const struct wait_row *row);
/* The wait of a function that makes a process (spawn_frames.def) for a sign that it has succeeded. */
bool wait_is_in_spawn(const struct wait_row *row, const struct stack *stack);
/* A few bytes written to wake a thread: a pipe or eventfd has room for them, so the writer only waited for a CPU. */
bool wait_is_thread_wakeup(const struct wait_row *row);
/* Closing a descriptor. That waits for a lingering socket or a remote file, again and again; else for a CPU. */
bool wait_is_close(const struct wait_row *row);
/* For readiness of a socket that listens: whoever waits for that alone has nobody else to serve. */
bool wait_is_for_newcomers(const struct wait_row *row);
/* Kind of the endpoint; ENDPOINT_NONE where there is none. */
enum endpoint_kind wait_endpoint_kind(const struct wait_row *row);

#endif
