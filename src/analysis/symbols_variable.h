/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Variables of an ELF file: which one an address of its data lies in. */
#ifndef CPROBE_ANALYSIS_SYMBOLS_VARIABLE_H
#define CPROBE_ANALYSIS_SYMBOLS_VARIABLE_H

#include <elfutils/libdwfl.h>
#include <stdint.h>

/*
 * The symbol name, as in the file, of the variable that covers `address` (in the module's own terms), and in *offset
 * how many bytes behind its start that is; NULL: none. Looks through the whole table: for the few addresses that are
 * asked for (locks), not for many.
 */
const char *symbols_variable_find(Dwfl_Module *module, uint64_t address, uint64_t *offset);

#endif
