/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/python.h"

#include <stdio.h>
#include <stdlib.h>

#include "kernel/codes.h"
#include "kernel/target_header.h"
#include "trace/format.h"

#define FAILURES_MAX                                                                                 \
    4u /* stacks that cannot be read before the first that can; then the layout is taken to be wrong \
        */

struct python {
    pid_t pid;
    struct writer *writer;
    struct interpreter in;
    struct codes *codes; /* NULL: no interpreter, or one whose frames cannot be read */
    unsigned failures;   /* before a frame has passed every check */
    bool found, verified;
};

static void trouble_note(struct python *p, const char *trouble)
{
    char text[512];
    int n = p->in.version ? snprintf(text, sizeof(text), "Python %u.%u (%s): ", p->in.version >> 8,
                                     p->in.version & 0xff, p->in.path)
                          : snprintf(text, sizeof(text), "Python (%s): ", p->in.path);
    n += snprintf(text + n, sizeof(text) - (size_t)n,
                  "%s; stacks show the interpreter's C functions instead of Python lines", trouble);
    uint32_t cursor = sizeof(struct event_note);
    struct event_note *e = (void *)writer_log_reserve(p->writer, cursor, (uint32_t)n);
    if (!e)
        return;
    e->header.time_ns = kernel_now();
    e->severity = 1;
    e->text = writer_log_string(&e->header, &cursor, text, (size_t)n);
    writer_log_commit(&e->header, EVENT_NOTE);
}

struct python *python_new(pid_t pid, struct writer *writer)
{
    struct python *p = calloc(1, sizeof(*p));
    if (p) {
        p->pid = pid;
        p->writer = writer;
    }
    return p;
}

void python_free(struct python *p)
{
    if (!p)
        return;
    codes_free(p->codes);
    free(p);
}

const struct offcpu_interpreter *python_refresh(struct python *p, struct images *images)
{
    if (p->found || !interpreter_find(images, p->pid, &p->in))
        return NULL;
    p->found = true;
    if (p->in.trouble)
        trouble_note(p, p->in.trouble);
    else
        p->codes = codes_new(p->pid, &p->in, p->writer);
    return p->codes ? &p->in.walk : NULL;
}

/* ---- frames ---- */

struct walk {
    struct python *p;
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
    w->p->verified |= result == CODES_FOUND;
    /* Before its first instruction, a new frame's position is negative. */
    w->out[w->count++] = PY_FRAME(entry, code->id, lasti > 0 && lasti <= INT32_MAX ? lasti : 0);
    return true;
}

/* 3.8 to 3.10: PyFrameObject, each run by an interpreter's C function of its own. */
static bool frame_object_take(struct walk *w, const struct offcpu_python_frame *f)
{
    struct code code;
    enum codes_result result = codes_find(w->p->codes, f, &code);
    return frame_put(w, &code, result, (int64_t)(int32_t)f->lasti * w->p->in.layout->lasti_scale, true);
}

/* Entered anew: 3.11 marks the frame itself, later versions put a marker frame behind it. */
static bool frame_is_entry(const struct walk *w, const struct offcpu_python_frame *f)
{
    if (w->p->in.layout->frame_entry != PYTHON_ABSENT)
        return f->entry;
    if (w->at + 1 < w->record->count)
        return f[1].owner == PYTHON_OWNER_C_STACK;
    return !(w->record->flags & OFFCPU_PYTHON_TRUNCATED);
}

/* 3.11 on: _PyInterpreterFrame. A frame that is still being set up is left out, as CPython does, unless the interpreter
   was entered for it: without it the native frames of that entry would be taken for the next one's. */
static bool interpreter_frame_take(struct walk *w, const struct offcpu_python_frame *f)
{
    const struct python_layout *l = w->p->in.layout;
    struct code code;
    if (f->owner == PYTHON_OWNER_C_STACK)
        return true;
    if (f->owner > PYTHON_OWNER_C_STACK)
        return false;
    enum codes_result result = codes_find(w->p->codes, f, &code);
    int64_t lasti = (int64_t)(f->lasti - (f->code + l->code_instructions));
    bool entry = frame_is_entry(w, f);
    if (!entry && f->owner != PYTHON_OWNER_GENERATOR && lasti < (int64_t)PYTHON_CODE_UNIT * code.first_traceable)
        return true;
    return frame_put(w, &code, result, lasti, entry);
}

/* Whether the layout is right shows at the first frames. Until one was read whole, few attempts are made. */
static void walk_judge(struct python *p, bool whole)
{
    if (whole || p->verified || ++p->failures < FAILURES_MAX)
        return;
    trouble_note(p, "its frames do not look as they should (a modified build?)");
    codes_free(p->codes);
    p->codes = NULL;
}

size_t python_frames(struct python *p, const struct offcpu_python *record, uint64_t *out, size_t max, uint16_t *flags)
{
    struct walk w = {.p = p, .record = record, .out = out};
    bool whole = p->codes && !(record->flags & OFFCPU_PYTHON_LOST);
    for (; whole && w.at < record->count && w.at < OFFCPU_PYTHON_FRAMES && w.count < max; w.at++) {
        const struct offcpu_python_frame *f = &record->frames[w.at];
        whole = p->in.layout->lasti_scale ? frame_object_take(&w, f) : interpreter_frame_take(&w, f);
    }
    if (!whole)
        *flags |= STACK_PYTHON_LOST;
    else if (w.at < record->count || (record->flags & OFFCPU_PYTHON_TRUNCATED))
        *flags |= STACK_TRUNCATED;
    if (p->codes)
        walk_judge(p, whole);
    return w.count;
}
