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

/* r->line begins no message: what stands further on in it may. */
static void line_reject(struct resync *r)
{
    const uint8_t *next = r->line + 1;
    if (r->lines) {
        const uint8_t *newline = memchr(r->line, '\n', r->used);
        next = newline ? newline + 1 : NULL;
    }
    r->rejected++;
    r->at_start = next != NULL;
    r->used = (uint8_t)(next ? r->line + r->used - next : 0);
    if (next)
        memmove(r->line, next, r->used);
}

bool resync_find(struct resync *r, resync_guess *guess, enum wire_side side, const uint8_t **at, const uint8_t *end)
{
    while (!resync_failed(r)) {
        if (!r->at_start) {
            const uint8_t *newline = memchr(*at, '\n', (size_t)(end - *at));
            *at = newline ? newline + 1 : end;
            r->at_start = newline != NULL;
        }
        if (*at == end)
            return false;
        r->line[r->used++] = *(*at)++;
        enum wire_guess is;
        while (r->used > 0 && !resync_failed(r) && (is = guess(r->line, r->used, side)) != WIRE_GUESS_MORE) {
            if (is == WIRE_GUESS_YES)
                return true;
            line_reject(r);
        }
        if (r->used == sizeof(r->line))
            line_reject(r);
    }
    return false;
}

size_t resync_end(struct resync *r, uint8_t line[RESYNC_LINE])
{
    size_t used = r->used;
    memcpy(line, r->line, used);
    r->on = false;
    r->used = 0;
    return used;
}
