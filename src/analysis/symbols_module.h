/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One native module of a trace: its file, opened when the first address in it is asked for, and its resolved addresses.
 */
#ifndef CPROBE_ANALYSIS_SYMBOLS_MODULE_H
#define CPROBE_ANALYSIS_SYMBOLS_MODULE_H

#include "analysis/symbols_pool.h"
#include "analysis/symbols_stack.h"

struct symbols_module;

/* Opens nothing yet. Strings come from `pool`, which must outlive the module. `path` ends in " (deleted)" where the
   file had been removed while it was mapped. NULL: no memory. */
struct symbols_module *symbols_module_new(struct symbols_pool *pool, const char *path, const uint8_t *build_id,
                                          size_t id_size);
void symbols_module_free(struct symbols_module *module);

/*
 * The functions at `address`, in the file's own terms (pc - bias). Cached: the result lives as long as the module.
 * NULL: no memory. Where the file is missing or of another build the function is the address in hexadecimal.
 */
const struct symbols_native *symbols_module_resolve(struct symbols_module *module, uint64_t address);

/* The variable at `address`, demangled, with its offset in it ("pool", "table+64"); NULL: none that is known, or no
 * memory. */
const char *symbols_module_variable(struct symbols_module *module, uint64_t address);

/* Base name of the file. */
const char *symbols_module_name(const struct symbols_module *module);

/* The function that a trace names `symbol` (generated code, or a symbol of the file as it was), without opening the
   file. Cached likewise. NULL: no memory. */
const struct symbols_native *symbols_module_named(struct symbols_module *module, const char *symbol);

/* A sentence for the user about why the module's functions have no names; NULL: none (yet). */
const char *symbols_module_warning(const struct symbols_module *module);

#endif
