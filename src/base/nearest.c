/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Optimal string alignment distance, the restricted Damerau-Levenshtein distance with three rows: L. Boytsov, "Indexing
 * methods for approximate dictionary searching", ACM JEA 16 (2011), section 2.2.
 */
#include "base/nearest.h"

#include <string.h>

#define NAME_MAX_COMPARED 63

static unsigned unsigned_min(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* ASCII only: the same in every locale, and safe wherever the recorder runs. */
static int byte_lower(const char *s, size_t i)
{
    return s[i] >= 'A' && s[i] <= 'Z' ? s[i] - 'A' + 'a' : s[i];
}

unsigned nearest_distance(const char *a, const char *b)
{
    unsigned rows[3][NAME_MAX_COMPARED + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];
    size_t a_length = strnlen(a, NAME_MAX_COMPARED);
    size_t b_length = strnlen(b, NAME_MAX_COMPARED);

    memset(rows, 0, sizeof(rows));
    for (size_t j = 0; j <= b_length; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        unsigned *recycled = before;
        before = above;
        above = row;
        row = recycled;
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned substitution = above[j - 1] + (byte_lower(a, i - 1) != byte_lower(b, j - 1));
            row[j] = unsigned_min(unsigned_min(above[j], row[j - 1]) + 1, substitution);
            if (i > 1 && j > 1 && byte_lower(a, i - 1) == byte_lower(b, j - 2) &&
                byte_lower(a, i - 2) == byte_lower(b, j - 1))
                row[j] = unsigned_min(row[j], before[j - 2] + 1);
        }
    }
    return row[b_length];
}

const char *nearest_name(const char *typed, const char *const *names, size_t count)
{
    const char *best = NULL;
    unsigned best_distance = 0;

    for (size_t i = 0; i < count; i++) {
        unsigned distance = nearest_distance(typed, names[i]);
        if (!best || distance < best_distance) {
            best = names[i];
            best_distance = distance;
        }
    }
    if (!best)
        return NULL;
    unsigned near_enough = (unsigned)strnlen(best, NAME_MAX_COMPARED) / 3;
    return best_distance <= (near_enough > 2 ? near_enough : 2) ? best : NULL;
}
