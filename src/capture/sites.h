/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is what is allocated here worth watching? Judged by the names of the functions on the stack, static ones included
 * (symtab.h), against CPROBE_WATCH (pattern.h). Of the program's own code only the nearest frames count: what a whole
 * thread is named after says nothing of each of its allocations.
 *
 * Functions of the C++ library's templates are passed over like libraries, unless they are of a type that is asked for.
 *
 * The program's own code is its executable, and libraries that do not lie where the system's do. With the default of
 * CPROBE_WATCH only that is looked into, else libraries too, but never libc, the loader or the recorder.
 *
 * An object is read once, when the first stack (or the first thread) meets it; the variables that are to be watched are
 * entered into the list then. Lock-free; any thread; the caller has entered the recorder.
 */
#ifndef CPROBE_CAPTURE_SITES_H
#define CPROBE_CAPTURE_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/modules.h"
#include "capture/pattern.h"

#define SITES_NEAR 5u    /* frames of the program's own code that count, from the innermost */
#define SITES_FRAMES 24u /* frames that are worth taking for sites_judge */

/* At start, before the first call of anything else here. `own`: the program's own code only. */
void sites_init(const struct patterns *patterns, bool own_only);

/* Return addresses, innermost first. Returns a hash of the frames up to the one that makes it interesting, not 0; 0:
   boring. The same place gives the same hash as long as its object stays loaded. */
uint64_t sites_judge(const uint64_t *frames, size_t count);

/* Whether the object is libc, the loader or a part of the compiler's runtime. */
bool sites_runtime(const struct module *object);

/* In the child after fork: what another thread was just reading is to be read anew. */
void sites_forked(void);

/* From now on there is more than one thread: variables of all objects that are loaded matter. */
void sites_threads_begin(void);

#endif
