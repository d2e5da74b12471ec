/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The functions of one ELF file, sorted by address, with one good name for each address. An address between two symbols
 * belongs to neither: in a stripped library the nearest exported function says nothing about the code behind it.
 */
#ifndef CPROBE_ANALYSIS_SYMBOLS_TABLE_H
#define CPROBE_ANALYSIS_SYMBOLS_TABLE_H

#include <elfutils/libdwfl.h>
#include <stddef.h>
#include <stdint.h>

struct symbols_table;

/* Reads .symtab (of the file or of its debug file) or .dynsym, and what Python knows by name (symbols_methods.h). 0
   with *out owned by the caller, or -ENOMEM. A file without symbols gives an empty table. The table points to names
   inside `module`, which must outlive it. */
int symbols_table_new(Dwfl_Module *module, struct symbols_table **out);
void symbols_table_free(struct symbols_table *table);

/* The symbol name, as in the file, of the function that covers `address` (in the module's own terms), or NULL. */
const char *symbols_table_find(const struct symbols_table *table, uint64_t address);

/*
 * How many bytes of `name` are the function's own: without "@@GLIBC_2.3.2" and without what GCC and clang append to
 * clones
 * (.part.0, .isra.0, .constprop.0, .cold, .lto_priv.0, .llvm.123).
 */
size_t symbols_name_length(const char *name);

#endif
