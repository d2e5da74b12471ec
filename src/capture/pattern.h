/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPROBE_WATCH: what is to be watched, by name. Items separated by commas:
 *
 *     *cache*          blocks allocated below a function so named, and variables so named
 *     global:PATTERN   variables only
 *     !PATTERN         not those, whatever else matches
 *     *                the whole heap, and all variables
 *     off              (alone) nothing
 *
 * `*` stands for any characters, `?` for one; the case of letters does not matter. Names are symbols as the linker has
 * them, so that parts of C++ names can be asked for. Pure functions on a struct, which is not changed once it is read.
 */
#ifndef CPROBE_CAPTURE_PATTERN_H
#define CPROBE_CAPTURE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERNS_MAX 32u
#define PATTERNS_TEXT 512u
#define PATTERNS_DEFAULT "*cache*,*lru*,*ttl*,*memo*,*pool*,!*memory*"

struct pattern {
    uint16_t at; /* in the text; ended by a zero */
    uint16_t length;
    bool global; /* variables only */
    bool except;
    bool word; /* asterisks at both ends and nothing special between: at, length are of what is between */
};

struct patterns {
    char text[PATTERNS_TEXT]; /* lower case */
    uint32_t count;
    bool every; /* `*` is among them */
    struct pattern list[PATTERNS_MAX];
};

/* False: not understood (empty item, too many or too long, off beside others); *out watches nothing then. */
bool patterns_read(struct patterns *out, const char *text);

static inline bool patterns_any(const struct patterns *p)
{
    return p->count != 0;
}

/* Whether what is allocated below a function of this name is to be watched; whether a variable is. */
bool patterns_function(const struct patterns *p, const char *name);
bool patterns_variable(const struct patterns *p, const char *name);

#endif
