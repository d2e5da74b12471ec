/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CPROBE_ANALYSIS_REMEDY_H
#define CPROBE_ANALYSIS_REMEDY_H

#include "analysis/problem.h"

/* What to change about this wait in a loop of kind `loop_kind`: one or two sentences of remedies.def, static. */
const char *remedy_of(const struct share *share, const char *loop_kind);

#endif
