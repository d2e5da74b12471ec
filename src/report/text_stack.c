/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stack in few lines. Innermost first: what the thread waited in stands on top, the way debuggers print it. Which
 * frames are shown when not all fit: the user's line, the innermost frame, the user's caller, then the frames of
 * drivers and user code from the inside, then those of the system.
 */
#include <stdlib.h>

#include "analysis/function_name.h"
#include "report/text.h"
#include "report/where.h"

#define STACK_INDENT 4
#define FUNCTION_COLUMNS 34
#define FRAMES_MAX 1024 /* more than a recorded stack can have */

/* The place of frame i in the order of importance: small is important. */
static size_t frame_rank(const struct stack *stack, size_t user, size_t i)
{
    if (i == user)
        return 0;
    if (i == 0)
        return 1;
    if (user != WHERE_NONE && i == user + 1)
        return 2;
    return 3 + i + (stack->frames[i].system ? FRAMES_MAX : 0);
}

/* Lines that the frames of rank up to `limit` take, gaps included. */
static unsigned lines_needed(const struct stack *stack, size_t user, size_t count, size_t limit)
{
    unsigned lines = 0;
    bool in_gap = false;

    for (size_t i = 0; i < count; i++) {
        bool shown = frame_rank(stack, user, i) <= limit;
        if (shown || !in_gap)
            lines++;
        in_gap = !shown;
    }
    return lines;
}

static int rank_compare(const void *a, const void *b)
{
    const size_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The largest rank such that the frames up to it fit into `lines`. */
static size_t rank_limit(const struct stack *stack, size_t user, size_t count, unsigned lines)
{
    size_t ranks[FRAMES_MAX] = {0};

    for (size_t i = 0; i < count; i++)
        ranks[i] = frame_rank(stack, user, i);
    qsort(ranks, count, sizeof(ranks[0]), rank_compare);
    for (size_t i = count; i > 0; i--)
        if (lines_needed(stack, user, count, ranks[i - 1]) <= lines)
            return ranks[i - 1];
    return 0;
}

static void gap_write(size_t frames, const struct report_style *style, FILE *out)
{
    struct line line;

    line_begin(&line, style);
    line_pad(&line, STACK_INDENT + 2);
    line_ink(&line, INK_DIM);
    line_print(&line, "… %zu more frame%s", frames, frames == 1 ? "" : "s");
    line_ink(&line, INK_NONE);
    line_end(&line, out);
}

static void frame_write(const struct frame *frame, bool user, const struct report_style *style, FILE *out)
{
    struct line line;
    char place[1200];

    line_begin(&line, style);
    line_pad(&line, STACK_INDENT);
    line_ink(&line, user ? INK_BOLD : frame->system ? INK_DIM : INK_NONE);
    line_print(&line, user ? "▶ " : "  ");
    line_text(&line, function_name_short(frame, place, sizeof(place)), FUNCTION_COLUMNS, LINE_CUT_END);
    if (frame->inlined && line.columns + 10 <= STACK_INDENT + 2 + FUNCTION_COLUMNS)
        line_print(&line, " (inlined)");
    line_pad(&line, STACK_INDENT + 2 + FUNCTION_COLUMNS);
    line_print(&line, " ");
    if (frame->kind != FRAME_PYTHON && frame->file) {
        line_text(&line, frame->module, 28, LINE_CUT_END);
        line_print(&line, " ");
    }
    line_text(&line, where_place(frame, place, sizeof(place)), line_left(&line), LINE_CUT_START);
    line_ink(&line, INK_NONE);
    line_end(&line, out);
}

void text_stack(const struct stack *stack, const struct process_info *process, unsigned lines,
                const struct report_style *style, FILE *out)
{
    size_t count = stack->count < FRAMES_MAX ? stack->count : FRAMES_MAX;
    if (count == 0)
        return;
    size_t user = where_user(stack, process);
    size_t limit = rank_limit(stack, user, count, lines);
    size_t hidden = 0;

    for (size_t i = 0; i < count; i++) {
        if (frame_rank(stack, user, i) > limit) {
            hidden++;
            continue;
        }
        if (hidden > 0)
            gap_write(hidden, style, out);
        hidden = 0;
        frame_write(&stack->frames[i], i == user, style, out);
    }
    hidden += stack->count - count;
    if (hidden > 0)
        gap_write(hidden, style, out);
}
