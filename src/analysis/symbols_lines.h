/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Source lines and inlined functions of one ELF file, from its DWARF where there is any. */
#ifndef CPROBE_ANALYSIS_SYMBOLS_LINES_H
#define CPROBE_ANALYSIS_SYMBOLS_LINES_H

#include <elfutils/libdwfl.h>
#include <stddef.h>
#include <stdint.h>

struct symbols_lines;

/* One function around an address. Strings live as long as the module. */
struct symbols_place {
    const char *function; /* linkage name where there is one; NULL: unknown */
    const char *file;     /* NULL: unknown */
    uint32_t line;        /* 0: unknown */
};

/* Loads no debug information yet. NULL: no memory. */
struct symbols_lines *symbols_lines_new(Dwfl_Module *module);
void symbols_lines_free(struct symbols_lines *lines);

/*
 * The functions whose code `address` (in the module's own terms) is: inlined ones first, innermost first, the one that
 * was really called last. Writes at most `max`; returns their number, 0 without debug information for that address. A
 * single place without function name: only the line is known.
 */
size_t symbols_lines_find(struct symbols_lines *lines, uint64_t address, struct symbols_place *places, size_t max);

#endif
