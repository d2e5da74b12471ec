/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was noted at one word (trap.h) is searched for accesses of two threads that nothing kept apart. Only facts are
 * stated; how much they prove is for the reader of the trace (rule unlocked-mutation).
 *
 * A thread that is held has executed nothing after its access, so it has left no lock and given no signal since. An
 * access of another thread in that time is therefore not ordered after it, whatever the program uses to keep order,
 * except through the word itself: a thread that first reads the word and then writes it may have waited for that value
 * (a spin lock's release, a mailbox). So:
 *
 * - lost: the held thread had loaded a value; another one stored a different value; then the first one stored what it
 *   had made of the old value, without looking again. The other's value is gone. That is certain: the loaded value came
 *   from the register, the word is seen to change while the first thread is held, that the old value went into what was
 *   stored is followed through the instructions (insn_carries), or what was stored is a node that leads to the old one
 *   (a list's head). That holds for lists and counters, not for last-writer-wins fields: what is stored there does not
 *   come from the load. The read-write-write case of S. Lu et al., "AVIO", ASPLOS 2006.
 * - changed: the held thread had written; the other one wrote a different value without having read the word in
 * between, and no third thread had. Or all is as above, but that the old value went into the new one is not known.
 * - read: one wrote, the other read.
 *
 * Not stated: accesses that are one for all processors on either side, accesses with a lock in common, of which the
 * instruction or the bytes are not known, and writes of the value that was there.
 */
#ifndef CPROBE_CAPTURE_CONFLICT_H
#define CPROBE_CAPTURE_CONFLICT_H

#include "capture/trap.h"
#include "trace/format.h"

struct conflict {
    const struct trap_access *first;  /* was held */
    const struct trap_access *second; /* came meanwhile */
    const struct trap_access *third;  /* what the first one stored next, where it had loaded; else NULL */
    uint16_t flags;                   /* CONFLICT_*, format.h */
};

/* The most telling conflict at a word that is quiet. False: none. */
bool conflict_find(const struct trap_word *w, struct conflict *out);

/* What is known of a word besides: */
enum conflict_use {
    CONFLICT_USE_NONE,   /* not touched, or read only */
    CONFLICT_USE_ALONE,  /* by one thread */
    CONFLICT_USE_LOCKED, /* by several, with locks in common */
    CONFLICT_USE_SHARED, /* by several, one writing, without a lock in common */
};
enum conflict_use conflict_use(const struct trap_word *w);

/* Writes the event. The thread has entered the recorder, or never does. */
void conflict_write(const struct trap_word *w, const struct conflict *c);

/* Whether a conflict between these two places was written often enough; counts it. The watcher only. */
bool conflict_known(const struct conflict *c);

/* In the child after fork: nothing was written. */
void conflict_forked(void);

#endif
