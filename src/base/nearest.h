/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "Did you mean …": which of several known names is nearest to what somebody typed.
 */
#ifndef CPROBE_BASE_NEAREST_H
#define CPROBE_BASE_NEAREST_H

#include <stddef.h>

/* Edits (insertion, deletion, substitution, swap of neighbours) that turn `a` into `b`, case ignored. Bytes beyond the
   first 63 are not compared. Thread-safe, allocates nothing. */
unsigned nearest_distance(const char *a, const char *b);

/* The name in names[0..count) with the fewest edits from `typed`, the first of equals; NULL when none is near enough to
   be what was meant (more than a third of its length, at least two edits). Returns one of the pointers given. */
const char *nearest_name(const char *typed, const char *const *names, size_t count);

#endif
