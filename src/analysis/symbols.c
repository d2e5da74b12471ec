/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Caches: modules by path and build-id, so that all traces of one program share them; addresses inside a module; stacks
 * by (trace, id, call). Everything returned is the symbolizer's own copy: a trace may be closed before it.
 */
#include "analysis/symbols.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/pylines.h"
#include "analysis/pymodule.h"
#include "analysis/symbols_class.h"
#include "analysis/symbols_generated.h"
#include "analysis/symbols_module.h"
#include "analysis/symbols_pool.h"
#include "analysis/symbols_stack.h"

#define PYTHON_NAME_SIZE 512

/* One trace that was asked for. Its address alone does not name it: memory of a closed trace is used again. */
struct context {
    struct context *next;
    const struct trace *trace;
    uint64_t start_mono_ns;
    uint32_t pid, exec_generation;
    struct symbols_map stacks;           /* struct stack by (stack id, call) */
    struct symbols_generated *generated; /* NULL: not asked for yet */
};

/* What is known of a Python source file. */
struct python_file {
    const char *module;
    bool system;
};

struct kernel_function {
    struct symbols_native native;
    struct frame frame;
};

struct symbols {
    struct symbols_pool pool;
    struct symbols_map modules; /* struct symbols_module by path and hash of the build-id */
    struct symbols_map files;   /* struct python_file by the pool's copy of the path */
    struct symbols_map kernel;  /* struct kernel_function by the pool's copies of name and module */
    struct context *contexts;
    const char **warnings;
    size_t warning_count;
};

static const struct stack EMPTY_STACK = {0};
static const struct frame NO_MEMORY_FRAME = {.function = "0x0", .module = "[anonymous]", .system = true};

struct symbols *symbols_new(void)
{
    return calloc(1, sizeof(struct symbols));
}

static void stack_free(void *value)
{
    struct stack *stack = value;
    free(stack->frames);
    free(stack);
}

static void module_free(void *value)
{
    symbols_module_free(value);
}

void symbols_free(struct symbols *s)
{
    if (!s)
        return;
    for (struct context *c = s->contexts, *next; c; c = next) {
        next = c->next;
        symbols_map_free(&c->stacks, stack_free);
        symbols_generated_free(c->generated);
        free(c);
    }
    symbols_map_free(&s->modules, module_free);
    symbols_map_free(&s->files, free);
    symbols_map_free(&s->kernel, free);
    symbols_pool_free(&s->pool);
    free(s->warnings);
    free(s);
}

static struct context *context_find(struct symbols *s, const struct trace *t)
{
    const struct trace_info *info = trace_info(t);
    for (struct context *c = s->contexts; c; c = c->next) {
        if (c->trace == t && c->start_mono_ns == info->start_mono_ns && c->pid == info->pid &&
            c->exec_generation == info->exec_generation)
            return c;
    }
    struct context *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    *c = (struct context){.next = s->contexts,
                          .trace = t,
                          .start_mono_ns = info->start_mono_ns,
                          .pid = info->pid,
                          .exec_generation = info->exec_generation};
    s->contexts = c;
    return c;
}

/* Takes over a module's warning when the module has just been opened. */
static void warning_take(struct symbols *s, const char *warning)
{
    const char **bigger = warning ? reallocarray(s->warnings, s->warning_count + 1, sizeof(*bigger)) : NULL;
    if (!bigger)
        return;
    s->warnings = bigger;
    s->warnings[s->warning_count++] = warning;
}

static struct symbols_module *module_find(struct symbols *s, const struct trace_module *tm)
{
    size_t id_size = tm ? tm->build_id_size : 0;
    if (id_size > sizeof(tm->build_id))
        id_size = 0;
    const char *path = symbols_pool_string(&s->pool, tm ? tm->path : "");
    if (!path)
        return NULL;
    uint64_t id = id_size ? symbols_hash_bytes(SYMBOLS_HASH_START, tm->build_id, id_size) : 0;
    struct symbols_module *module = symbols_map_find(&s->modules, (uintptr_t)path, id);
    if (module)
        return module;
    module = symbols_module_new(&s->pool, path, tm ? tm->build_id : NULL, id_size);
    if (module && symbols_map_add(&s->modules, (uintptr_t)path, id, module)) {
        symbols_module_free(module);
        return NULL;
    }
    return module;
}

