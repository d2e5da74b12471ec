/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that lives as long as one report. Nothing is freed singly. There is no way to go on without memory here: these
 * functions never return NULL, they end the process with a message and status 3. One thread at a time per arena.
 */
#ifndef CPROBE_ANALYSIS_ARENA_H
#define CPROBE_ANALYSIS_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *arena);

/* Zeroed, aligned for any type. */
void *arena_get(struct arena *arena, size_t size);
char *arena_copy(struct arena *arena, const char *text);
char *arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Heap memory under the same rule, for arrays that grow: realloc and calloc that do not fail. */
void *memory_resize(void *old, size_t count, size_t size);
void *memory_get(size_t count, size_t size);

/* Makes room for one more element in an array of `count` elements whose capacity is *capacity; returns the array. */
void *memory_grow(void *array, size_t count, size_t *capacity, size_t size);

#endif
