/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The functions behind hooks of libraries other than libc. A program may have several copies of such a library (a
 * Python wheel brings its own libssl, say), most of them loaded where dlsym(RTLD_NEXT) does not look (dlopen without
 * RTLD_GLOBAL, the Python interpreter's way). Which one a caller means is what the dynamic linker would have bound it
 * to without us: the global one, if it is of the file name that the caller's object needs, else the one among that
 * object's own dependencies.
 *
 * Found once for each place that calls. Lock-free but for the first call of a function; any thread.
 */
#ifndef CPROBE_CAPTURE_LIBRARIES_H
#define CPROBE_CAPTURE_LIBRARIES_H

#include <link.h>
#include <stdint.h>

#include "capture/real.h"

/* A calling place, and what it calls. */
struct library_call {
    void *function;
    const struct link_map *library; /* that defines it */
};

/* The real function of row `index` for a hook called from `pc`. function NULL: there is none. */
struct library_call library_call(enum real_index index, const char *name, uintptr_t pc);

#endif
