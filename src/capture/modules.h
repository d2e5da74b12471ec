/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The objects (executable, libraries) that stacks have met. An object is entered, and written to the trace, when the
 * first frame in it is seen; dlopen is not interposed, because that would change whose RUNPATH it searches.
 */
#ifndef CPROBE_CAPTURE_MODULES_H
#define CPROBE_CAPTURE_MODULES_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

struct module {
    uintptr_t start, end; /* [start, end) of the whole mapping */
    uintptr_t bias;
    const void *eh_frame_hdr;
    const struct link_map *link_map;
    uint32_t loaded;   /* module generations [loaded, unloaded) */
    uint32_t unloaded; /* UINT32_MAX: still there */
    uint32_t ready;    /* stored last (release) */
};

/* At start, on the main thread, before any hook records: enters everything loaded so far. */
void modules_init(void);

/* The object that has `pc` mapped now, entering it if it is new; NULL for code outside of any object (JIT). Lock-free.
 */
const struct module *modules_find(uintptr_t pc);

/* The objects met so far, by number from 0; NULL: no more, or the last one is just being entered. */
const struct module *modules_at(uint32_t number);

/* Grows by one whenever objects were unloaded: addresses mean something else afterwards. */
uint32_t modules_generation(void);

/* After dlclose: marks what is gone. */
void modules_check(void);

/* Whether `pc` is in libcprobe.so itself. */
bool modules_own(uintptr_t pc);

#endif
