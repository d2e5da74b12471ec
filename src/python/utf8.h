/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of CPython's str objects (PEP 393: one, two or four bytes a character, whichever the widest needs). */
#ifndef CPROBE_PYTHON_UTF8_H
#define CPROBE_PYTHON_UTF8_H

#include <stddef.h>

/*
 * Writes `length` characters of `kind` (1, 2, 4) bytes each as UTF-8, cut to `size` bytes at a character's end; lone
 * surrogates become U+FFFD. Returns the number of bytes. Pure; safe in signal handlers.
 */
size_t python_utf8(const void *data, size_t length, unsigned kind, char *buffer, size_t size);

#endif
