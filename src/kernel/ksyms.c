/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/ksyms.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KSYM_SIZE_MAX (UINT64_C(1) << 20) /* the last symbol of a region has no next one nearby */

struct ksyms {
    struct ksym *items; /* by start */
    size_t count, capacity;
};

static int ksym_compare(const void *a, const void *b)
{
    const struct ksym *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

/* One line: "ffffffff81000000 T name\t[module]". 0, or -1: no memory. */
static int line_take(struct ksyms *k, char *line)
{
    char type, name[256], module[128] = "";
    uint64_t start;
    if (sscanf(line, "%" SCNx64 " %c %255s [%127[^]]", &start, &type, name, module) < 3 || !start ||
        !strchr("tTwW", type))
        return 0;
    if (k->count == k->capacity) {
        size_t capacity = k->capacity ? 2 * k->capacity : 65536;
        struct ksym *larger = reallocarray(k->items, capacity, sizeof(*larger));
        if (!larger)
            return -1;
        k->items = larger;
        k->capacity = capacity;
    }
    char *text = malloc(strlen(name) + strlen(module) + 2);
    if (!text)
        return -1;
    char *module_at = stpcpy(text, name) + 1;
    strcpy(module_at, module);
    k->items[k->count++] = (struct ksym){start, 0, text, module_at};
    return 0;
}

struct ksyms *ksyms_read(const char *path)
{
    struct ksyms *k = calloc(1, sizeof(*k));
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    int rc = k && file ? 0 : -1;
    while (rc == 0 && getline(&line, &size, file) > 0)
        rc = line_take(k, line);
    free(line);
    if (file)
        fclose(file);
    if (rc < 0) {
        ksyms_free(k);
        return NULL;
    }
    if (k->count)
        qsort(k->items, k->count, sizeof(*k->items), ksym_compare);
    for (size_t i = k->count; i-- > 0;) {
        struct ksym *s = &k->items[i];
        uint64_t end = i + 1 == k->count ? s->start + KSYM_SIZE_MAX : s[1].start == s->start ? s[1].end : s[1].start;
        s->end = end - s->start > KSYM_SIZE_MAX ? s->start + KSYM_SIZE_MAX : end;
    }
    return k;
}

void ksyms_free(struct ksyms *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->count; i++)
        free((char *)k->items[i].name);
    free(k->items);
    free(k);
}

const struct ksym *ksyms_find(const struct ksyms *k, uint64_t pc)
{
    size_t low = 0, high = k ? k->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (k->items[middle].start <= pc)
            low = middle + 1;
        else
            high = middle;
    }
    return low && pc < k->items[low - 1].end ? &k->items[low - 1] : NULL;
}
