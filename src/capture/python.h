/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPython frames of the calling thread, read from the interpreter's own structs (src/python/layout.def) without
 * taking the GIL: a thread's frames are its own, no other thread changes them while it is inside a call. Versions 3.8
 * to 3.13 with the GIL; any other interpreter is noted in the trace once and left alone.
 *
 * Everything here is lock-free, allocates nothing, calls nothing of Python but three functions that only read a
 * variable, and may run in any hook on any thread, in signal handlers too. One interpreter per process: the first one
 * that is found.
 */
#ifndef CPROBE_CAPTURE_PYTHON_H
#define CPROBE_CAPTURE_PYTHON_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* To be called once for each loaded object, when it is first seen and after the trace accepts records. Cheap for
   objects that are not the interpreter. path: for the note to the user, may be NULL. */
void python_module_loaded(const struct link_map *map, const char *path);

/* To be called when [start, end) has been unmapped (dlclose): forgets an interpreter that was there. */
void python_module_unloaded(uintptr_t start, uintptr_t end);

/* An interpreter is in this process: python_frames is worth a call. */
bool python_active(void);

/* The address lies in the interpreter's own code or variables (not in its heap). */
bool python_owns(uintptr_t address);

/* The calling thread holds the GIL, so that no other Python thread runs while it waits. Exact, but false where it
   cannot be known: sub-interpreters before 3.12, unknown versions. */
bool python_gil_held(void);

/*
 * Writes the calling thread's frames to out, innermost first, as PY_FRAME of trace/format.h; at most `max` (sensible:
 * STACK_MAX_PYTHON), returns how many. A code number of 0 stands for code that the trace had no room for. Adds to
 * *flags: STACK_TRUNCATED: there were more frames; STACK_PYTHON_LOST: there are frames that could not be read.
 */
size_t python_frames(uint64_t *out, size_t max, uint16_t *flags);

/* The same of the thread with this PyThreadState. The caller holds the GIL, and the other thread waits for it. */
size_t python_frames_of(uintptr_t state, uint64_t *out, size_t max, uint16_t *flags);

/* The calling thread's PyThreadState while it holds the GIL; 0: not known. */
uintptr_t python_thread(void);

/*
 * What tells apart the chains of frames that take turns on this thread: the address of the outermost frame of the
 * calling one. A thread has one, every greenlet its own (greenlets exchange the thread state's innermost frame when
 * they switch); generators and coroutines are part of the chain that runs them. 0: no frames, or not known.
 */
uintptr_t python_fiber(void);

#endif
