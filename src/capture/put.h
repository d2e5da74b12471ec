/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text built by hand where stdio is forbidden. Each writes at `out`, which must have room, with an end mark, and
 * returns where that is. */
#ifndef CPROBE_CAPTURE_PUT_H
#define CPROBE_CAPTURE_PUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline char *put_text(char *out, const char *text)
{
    size_t n = strlen(text);
    memcpy(out, text, n + 1);
    return out + n;
}

/* At most 20 digits. base: 10 or 16 */
static inline char *put_unsigned(char *out, uint64_t value, unsigned base)
{
    char digits[24];
    size_t n = 0;
    do
        digits[n++] = "0123456789abcdef"[value % base];
    while (value /= base);
    while (n)
        *out++ = digits[--n];
    *out = '\0';
    return out;
}

#endif
