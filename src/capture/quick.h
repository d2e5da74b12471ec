/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What decides the usual case of a call on a descriptor, all in one place: a system call leaves little of the program
 * in the processor's caches, so that what a hook costs is how many pages and lines it touches, rather than what it
 * does.
 *
 * For descriptors with low numbers there is a copy of what fdtable.h knows of them (fd_entry.word), 0 where there is
 * none. A call whose descriptor has the same word as the one that the thread called before is the same kind of call: on
 * a descriptor in the same mode, with the same endpoint, so it is counted by the same counter. Whatever does not
 * compare equal takes the long way, which decides as if nothing were here, and enters what it found.
 *
 * All of it stands in pages that the kernel clears in the child of a fork (recorder.h): there nothing compares equal
 * until recording has begun anew.
 */
#ifndef CPROBE_CAPTURE_QUICK_H
#define CPROBE_CAPTURE_QUICK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "trace/format.h"

#define QUICK_PAGES 4
#define QUICK_FDS ((QUICK_PAGES * TRACE_PAGE - 64) / 8) /* descriptors below this number have a copy */

struct quick_page {
    uint32_t open;    /* enum gate (recorder.h); 0: shut */
    uint32_t fds;     /* QUICK_FDS, or 0: nothing is decided here */
    uintptr_t thread; /* where thread_self and errno are, seen from the thread pointer: the same in all threads */
    uintptr_t error;
    ssize_t (*send)(int, const void *, size_t, int); /* REAL() */
    ssize_t (*recv)(int, void *, size_t, int);
    uint64_t reserved[3];
    uint64_t words[QUICK_FDS]; /* any */
};
_Static_assert(sizeof(struct quick_page) == QUICK_PAGES * (size_t)TRACE_PAGE, "whole pages");

/* The counter of a thread's calls on descriptors with this word. */
struct quick_counter {
    uint64_t word;
    struct trace_counter *counter; /* NULL: none yet */
};
enum quick_call { QUICK_SEND, QUICK_RECV, QUICK_CALLS };

extern HIDDEN struct quick_page recorder_gate;

/* The copy of what is known of `fd`. */
static ALWAYS_INLINE uint64_t quick_word(int fd)
{
    return likely((uint32_t)fd < load_relaxed(&recorder_gate.fds)) ? load_relaxed(&recorder_gate.words[fd]) : 0;
}

static ALWAYS_INLINE char *quick_thread_pointer(void)
{
    char *tp;
    __asm__("mov %%fs:0, %0" : "=r"(tp));
    return tp;
}

static ALWAYS_INLINE int *quick_errno(void)
{
    return (int *)(quick_thread_pointer() + recorder_gate.error);
}

/* In one instruction: a signal handler on the same thread adds before or after, not in between. */
static ALWAYS_INLINE void quick_add(uint64_t *sum, uint64_t value)
{
    __asm__("addq %1, %0" : "+m"(*sum) : "er"(value) : "cc");
}

/* At the beginning of recording in a process, and where it ends. */
void quick_open(void);
void quick_close(void);

/* Copies what is known of `fd`, where it may be. */
void quick_enter(int fd);

/* A call on `fd` that did not wait was counted by `counter` (NULL: by none). */
void quick_remember(enum quick_call call, int fd, struct trace_counter *counter);

/* What is known of `fd` has changed. After the change. */
static inline void quick_forget(int64_t fd)
{
    if (likely((uint64_t)fd < QUICK_FDS))
        store_release(&recorder_gate.words[fd], 0);
}

#endif
