/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of generated code for traces without them: the recorder inside a process does not read perf maps. The process's
 * own file is read now, if it is still here and can only be its own.
 */
#ifndef CPROBE_ANALYSIS_SYMBOLS_GENERATED_H
#define CPROBE_ANALYSIS_SYMBOLS_GENERATED_H

#include "trace/reader.h"

struct symbols_generated;

/* Empty where there is no such file. NULL: no memory. */
struct symbols_generated *symbols_generated_new(const struct trace *t);
void symbols_generated_free(struct symbols_generated *g);

/* The function at `pc`, valid as long as `g`; NULL: unknown. */
const char *symbols_generated_find(struct symbols_generated *g, uint64_t pc);

#endif