/* The kernel's functions were named when they were recorded: addresses mean nothing after a reboot. */
static const struct symbols_native *kernel_find(struct symbols *s, const struct trace *t, uint64_t pc)
{
    const struct trace_ksym *symbol = trace_ksym_find(t, pc);
    char number[24];
    snprintf(number, sizeof(number), "0x%" PRIx64, pc);
    const char *name = symbols_pool_string(&s->pool, symbol ? symbol->name : number);
    const char *module = symbols_pool_string(&s->pool, symbol && symbol->module[0] ? symbol->module : "[kernel]");
    struct kernel_function *f =
        name && module ? symbols_map_find(&s->kernel, (uintptr_t)name, (uintptr_t)module) : NULL;
    if (f || !name || !module)
        return f ? &f->native : NULL;
    f = calloc(1, sizeof(*f));
    if (!f)
        return NULL;
    f->frame = (struct frame){.kind = FRAME_KERNEL, .function = name, .module = module, .system = true};
    f->native = (struct symbols_native){.count = 1, .frames = &f->frame};
    if (symbols_map_add(&s->kernel, (uintptr_t)name, (uintptr_t)module, f)) {
        free(f);
        return NULL;
    }
    return &f->native;
}

/* The name that the trace has for `pc`, or else the process's perf map, where it is still at hand; NULL: neither. */
static const char *recorded_name(struct symbols *s, const struct trace *t, const struct trace_module *tm, uint64_t pc,
                                 uint32_t generation)
{
    const struct trace_symbol *symbol = trace_symbol_find(t, pc, generation);
    if (symbol && (!tm || symbol->loaded >= tm->loaded))
        return symbol->name;
    struct context *c = tm ? NULL : context_find(s, t);
    if (!c)
        return NULL;
    if (!c->generated)
        c->generated = symbols_generated_new(t);
    return c->generated ? symbols_generated_find(c->generated, pc) : NULL;
}

/* A return address lies behind the call, perhaps already in the next line or function. NULL: no memory. */
static const struct symbols_native *native_find(struct symbols *s, const struct trace *t, uint64_t pc, bool exact,
                                                uint32_t generation)
{
    uint64_t at = exact || !pc ? pc : pc - 1;
    if (at >= TRACE_KERNEL_START)
        return kernel_find(s, t, at);
    const struct trace_module *tm = trace_module_find(t, at, generation);
    struct symbols_module *module = module_find(s, tm);
    if (!module)
        return NULL;
    const char *name = recorded_name(s, t, tm, at, generation);
    if (name)
        return symbols_module_named(module, name);
    bool warned = symbols_module_warning(module);
    const struct symbols_native *native = symbols_module_resolve(module, tm ? at - tm->bias : at);
    if (!warned)
        warning_take(s, symbols_module_warning(module));
    return native;
}

static const struct python_file *python_file_find(struct symbols *s, const char *path)
{
    struct python_file *file = symbols_map_find(&s->files, (uintptr_t)path, 0);
    if (file)
        return file;
    char name[PYTHON_NAME_SIZE];
    pymodule_name(path, name, sizeof(name));
    file = calloc(1, sizeof(*file));
    if (!file)
        return NULL;
    *file = (struct python_file){symbols_pool_string(&s->pool, name), pymodule_is_system(path, name)};
    if (!file->module || symbols_map_add(&s->files, (uintptr_t)path, 0, file)) {
        free(file);
        return NULL;
    }
    return file;
}

static bool python_find(struct symbols *s, const struct trace *t, uint64_t recorded, struct symbols_python *out)
{
    const struct trace_code *code = trace_code_find(t, PY_FRAME_CODE(recorded));
    struct frame frame = {.kind = FRAME_PYTHON, .function = "?", .module = "?"};
    if (code) {
        const char *path = symbols_pool_string(&s->pool, code->file);
        const struct python_file *file = path ? python_file_find(s, path) : NULL;
        frame.function = symbols_pool_string(&s->pool, code->name);
        if (!file || !frame.function)
            return false;
        frame.module = file->module;
        frame.system = file->system;
        frame.file = *path ? path : NULL;
        frame.line = pylines_find(code->version, code->linetable, code->linetable_size, PY_FRAME_LASTI(recorded),
                                  code->first_line);
    }
    *out = (struct symbols_python){frame, PY_FRAME_ENTRY(recorded)};
    return true;
}

