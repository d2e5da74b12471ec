/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text from recorded programs: names and paths are bytes that anybody may have chosen. This decodes them as UTF-8
 * (RFC 3629) without trusting them.
 */
#ifndef CPROBE_REPORT_UTF8_H
#define CPROBE_REPORT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT 0xFFFDu /* U+FFFD stands for each byte that is not part of valid UTF-8 */

/* Decodes the character at s[0..left), left > 0. Returns the bytes used (1 to 4) and stores its code point. */
size_t utf8_decode(const char *s, size_t left, uint32_t *code);

/* Writes `code` at out[0..4). Returns the bytes written. */
size_t utf8_encode(uint32_t code, char out[4]);

/* Columns that a terminal gives the character: 0, 1 or 2. */
unsigned utf8_columns(uint32_t code);

/* Could change what a terminal shows elsewhere: controls (C0, DEL, C1), line separators, direction overrides. */
bool utf8_is_hostile(uint32_t code);

/* A copy of `s` with every invalid byte replaced by U+FFFD; for free(). NULL when out of memory. */
char *utf8_repair(const char *s);

#endif
