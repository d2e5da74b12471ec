/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/python.h"

#include <stdio.h>
#include <stdlib.h>

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
