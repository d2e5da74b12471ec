/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All symbols of a loaded object, static ones included, from the file that it was loaded from: its .symtab, or where it
 * was stripped, its .dynsym (System V ABI, chapter 4).
 *
 * The file is read, not mapped: it may be cut while it is looked at. One that has been replaced since it was loaded is
 * refused. Takes some milliseconds for 100,000 symbols. Allocates by mmap and gives it back. Any thread; keeps errno;
 * not async-signal-safe only in that it opens a file.
 */
#ifndef CPROBE_CAPTURE_SYMTAB_H
#define CPROBE_CAPTURE_SYMTAB_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

#define SYMTAB_BYTES_MAX (UINT64_C(64) << 20) /* symbols and names of one file */

struct symtab_symbol {
    const char *name; /* valid during the call */
    uintptr_t start;  /* where it lies in memory */
    uint64_t size;    /* bytes, not 0 */
    bool function;    /* else a variable */
    bool writable;    /* not in a section that is only read, nor relocated once and then protected */
};

/* Calls `each` for every function and variable (not thread-local) that `map` defines. Returns how many there were;
 * negative errno: the file cannot be read, has no table, is not the one that was loaded. */
int symtab_read(const struct link_map *map, void (*each)(const struct symtab_symbol *symbol, void *context),
                void *context);

#endif