/* The function that waited, which the recorder stood in for. */
static struct frame call_frame(uint16_t call)
{
    return (struct frame){
        .kind = FRAME_NATIVE, .function = trace_call_name(call), .module = "libc.so.6", .system = true};
}

static struct stack *stack_new(const struct symbols_stack_input *in, uint16_t call)
{
    struct stack *stack = calloc(1, sizeof(*stack));
    if (!stack)
        return NULL;
    stack->frames = calloc(symbols_stack_room(in) + 1, sizeof(*stack->frames));
    if (!stack->frames) {
        free(stack);
        return NULL;
    }
    struct frame waiting = call_frame(call);
    if (waiting.function)
        stack->frames[stack->count++] = waiting;
    stack->count += symbols_stack_build(in, stack->frames + stack->count, &stack->complete);
    return stack;
}

static struct stack *stack_resolve(struct symbols *s, const struct trace *t, const struct trace_stack_view *view,
                                   uint16_t call)
{
    struct stack *stack = NULL;
    const struct symbols_native **native = calloc(view->native_count + 1, sizeof(void *));
    struct symbols_python *python = calloc(view->python_count + 1, sizeof(*python));
    if (!native || !python)
        goto out;
    for (size_t i = 0; i < view->native_count; i++) {
        bool exact = i == 0 && (view->flags & STACK_EXACT_PC);
        native[i] = native_find(s, t, view->native[i], exact, view->modules);
        if (!native[i])
            goto out;
    }
    for (size_t i = 0; i < view->python_count; i++) {
        if (!python_find(s, t, view->python[i], &python[i]))
            goto out;
    }
    struct symbols_stack_input in = {
        .native = native,
        .native_count = view->native_count,
        .python = python,
        .python_count = view->python_count,
        .flags = view->flags,
        .program = symbols_class_base(trace_info(t)->exe),
    };
    stack = stack_new(&in, call);
out:
    free(native);
    free(python);
    return stack;
}

const struct stack *symbols_stack(struct symbols *s, struct trace *t, uint32_t stack_id, uint16_t call)
{
    struct trace_stack_view view;
    struct context *context = context_find(s, t);
    if (!context)
        return &EMPTY_STACK;
    struct stack *stack = symbols_map_find(&context->stacks, stack_id, call);
    if (stack)
        return stack;
    if (trace_stack_find(t, stack_id, &view))
        return &EMPTY_STACK;
    stack = stack_resolve(s, t, &view, call);
    if (!stack)
        return &EMPTY_STACK;
    if (symbols_map_add(&context->stacks, stack_id, call, stack)) {
        stack_free(stack);
        return &EMPTY_STACK;
    }
    return stack;
}

const struct frame *symbols_address(struct symbols *s, struct trace *t, uint64_t pc, uint32_t module_generation)
{
    const struct symbols_native *native = native_find(s, t, pc, false, module_generation);
    return native ? &native->frames[0] : &NO_MEMORY_FRAME;
}

bool symbols_variable(struct symbols *s, struct trace *t, uint64_t address, uint32_t module_generation,
                      struct variable *out)
{
    const struct trace_module *tm = trace_module_find(t, address, module_generation);
    struct symbols_module *module = tm ? module_find(s, tm) : NULL;
    if (!module)
        return false;
    bool warned = symbols_module_warning(module);
    *out = (struct variable){symbols_module_variable(module, address - tm->bias), symbols_module_name(module)};
    if (!warned)
        warning_take(s, symbols_module_warning(module));
    return true;
}

size_t symbols_warning_count(const struct symbols *s)
{
    return s->warning_count;
}

const char *symbols_warning_at(const struct symbols *s, size_t i)
{
    return s->warnings[i];
}
