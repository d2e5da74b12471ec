/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quantities and places in the words of titles and evidence. Results belong to `arena`. */
#ifndef CPROBE_ANALYSIS_WORDS_H
#define CPROBE_ANALYSIS_WORDS_H

#include <stdint.h>

#include "analysis/arena.h"
#include "analysis/symbols.h"

/* 0.38: "38 %"; 0.0123: "1.2 %". */
const char *words_share(double share, struct arena *arena);
/* "4.06 s", "812 µs", "90 ns". */
const char *words_duration(uint64_t ns, struct arena *arena);
/* The function's name, short (function_name.h). */
const char *words_function(const struct frame *frame, struct arena *arena);
/* "View.get (/srv/app/views.py:33)"; without a line "app.views.View.get", native: "serve (server)". */
const char *words_frame(const struct frame *frame, struct arena *arena);
/* CLOCK_REALTIME nanoseconds as RFC 3339 in UTC with milliseconds. */
const char *words_time(uint64_t real_ns, struct arena *arena);

#endif
