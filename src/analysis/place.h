/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a stack says about who is responsible for a wait: the driver (a native library or an installed Python package
 * that is neither the user's nor the system's) and the user's own code that called it.
 */
#ifndef CPROBE_ANALYSIS_PLACE_H
#define CPROBE_ANALYSIS_PLACE_H

#include <stdint.h>

#include "analysis/model.h"

struct place {
    uint64_t hash;              /* the innermost frames of driver and user's code, see place_of; 0: no such frame */
    const struct frame *driver; /* innermost frame of a driver, NULL: none or inside the user's code */
    const struct frame *user;   /* innermost frame of the user's own code, preferably Python; NULL: none */
};

enum frame_origin { ORIGIN_SYSTEM, ORIGIN_DRIVER, ORIGIN_USER };

/* Whose code a frame is. `program`: base name of the process's executable. */
enum frame_origin frame_origin(const struct frame *frame, const char *program);

/*
 * hash covers up to PLACE_FRAMES elements from the inside out, without addresses or lines, so that it survives edits
 * elsewhere, restarts and other hosts: at most PLACE_DRIVERS drivers by module, repeats taken once, then functions of
 * the user's code by module and name.
 */
#define PLACE_FRAMES 3
#define PLACE_DRIVERS 2
struct place place_of(const struct stack *stack, const char *program);

/* Only frames [first, count) of the stack. */
struct place place_of_range(const struct stack *stack, size_t first, size_t count, const char *program);

/* FNV-1a, for fingerprints: the same on every machine. Texts are separated, so that "ab","c" and "a","bc" differ. */
#define PLACE_HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t place_hash_text(uint64_t hash, const char *text);

/* The module, for a Python package its top name ("MySQLdb" of MySQLdb.cursors): how a driver is called in titles.
   Returned memory belongs to `arena`. */
const char *driver_name(const struct frame *frame, struct arena *arena);

#endif
