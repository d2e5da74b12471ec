/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/where.h"

#include <stdio.h>
#include <string.h>

static bool frame_is_packaged(const struct frame *frame)
{
    return strstr(frame->file, "/site-packages/") || strstr(frame->file, "/dist-packages/");
}

static bool frame_is_user(const struct frame *frame, const struct process_info *process)
{
    if (frame->system)
        return false;
    if (frame->kind == FRAME_PYTHON)
        return frame->file && !frame_is_packaged(frame);
    const char *slash = process->exe ? strrchr(process->exe, '/') : NULL;
    const char *program = slash ? slash + 1 : process->exe;
    return program && frame->module && strcmp(frame->module, program) == 0;
}

size_t where_driver(const struct stack *stack)
{
    for (size_t i = 0; stack && i < stack->count; i++)
        if (!stack->frames[i].system)
            return i;
    return WHERE_NONE;
}

size_t where_user(const struct stack *stack, const struct process_info *process)
{
    for (size_t i = 0; stack && i < stack->count; i++)
        if (frame_is_user(&stack->frames[i], process))
            return i;
    return where_driver(stack);
}

const struct frame *where_frame(const struct stack *stack, size_t i)
{
    return stack && i != WHERE_NONE ? &stack->frames[i] : NULL;
}

const char *where_place(const struct frame *frame, char *buffer, size_t size)
{
    const char *file = frame->file ? frame->file : frame->module ? frame->module : "?";

    if (frame->file && frame->line)
        snprintf(buffer, size, "%s:%u", file, frame->line);
    else
        snprintf(buffer, size, "%s", file);
    return buffer;
}
