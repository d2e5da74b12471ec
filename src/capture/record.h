/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the recorder's parts use to put definitions into the trace. All are lock-free, allocate nothing from the host's
 * heap, may be called in any hook on any thread, and do nothing when recording is off.
 */
#ifndef CPROBE_CAPTURE_RECORD_H
#define CPROBE_CAPTURE_RECORD_H

#include <stddef.h>
#include <stdint.h>

/* Enters a Python code object; returns its number (1 … 2^31 - 1), 0 where there is no room. Strings are bytes of UTF-8
 * without end mark. */
uint32_t record_code(uint32_t first_line, uint16_t version, const char *name, size_t name_length, const char *file,
                     size_t file_length, const uint8_t *linetable, size_t linetable_size);

enum record_severity { RECORD_INFO = 0, RECORD_WARNING = 1, RECORD_ERROR = 2 };

/* A sentence for the reader of the trace. */
void record_note(enum record_severity severity, const char *text, size_t length);

/* Zeroed private memory that is never returned, NULL where there is none. Rounded up to pages: for tables, not for
 * objects. */
void *record_memory(size_t size);

#endif
