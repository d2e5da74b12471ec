/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Quantities as people read them. Every function writes at most `size` bytes, NUL included, and returns `buffer`.
 */
#ifndef CPROBE_REPORT_UNITS_H
#define CPROBE_REPORT_UNITS_H

#include <stddef.h>
#include <stdint.h>

#define UNIT_SIZE 40 /* enough for any of them */

/* "812 ns", "81.2 µs", "4.06 s", "2 min 05 s", "3 h 02 min": three digits, then whole units. */
const char *unit_duration(uint64_t ns, char *buffer, size_t size);
/* 0.382: "38.2 %"; below 0.1 %: "< 0.1 %". A share that is no number: "?". */
const char *unit_share(double share, char *buffer, size_t size);
/* part / whole as a share; "-" where whole is 0. */
const char *unit_part(uint64_t part, uint64_t whole, char *buffer, size_t size);
/* "812", "81,234", "12.3 M". */
const char *unit_count(uint64_t count, char *buffer, size_t size);
/* CLOCK_REALTIME nanoseconds as RFC 3339 in UTC with milliseconds: "2026-01-01T12:00:01.123Z". */
const char *unit_rfc3339(uint64_t real_ns, char *buffer, size_t size);
/* The same for people: "2026-01-01 12:00:01". */
const char *unit_date(uint64_t real_ns, char *buffer, size_t size);

/* A curve of block characters, one for each of values[0..count), the largest full height; as many as fit. */
const char *unit_spark(const uint64_t *values, size_t count, char *buffer, size_t size);

#endif
