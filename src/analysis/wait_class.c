/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/wait_class.h"

#include <fnmatch.h>
#include <string.h>

#include "analysis/model.h"
#include "analysis/own_call.h"
#include "analysis/symbols_class.h"
#include "base/compiler.h"

#define WAKEUP_BYTES 8 /* an eventfd takes so many */

enum endpoint_kind wait_endpoint_kind(const struct wait_row *row)
{
    const struct trace_endpoint *endpoint = model_endpoint(row->process, row->endpoint);
    return endpoint ? endpoint->kind : ENDPOINT_NONE;
}

/* Name of the call among `names` (NULL at the end). */
static bool call_is_one_of(uint16_t call, const char *const *names)
{
    const char *name = trace_call_name(call);
    for (; name && *names; names++) {
        if (strcmp(name, *names) == 0)
            return true;
    }
    return false;
}

static enum wait_class class_of_call(const struct wait_row *row)
{
    switch (trace_call_category(row->call)) {
    case CALL_SLEEP:
        return CLASS_SLEEP;
    case CALL_NAME:
        return CLASS_NAME;
    case CALL_FILE:
        return CLASS_FILE;
    case CALL_FILELOCK:
        return CLASS_FILELOCK;
    case CALL_PROCESS:
        return CLASS_PROCESS;
    case CALL_LOCK:
        return CLASS_LOCK;
    case CALL_JOIN:
        return CLASS_JOIN;
    case CALL_SIGNAL:
        return CLASS_SIGNAL;
    case CALL_FAULT:
        return CLASS_MEMORY;
    case CALL_STREAM:
        return wait_endpoint_kind(row) == ENDPOINT_FILE ? CLASS_FILE : CLASS_IO;
    case CALL_READY: /* poll and select without descriptors are sleeps */
        return row->endpoint == 0 && !(row->flags & WAIT_WAITSET) ? CLASS_SLEEP : CLASS_IO;
    default:
        return CLASS_IO;
    }
}

const char *wait_class_name(enum wait_class class)
{
    static const char *const names[] = {
        [CLASS_IO] = "io",        [CLASS_SLEEP] = "sleep",        [CLASS_NAME] = "name look-up",
        [CLASS_FILE] = "file",    [CLASS_FILELOCK] = "file lock", [CLASS_PROCESS] = "process",
        [CLASS_LOCK] = "lock",    [CLASS_JOIN] = "thread join",   [CLASS_SIGNAL] = "signal",
        [CLASS_MEMORY] = "memory"};
    return names[class];
}

bool wait_is_page_cache(const struct wait_row *row)
{
    static const char *const flushes[] = {"fsync", "fdatasync", "syncfs", "msync", "sync_file_range", NULL};
    return row->class == CLASS_MEMORY || (row->class == CLASS_FILE && !call_is_one_of(row->call, flushes));
}

bool wait_is_spawn(const struct wait_row *row)
{
    static const char *const spawns[] = {"fork", "vfork", "posix_spawn", "posix_spawnp", "clone", "clone3", NULL};
    return call_is_one_of(row->call, spawns);
}

bool wait_is_thread_wakeup(const struct wait_row *row)
{
    static const char *const writes[] = {"write", "writev", "send", "sendto", "sendmsg", NULL};
    enum endpoint_kind kind = wait_endpoint_kind(row);
    return (kind == ENDPOINT_PIPE || kind == ENDPOINT_EVENTFD) && row->result_max <= WAKEUP_BYTES &&
           row->result_max > 0 && call_is_one_of(row->call, writes);
}

bool wait_is_close(const struct wait_row *row)
{
    static const char *const closes[] = {"close", NULL};
    return call_is_one_of(row->call, closes);
}

bool wait_is_for_newcomers(const struct wait_row *row)
{
    const struct trace_endpoint *endpoint = model_endpoint(row->process, row->endpoint);
    return endpoint && endpoint->role == ROLE_LISTENER && trace_call_category(row->call) == CALL_READY;
}

struct spawn_row {
    const char *module, *function;
};

static const struct spawn_row spawn_rows[] = {
#define SPAWN(module, function) {module, function},
#include "analysis/spawn_frames.def"
#undef SPAWN
};

static bool frame_is_spawn(const struct frame *frame)
{
    for (size_t i = 0; i < ARRAY_SIZE(spawn_rows); i++) {
        if (fnmatch(spawn_rows[i].module, frame->module, 0) == 0 &&
            fnmatch(spawn_rows[i].function, frame->function, 0) == 0)
            return true;
    }
    return false;
}

bool wait_is_in_spawn(const struct wait_row *row, const struct stack *stack)
{
    if (wait_endpoint_kind(row) != ENDPOINT_PIPE || row->own)
        return false;
    for (size_t i = 0; i < stack->count; i++) {
        if (frame_is_spawn(&stack->frames[i]))
            return true;
    }
    return false;
}

struct runtime_row {
    const char *module, *calls;
};

static const struct runtime_row runtimes[] = {
#define RUNTIME(module, calls) {module, calls},
#include "analysis/runtime_locks.def"
#undef RUNTIME
};

static bool module_is_runtime(const char *path, const char *call)
{
    const char *base = symbols_class_base(path);
    for (size_t i = 0; i < ARRAY_SIZE(runtimes); i++) {
        if (fnmatch(runtimes[i].module, base, 0) == 0 && fnmatch(runtimes[i].calls, call, 0) == 0)
            return true;
    }
    return false;
}

static bool stack_has_condition(const struct stack *stack)
{
    for (size_t i = 0; i < stack->count; i++) {
        const struct frame *frame = &stack->frames[i];
        if (frame->kind == FRAME_NATIVE && strstr(frame->function, "pthread_cond_"))
            return true;
    }
    return false;
}

/* The kernel sees a futex whatever the library calls it: the frames of the C library tell. */
static bool futex_is_runtime(const struct wait_row *row, struct symbols *symbols)
{
    struct trace *trace = row->process->trace;
    const struct kernel_stack *stack = kernel_side_stack(row->process->kernel, row->stack);
    const struct trace_module *module = trace_module_find(trace, stack->caller, stack->modules);
    bool condition = module && stack_has_condition(symbols_stack(symbols, trace, row->stack, 0));
    return module && module_is_runtime(module->path, condition ? "pthread_cond_wait" : "futex");
}

/* A lock wait may be the runtime's own affair. */
static bool lock_is_runtime(const struct wait_row *row, struct symbols *symbols)
{
    struct trace *trace = row->process->trace;
    const char *call = trace_call_name(row->call);
    struct trace_stack_view view;
    if (trace_call_category(row->call) != CALL_LOCK || !call)
        return false;
    if (row->call >= CALL_KERNEL)
        return futex_is_runtime(row, symbols);
    if (row->stack ==
        0) /* too short to be recorded: all such waits are taken for those of the program's runtime, if any */
        return module_is_runtime(row->thread->process->source->info->exe, call);
    if (trace_stack_find(trace, row->stack, &view) < 0 || view.native_count == 0)
        return false;
    const struct trace_module *module = trace_module_find(trace, view.native[0], view.modules);
    return module && module_is_runtime(module->path, call);
}

void wait_classify(struct wait_row *row, struct symbols *symbols)
{
    const struct model_process *process = row->thread->process;
    row->own = process->own_calls ? own_call_find(row->process->trace, row->stack, symbols) : NULL;
    row->class = row->own ? row->own->class : class_of_call(row);
    row->runtime = !row->own && lock_is_runtime(row, symbols);
}
