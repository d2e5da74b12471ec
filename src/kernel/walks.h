/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walks over copied stacks that were made before. Threads wait in the same places again and again, and to interpret
 * call frame information takes a hundred times as long as to see that it would lead to the same frames.
 *
 * It would if the program counter is the same, and so is all that decided where frames and return addresses lie: of the
 * registers and of the words that the walk read, the return addresses, and what points into the stack, as its distance
 * from the stack pointer. Not thread-safe.
 */
#ifndef CPROBE_KERNEL_WALKS_H
#define CPROBE_KERNEL_WALKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct walks;
struct images_thread;

/* NULL: no memory; the other functions then do nothing. */
struct walks *walks_new(void);
void walks_free(struct walks *w);
/* The code has changed. */
void walks_forget(struct walks *w);

/* The frames of a walk that this one would repeat, innermost first. Returns how many, 0: none is known. Valid until
   the next call. */
size_t walks_find(struct walks *w, const struct images_thread *thread, const uint64_t **frames);

/* A walk: walks_begin, walks_read for each word read, `offset` bytes above the stack pointer, and, if it came to the
   thread's start, walks_keep. */
void walks_begin(struct walks *w);
void walks_read(struct walks *w, uint64_t offset);
void walks_keep(struct walks *w, const struct images_thread *thread, const uint64_t *frames, size_t count);

#endif
