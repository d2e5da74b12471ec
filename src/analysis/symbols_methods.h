/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of C functions that Python code calls, in files without symbols: Debian's python3 and its extension modules are
 * stripped, but each such function stands with its Python name in a table (struct PyMethodDef of CPython's
 * methodobject.h: name, function, flags, documentation), and where functions begin is told by .eh_frame_hdr.
 */
#ifndef CPROBE_ANALYSIS_SYMBOLS_METHODS_H
#define CPROBE_ANALYSIS_SYMBOLS_METHODS_H

#include <elfutils/libdwfl.h>
#include <stddef.h>
#include <stdint.h>

struct symbols_method {
    uint64_t start, end; /* in the module's own terms */
    const char *name;    /* lives as long as the module */
};

/* All that the file of `module` has, in no order. Returns how many; *out is to be freed, NULL where there are none or
   no memory. */
size_t symbols_methods_read(Dwfl_Module *module, struct symbols_method **out);

#endif
