/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operations on watched objects: what a thread, or a fiber of it, does to an object from the call of a method until it
 * returns. Methods that this one calls on the same object are part of it.
 *
 *     uint16_t use = python_use_begin(object, method);     // 0: part of another one, or no room
 *     … call it …
 *     if (use)
 *         python_use_end(use, result == NULL);             // an exception is set then, and stays
 *
 * Where records go: exact counts into counters (call `object`), all operations of a window (python_window.h) and
 * examples with their stack into MUTATE records, overlaps into OVERLAP (python_overlap.h).
 *
 * All with the GIL held; several operations of one thread may be under way where greenlets take turns on it.
 */
#ifndef CPROBE_CAPTURE_PYTHON_USE_H
#define CPROBE_CAPTURE_PYTHON_USE_H

#include "capture/lockset.h"
#include "capture/python_objects.h"
#include "capture/thread.h"

#define USES 1024u
#define USE_LOCKS 6 /* held at its begin or taken in it; more are not followed */

enum use_flags {
    USE_WRITES = 0x01,     /* it, or a method that it called, may have changed the object */
    USE_OVERLAPPED = 0x02, /* another one was inside as well, and one of both writes */
    USE_FOUND = 0x04,      /* … when this one began */
    USE_LOCKS_INSIDE = 0x08,
};

struct use {
    struct python_object *object; /* NULL: free */
    const struct python_method *method;
    struct thread *thread;
    uintptr_t state, fiber; /* PyThreadState; greenlet, 0 where there are none */
    uint64_t begin_ns;
    uint32_t tid;
    uint32_t window;   /* 0: begun outside of any */
    uint16_t next;     /* of those inside the object, or of the free ones */
    uint16_t outer;    /* that the thread was in before */
    uint16_t inside;   /* others, at its begin */
    uint16_t overlaps; /* that wait for its end (python_overlap.c) */
    uint8_t flags;
    uint8_t locks;
    struct held lock[USE_LOCKS];
};

uint16_t python_use_begin(struct python_object *o, const struct python_method *method);
void python_use_end(uint16_t index, bool raised);

/* The object is no more. */
void python_uses_forget(struct python_object *o);

struct use *python_use_at(uint16_t index);

/* The greenlet that the calling thread runs, 0: the program has none. */
uintptr_t python_greenlet(uint64_t now_ns);

#endif
