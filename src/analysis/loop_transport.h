/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A loop framework's own connections: loop_transport.def. */
#ifndef CPROBE_ANALYSIS_LOOP_TRANSPORT_H
#define CPROBE_ANALYSIS_LOOP_TRANSPORT_H

#include "analysis/symbols.h"

/* True for a wait in the framework's own connection, made by a loop of this kind in the executable `program`. */
bool loop_transport_waits(const char *kind, const struct stack *stack, const char *program);

#endif
