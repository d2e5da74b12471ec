/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one process-wide struct of the recorder, and how recording starts, stops and follows fork and exec.
 *
 * Start: the constructor (lifecycle.c) reads the settings, creates the trace and opens the gate. Until then, in set-uid
 * programs, and after recording has ended, hooks only pass through.
 */
#ifndef CPROBE_CAPTURE_RECORDER_H
#define CPROBE_CAPTURE_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "capture/clock.h"
#include "capture/settings.h"
#include "trace/writer.h"

struct recorder {
    uint32_t pid;
    uint32_t unique;     /* any: numbers open file descriptions, threads' random seeds */
    uint32_t code_count; /* any: Python code objects entered */
    int thread_key;      /* pthread key whose destructor ends a thread's recording; -1: none */
    bool root;           /* first recorded process of the run: prints the closing line */
    bool started;        /* a trace was created in this process or an ancestor */
    struct settings settings;
    struct writer writer;
};

extern HIDDEN struct recorder recorder;

/*
 * Whether waits are recorded. On a page of its own that the kernel clears in the child of every fork (MADV_WIPEONFORK),
 * however it was made: a child can never write into its parent's trace, which it has mapped.
 */
struct recorder_gate {
    uint32_t open; /* enum gate; 0: shut */
    char page[TRACE_PAGE - sizeof(uint32_t)];
};
extern HIDDEN struct recorder_gate recorder_gate;

enum gate {
    GATE_OPEN = 1,
    GATE_PYTHON = 2, /* and there is an interpreter, whose lock counts */
};

static inline bool recorder_on(void)
{
    return load_relaxed(&recorder_gate.open) != 0;
}

/* Recording, and nothing to be asked of an interpreter. */
static inline bool recorder_on_plainly(void)
{
    return load_relaxed(&recorder_gate.open) == GATE_OPEN;
}

static inline bool recorder_python(void)
{
    return load_relaxed(&recorder_gate.open) & GATE_PYTHON;
}

/* The gate is shut: is this a forked child that nobody told about? If so it gets its trace now. */
COLD bool recorder_on_after_fork(void);

/* Creates this process's trace and opens the gate. 0 or negative errno. */
int recorder_start(void);

/* In the child after fork: a trace of its own, with the numbers that process memory already holds. */
void recorder_forked(void);

/* Stops recording for good and notes why; the program goes on. */
void recorder_disable(enum trace_reason reason, const char *text, uint64_t now_ns);

/* The process ends: completes the trace and cuts the file to size. */
void recorder_finish(int status);

/* The same for _exit and its like: the first process of the run says where the data is. */
void recorder_end(int status);

/* The process calls exec: completes the trace; recorder_resume: the exec failed. */
void recorder_exec(const char *path);
void recorder_resume(void);

#endif
