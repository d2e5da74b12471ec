/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/resync.h"

#include <string.h>

void resync_begin(struct resync *r, bool lines, bool at_start)
{
    r->on = r->lost = true;
    r->lines = lines;
    r->at_start = at_start || !lines;
    r->used = 0;
}

/* The line begins no message: what stands further on in it may. */
static void line_reject(struct resync *r, uint8_t *line)
{
    const uint8_t *next = line + 1;
    if (r->lines) {
        const uint8_t *newline = memchr(line, '\n', r->used);
        next = newline ? newline + 1 : NULL;
    }
    r->rejected++;
    r->at_start = next != NULL;
    r->used = (uint8_t)(next ? line + r->used - next : 0);
    if (next)
        memmove(line, next, r->used);
}

bool resync_find(struct resync *r, uint8_t line[RESYNC_LINE], resync_guess *guess, enum wire_side side,
                 const uint8_t **at, const uint8_t *end)
{
    while (!resync_failed(r)) {
        if (!r->at_start) {
            const uint8_t *newline = memchr(*at, '\n', (size_t)(end - *at));
            *at = newline ? newline + 1 : end;
            r->at_start = newline != NULL;
        }
        if (*at == end)
            return false;
        line[r->used++] = *(*at)++;
        enum wire_guess is;
        while (r->used > 0 && !resync_failed(r) && (is = guess(line, r->used, side)) != WIRE_GUESS_MORE) {
            if (is == WIRE_GUESS_YES)
                return true;
            line_reject(r, line);
        }
        if (r->used == RESYNC_LINE)
            line_reject(r, line);
    }
    return false;
}

size_t resync_end(struct resync *r)
{
    size_t used = r->used;
    r->on = false;
    r->used = 0;
    return used;
}
