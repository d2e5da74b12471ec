/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of C++ and Rust functions for people. Pure. */
#ifndef CPROBE_ANALYSIS_FUNCTION_NAME_H
#define CPROBE_ANALYSIS_FUNCTION_NAME_H

#include <stddef.h>

#include "analysis/symbols.h"

/* The name as in the source, with its parameters and template arguments, of a mangled one (Itanium C++ ABI, "_Z…";
   Rust's legacy mangling too, its hash left out). To be freed by the caller; NULL: not mangled. */
char *function_name_demangle(const char *symbol);

/* The name without parameters, template arguments and return type: "ns::Class::method". What is not of C++ is copied.
   Writes at most `size` bytes with the NUL and returns `buffer`. */
const char *function_name_short(const struct frame *frame, char *buffer, size_t size);

#endif
