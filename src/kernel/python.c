/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/python.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/addresses.h"
#include "kernel/codes.h"
#include "kernel/python_frames.h"
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
    unsigned failures;   /* before a stack has passed every check */
    bool found, verified;
    struct addresses looked_up, eval; /* in the interpreter; of these, in the function that runs Python code */
};

static void trouble_note(struct python *p, const char *trouble)
{
    char text[512];
    int n = p->in.version ? snprintf(text, sizeof(text), "Python %d.%d (%s): ", p->in.version >> 8,
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
    addresses_free(&p->looked_up);
    addresses_free(&p->eval);
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

/* ---- native frames ---- */

/* As the reader tells: by its file's name. In another program the interpreter's functions and its own cannot be told
   apart. */
static bool is_interpreter_file(const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    return strncmp(base, "python", 6) == 0 || strncmp(base, "libpython", 9) == 0;
}

static bool is_eval(struct python *p, const struct images *images, uint64_t pc)
{
    static const char eval[] = "_PyEval_EvalFrameDefault";
    uint64_t start, end;
    if (!addresses_add(&p->looked_up, pc))
        return addresses_has(&p->eval, pc);
    const char *name = images_symbol(images, pc, &start, &end);
    return name && strncmp(name, eval, sizeof(eval) - 1) == 0 && addresses_add(&p->eval, pc);
}

size_t python_native_fold(struct python *p, const struct images *images, uint64_t *frames, size_t count)
{
    size_t kept = 0;
    bool inside = false;
    if (!p->codes || !is_interpreter_file(p->in.path))
        return count;
    for (size_t i = 0; i < count; i++) {
        uint64_t pc = frames[i] - 1;
        bool own = pc >= p->in.start && pc < p->in.end, eval = own && is_eval(p, images, pc);
        inside |= eval;
        if (!own || eval || !inside)
            frames[kept++] = frames[i];
    }
    return kept;
}

/* ---- Python frames ---- */

/* Whether the layout is right shows at the first frames. Until one was read whole, few attempts are made. */
static void walk_judge(struct python *p, bool whole, size_t count)
{
    p->verified |= whole && count;
    if (whole || p->verified || ++p->failures < FAILURES_MAX)
        return;
    trouble_note(p, "its frames do not look as they should (a modified build?)");
    codes_free(p->codes);
    p->codes = NULL;
}

size_t python_frames(struct python *p, const struct offcpu_python *record, uint64_t *out, size_t max, uint16_t *flags)
{
    size_t count = 0;
    bool whole = p->codes && python_frames_take(p->codes, p->in.layout, record, out, max, &count, flags);
    if (!whole)
        *flags |= STACK_PYTHON_LOST;
    if (p->codes)
        walk_judge(p, whole, count);
    return count;
}
