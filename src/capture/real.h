/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The functions behind the hooks: the next definition of each name after libcprobe.so, so that other preloads
 * (libfaketime, jemalloc, …) keep their place in the chain. Generated from hooks.def. REAL(name)(…) works at any time,
 * also before the constructor has run.
 */
#ifndef CPROBE_CAPTURE_REAL_H
#define CPROBE_CAPTURE_REAL_H

#include "base/compiler.h"
#include "capture/prototypes.h"

enum real_index {
#define HOOK(ret, name, params, version, symbol, call) REAL_INDEX_##name,
#include "capture/hooks.def"
#include "capture/reals.def"
#undef HOOK
    REAL_COUNT
};

struct real_table {
#define HOOK(ret, name, params, version, symbol, call) ret(*name) params;
#include "capture/hooks.def"
#include "capture/reals.def"
#undef HOOK
};

extern HIDDEN struct real_table real_table;

/* Finds one function (cold); NULL where this libc does not have it. */
COLD void *real_resolve(enum real_index index);

/* Finds all that are not found yet. In the constructor. */
void real_init(void);

#define REAL(name) \
    (likely(real_table.name != NULL) ? real_table.name : (__typeof__(real_table.name))real_resolve(REAL_INDEX_##name))

#endif
