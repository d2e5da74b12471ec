/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/symbols_stack.h"

#include <string.h>

#include "analysis/symbols_class.h"

struct build {
    const struct symbols_stack_input *in;
    struct frame *frames;
    size_t count;
    size_t python; /* Python frames written so far */
    size_t anchor; /* native frame in front of which all Python frames go; native_count: after the last one; SIZE_MAX:
                      the eval frames say where they go */
    bool surplus;  /* an eval frame without Python frames: some were not recorded */
};

size_t symbols_stack_room(const struct symbols_stack_input *in)
{
    size_t room = in->python_count;
    for (size_t i = 0; i < in->native_count; i++)
        room += in->native[i]->count;
    return room;
}

static bool has_python(const struct symbols_stack_input *in)
{
    return in->python_count && !(in->flags & STACK_PYTHON_LOST);
}

/* Python frames that one eval frame stands for. */
static void python_enter(struct build *b)
{
    const struct symbols_stack_input *in = b->in;
    b->surplus |= b->python == in->python_count;
    while (b->python < in->python_count) {
        const struct symbols_python *p = &in->python[b->python++];
        b->frames[b->count++] = p->frame;
        if (p->entry)
            return;
    }
}

static void python_flush(struct build *b)
{
    while (b->python < b->in->python_count)
        b->frames[b->count++] = b->in->python[b->python++].frame;
}

/* An interpreter without symbols shows no eval frame: its Python frames go where its code begins. */
static size_t anchor_find(const struct symbols_stack_input *in)
{
    for (size_t i = 0; i < in->native_count; i++) {
        if (in->native[i]->eval)
            return SIZE_MAX;
    }
    for (size_t i = 0; i < in->native_count; i++) {
        if (in->native[i]->traits & MODULE_INTERPRETER)
            return i;
    }
    for (size_t i = 0; i < in->native_count; i++) {
        if (!strcmp(in->native[i]->frames[0].module, in->program))
            return i;
    }
    return in->native_count;
}

/* Of the interpreter's own frames only those are kept that tell, innermost, what the Python code waits in. */
static void native_add(struct build *b, const struct symbols_native *native)
{
    bool plumbing = has_python(b->in) && (native->traits & MODULE_INTERPRETER);
    for (size_t i = 0; i < native->count; i++) {
        if (plumbing && (b->python || !symbols_class_telling(native->frames[i].function)))
            continue;
        b->frames[b->count++] = native->frames[i];
    }
}

/* Adds native frame number i and what it stands for; true: the stack ends before it. */
static bool native_step(struct build *b, size_t i)
{
    const struct symbols_native *native = b->in->native[i];
    if (native->traits & MODULE_RECORDER)
        return false;
    bool python = has_python(b->in);
    if (python && i == b->anchor)
        python_flush(b);
    bool used_up = b->python == b->in->python_count && !(b->in->flags & STACK_PYTHON_LOST);
    if ((native->traits & MODULE_GREENLET) && used_up)
        return true;
    if (python && native->eval)
        python_enter(b);
    else
        native_add(b, native);
    return false;
}

size_t symbols_stack_build(const struct symbols_stack_input *in, struct frame *frames, bool *complete)
{
    struct build b = {.in = in, .frames = frames, .anchor = has_python(in) ? anchor_find(in) : SIZE_MAX};
    bool cut = false;
    for (size_t i = 0; i < in->native_count && !cut; i++)
        cut = native_step(&b, i);
    bool left = has_python(in) && b.anchor == SIZE_MAX && b.python < in->python_count;
    if (has_python(in))
        python_flush(&b);
    bool whole = (in->flags & STACK_COMPLETE) && !(in->flags & STACK_TRUNCATED) && !left;
    *complete = (cut || whole) && !b.surplus;
    return b.count;
}
