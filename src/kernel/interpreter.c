/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/interpreter.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "kernel/elf_exports.h"
#include "kernel/memory.h"

/* _Py_DebugOffsets, with which _PyRuntime begins from 3.13 on (internal/pycore_runtime.h of 3.13). Internal structs may
   change with any release; this says where things are in the running one. */
struct debug_offsets {
    char cookie[8];
    uint64_t version, free_threaded;
    uint64_t runtime_size, runtime_finalizing, runtime_interpreters;
    uint64_t interpreter_size, interpreter_id, interpreter_next, interpreter_threads, interpreter_rest[9];
    uint64_t thread_size, thread_previous, thread_next, thread_interpreter, thread_frame, thread_id;
};

struct search {
    pid_t pid;
    struct image found; /* the interpreter's image; path NULL: none */
    struct image first; /* at the lowest address: the program */
};

static void image_look(void *context, const struct image *image)
{
    struct search *s = context;
    uint64_t value;
    if (!s->first.path || image->start < s->first.start)
        s->first = *image;
    if (!s->found.path && elf_exports_find(image->elf, "_PyRuntime", &value) &&
        elf_exports_find(image->elf, "Py_GetVersion", &value))
        s->found = *image;
}

/* As the dynamic linker binds: a program that links to the interpreter's library may own a copy of its variables.
   0: nobody exports it. */
static uint64_t symbol_find(const struct search *s, const char *name)
{
    uint64_t value;
    if (elf_exports_find(s->first.elf, name, &value))
        return value + s->first.bias;
    return elf_exports_find(s->found.elf, name, &value) ? value + s->found.bias : 0;
}

/* Py_Version exists from 3.11 on. Before, the version is that of the newest function of the API. */
static uint16_t version_find(const struct search *s)
{
    static const struct {
        const char *function;
        uint16_t since;
    } added[] = {{"PyModule_AddObjectRef", 0x030a}, {"PyFrame_GetBack", 0x0309}, {"PyCode_NewWithPosOnlyArgs", 0x0308}};
    uint64_t at = symbol_find(s, "Py_Version");
    unsigned long version;
    if (at)
        return memory_read(s->pid, at, &version, sizeof(version)) ? (uint16_t)(version >> 16) : 0;
    for (size_t i = 0; i < ARRAY_SIZE(added); i++)
        if (symbol_find(s, added[i].function))
            return added[i].since;
    return 0;
}

static uint32_t offset_or_absent(uint16_t offset)
{
    return offset == PYTHON_ABSENT ? OFFCPU_PYTHON_ABSENT : offset;
}

static void walk_fill(struct offcpu_interpreter *w, const struct python_layout *l, uint64_t runtime)
{
    *w = (struct offcpu_interpreter){
        .interpreters = runtime + l->runtime_interpreters,
        .interpreter_next = l->interpreter_next,
        .interpreter_threads = l->interpreter_threads,
        .thread_next = l->thread_next,
        .thread_id = l->thread_id,
        .thread_frame = l->thread_frame,
        .cframe_frame = offset_or_absent(l->cframe_frame),
        .frame_owner = offset_or_absent(l->frame_owner),
        .frame_entry = offset_or_absent(l->frame_entry),
        .frame_code = l->frame_code,
        .frame_previous = l->frame_previous,
        .frame_lasti = l->frame_lasti,
        .code_name = l->code_name,
        .code_linetable = l->code_linetable,
        .code_first_line = l->code_first_line,
    };
}

/* What the interpreter says of itself. Returns why it cannot be used, NULL: it can. */
static const char *walk_correct(struct offcpu_interpreter *w, pid_t pid, uint64_t runtime)
{
    struct debug_offsets own;
    if (!memory_read(pid, runtime, &own, sizeof(own)) || memcmp(own.cookie, "xdebugpy", sizeof(own.cookie)) != 0)
        return "it does not say where its threads are";
    if (own.free_threaded)
        return "frames of the free-threaded build cannot be read";
    w->interpreters = runtime + own.runtime_interpreters;
    w->interpreter_next = (uint32_t)own.interpreter_next;
    w->interpreter_threads = (uint32_t)own.interpreter_threads;
    w->thread_next = (uint32_t)own.thread_next;
    w->thread_id = (uint32_t)own.thread_id;
    w->thread_frame = (uint32_t)own.thread_frame;
    return NULL;
}

static const char *interpreter_fill(const struct search *s, struct interpreter *out)
{
    uint64_t runtime = symbol_find(s, "_PyRuntime");
    out->version = version_find(s);
    out->layout = python_layout_find(out->version);
    if (!out->layout)
        return "frames of this version cannot be read (those of 3.8 to 3.13 can)";
    out->types = (struct python_types){.code = symbol_find(s, "PyCode_Type"),
                                       .unicode = symbol_find(s, "PyUnicode_Type"),
                                       .bytes = symbol_find(s, "PyBytes_Type")};
    if (!out->types.code || !out->types.unicode || !out->types.bytes)
        return "it does not export what is needed to find its frames";
    walk_fill(&out->walk, out->layout, runtime);
    return out->version >= 0x030d ? walk_correct(&out->walk, s->pid, runtime) : NULL;
}

bool interpreter_find(struct images *images, pid_t pid, struct interpreter *out)
{
    struct search s = {.pid = pid};
    images_each(images, image_look, &s);
    if (!s.found.path)
        return false;
    memset(out, 0, sizeof(*out));
    snprintf(out->path, sizeof(out->path), "%s", s.found.path);
    out->start = s.found.start;
    out->end = s.found.end;
    out->trouble = interpreter_fill(&s, out);
    return true;
}
