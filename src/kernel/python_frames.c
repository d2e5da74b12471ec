/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/python_frames.h"

#include "trace/format.h"

struct walk {
    struct codes *codes;
    const struct python_layout *layout;
    const struct offcpu_python *record;
    size_t at; /* in the record */
    uint64_t *out;
    size_t count;
};

/* false: no code object that can be read. */
static bool frame_put(struct walk *w, const struct code *code, enum codes_result result, int64_t lasti, bool entry)
{
    if (result == CODES_UNREADABLE)
        return false;
    /* Before its first instruction, a new frame's position is negative. */
    w->out[w->count++] = PY_FRAME(entry, code->id, lasti > 0 && lasti <= INT32_MAX ? lasti : 0);
    return true;
}

/* 3.8 to 3.10: PyFrameObject, each run by an interpreter's C function of its own. */
static bool frame_object_take(struct walk *w, const struct offcpu_python_frame *f)
{
    struct code code;
    enum codes_result result = codes_find(w->codes, f, &code);
    return frame_put(w, &code, result, (int64_t)(int32_t)f->lasti * w->layout->lasti_scale, true);
}

/* Entered anew: 3.11 marks the frame itself, later versions put a marker frame behind it. */
static bool frame_is_entry(const struct walk *w, const struct offcpu_python_frame *f)
{
    if (w->layout->frame_entry != PYTHON_ABSENT)
        return f->entry;
    if (w->at + 1 < w->record->count)
        return f[1].owner == PYTHON_OWNER_C_STACK;
    return !(w->record->flags & OFFCPU_PYTHON_TRUNCATED);
}

/* 3.11 on: _PyInterpreterFrame. A frame that is still being set up is left out, as CPython does, unless the interpreter
   was entered for it: without it the native frames of that entry would be taken for the next one's. */
static bool interpreter_frame_take(struct walk *w, const struct offcpu_python_frame *f)
{
    const struct python_layout *l = w->layout;
    struct code code;
    if (f->owner == PYTHON_OWNER_C_STACK)
        return true;
    if (f->owner > PYTHON_OWNER_C_STACK)
        return false;
    enum codes_result result = codes_find(w->codes, f, &code);
    int64_t lasti = (int64_t)(f->lasti - (f->code + l->code_instructions));
    bool entry = frame_is_entry(w, f);
    if (!entry && f->owner != PYTHON_OWNER_GENERATOR && lasti < (int64_t)PYTHON_CODE_UNIT * code.first_traceable)
        return true;
    return frame_put(w, &code, result, lasti, entry);
}

bool python_frames_take(struct codes *codes, const struct python_layout *layout, const struct offcpu_python *record,
                        uint64_t *out, size_t max, size_t *count, uint16_t *flags)
{
    struct walk w = {.codes = codes, .layout = layout, .record = record, .out = out};
    bool whole = !(record->flags & OFFCPU_PYTHON_LOST);
    for (; whole && w.at < record->count && w.at < OFFCPU_PYTHON_FRAMES && w.count < max; w.at++) {
        const struct offcpu_python_frame *f = &record->frames[w.at];
        whole = layout->lasti_scale ? frame_object_take(&w, f) : interpreter_frame_take(&w, f);
    }
    if (w.at < record->count || (record->flags & OFFCPU_PYTHON_TRUNCATED))
        *flags |= STACK_TRUNCATED;
    *count = w.count;
    return whole;
}
