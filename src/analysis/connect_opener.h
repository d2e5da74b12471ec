/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who decided that a connection be made, from the stack of its connect. */
#ifndef CPROBE_ANALYSIS_CONNECT_OPENER_H
#define CPROBE_ANALYSIS_CONNECT_OPENER_H

#include "analysis/arena.h"
#include "analysis/symbols.h"

/* The innermost Python frame that is no driver's, pool's or mapper's (connect_layers.def); in other programs the
   innermost frame of their own code. NULL: none. `program`: base name of the executable. */
const struct frame *connect_opener(const struct stack *stack, const char *program);

/* The drivers and libraries between the opener and the system, innermost first: "libmariadb.so.3, MySQLdb, sqlalchemy".
   NULL: none. */
const char *connect_through(const struct stack *stack, const struct frame *opener, const char *program,
                            struct arena *arena);

/* What to do about connections that are opened there: one or two sentences, static. */
const char *connect_remedy(const struct frame *opener);

#endif
