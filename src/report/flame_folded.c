/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Folded stacks, as Brendan Gregg's stackcollapse programs write them (github.com/brendangregg/FlameGraph): frames from
 * the root on, joined by ';', a space, the weight in whole microseconds. The weight stands behind the line's last
 * space.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/flame.h"

struct folded_line {
    char *text;
    uint64_t ns;
};

static void name_write(char *name, FILE *out)
{
    for (char *c = name; *c; c++)
        *c = *c == ';' ? ':' : *c;
    fputs(name, out);
}

/* The frames of one stack, for free(). NULL: out of memory. */
static char *stack_text(const struct profile *profile, const struct profile_stack *stack)
{
    char label[FLAME_LABEL_SIZE], *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);
    if (!memory)
        return NULL;
    name_write(flame_thread_label(&profile->threads[stack->thread], label, sizeof(label)), memory);
    for (size_t i = 0; i < stack->frame_count; i++) {
        fputc(';', memory);
        name_write(flame_label(&profile->frames[stack->frames[i]], label, sizeof(label)), memory);
    }
    if (fclose(memory) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static int line_compare(const void *left, const void *right)
{
    const struct folded_line *a = left, *b = right;
    return strcmp(a->text, b->text);
}

/* Threads of one name and lines of one function may give equal lines: they are added up. */
static void lines_write(struct folded_line *lines, size_t count, FILE *out)
{
    if (count > 0)
        qsort(lines, count, sizeof(*lines), line_compare);
    for (size_t i = 0; i < count;) {
        const char *text = lines[i].text;
        uint64_t ns = 0;
        for (; i < count && strcmp(lines[i].text, text) == 0; i++)
            ns += lines[i].ns;
        if (ns >= 500)
            fprintf(out, "%s %" PRIu64 "\n", text, (ns + 500) / 1000);
    }
}

int flame_folded_write(const struct flame *flame, FILE *out)
{
    struct folded_line *lines = calloc(flame->profile->stack_count + 1, sizeof(*lines));
    const struct profile_stack *stack;
    size_t count = 0;
    int result = lines ? 0 : -ENOMEM;
    for (size_t i = 0; result == 0 && (stack = flame_next(flame, &i)); count++) {
        lines[count] = (struct folded_line){stack_text(flame->profile, stack), stack->total_ns};
        if (!lines[count].text)
            result = -ENOMEM;
    }
    if (result == 0)
        lines_write(lines, count, out);
    for (size_t i = 0; i < count; i++)
        free(lines[i].text);
    free(lines);
    return result;
}
