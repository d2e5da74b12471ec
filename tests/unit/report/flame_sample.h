/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A profile made by hand: a gevent thread that waits 3 s for a database (in a Python view), 1 s in a lock below a
 * kernel frame and idles 5 s; a worker with the same lock wait. Names carry what the formats must not stumble over.
 */
#ifndef CPROBE_TEST_FLAME_SAMPLE_H
#define CPROBE_TEST_FLAME_SAMPLE_H

#include "report/flame.h"

/* Static; kind 0, "blocked", without idle. The report has one finding, linked to the database's stack. */
struct flame flame_sample(void);

/* What the format writes; *size bytes, for free(). NUL-terminated behind them. */
char *flame_sample_bytes(const struct flame_format *format, const struct flame *flame, size_t *size);

#endif
