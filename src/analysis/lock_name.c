/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/lock_name.h"

#include <inttypes.h>
#include <string.h>

#include "analysis/place.h"
#include "analysis/words.h"
#include "base/compiler.h"

/* text: as the recorder writes it (format.h, endpoint_kind). */
static const struct {
    const char *text, *name;
} kinds[LOCK_KINDS] = {
    [LOCK_KIND_MUTEX] = {"mutex", "mutex"},
    [LOCK_KIND_RWLOCK] = {"rwlock", "read-write lock"},
    [LOCK_KIND_SPIN] = {"spin lock", "spin lock"},
    [LOCK_KIND_SEMAPHORE] = {"semaphore", "semaphore"},
    [LOCK_KIND_CONDITION] = {"condition", "condition"},
    [LOCK_KIND_BARRIER] = {"barrier", "barrier"},
    [LOCK_KIND_ONCE] = {"once", "once"},
    [LOCK_KIND_FILE] = {"file lock", "file lock"},
    [LOCK_KIND_GIL] = {"GIL", "GIL"},
};

enum lock_kind lock_kind_of(const struct trace_endpoint *endpoint)
{
    for (size_t i = 1; i < ARRAY_SIZE(kinds); i++) {
        if (strcmp(kinds[i].text, endpoint->text) == 0)
            return (enum lock_kind)i;
    }
    return 0;
}

const char *lock_kind_name(enum lock_kind kind)
{
    return kind > 0 && kind < LOCK_KINDS ? kinds[kind].name : "lock";
}

static const char *variable_name(struct model *model, const struct model_process *process,
                                 const struct trace_endpoint *endpoint)
{
    struct variable variable;
    if (!symbols_variable(model->symbols, process->trace, endpoint->pc, endpoint->modules, &variable) || !variable.name)
        return NULL;
    if (strcmp(variable.module, process->program) == 0)
        return variable.name;
    return arena_format(model->arena, "%s in %s", variable.name, variable.module);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The frame that speaks for a stack: the user's line, else that of the library that is not the system's. */
static const struct frame *speaking_frame(const struct model_process *process, const struct stack *stack)
{
    struct place place = place_of(stack, process->program);
    if (place.user)
        return place.user;
    return place.driver ? place.driver : stack->count > 0 ? &stack->frames[0] : NULL;
}

static const char *place_name(struct model *model, const struct model_process *process, enum lock_kind kind,
                              uint32_t stack_id, const char *how)
{
    const struct stack *stack = symbols_stack(model->symbols, process->trace, stack_id, 0);
    const struct frame *frame = speaking_frame(process, stack);
    if (!frame)
        return NULL;
    if (frame->kind == FRAME_PYTHON && kind == LOCK_KIND_SEMAPHORE && frame->file)
        return arena_format(model->arena, "threading.Lock %s %s:%" PRIu32, how, base_name(frame->file), frame->line);
    if (frame->file && frame->line)
        return arena_format(model->arena, "%s %s %s (%s:%" PRIu32 ")", lock_kind_name(kind), how,
                            words_function(frame, model->arena), base_name(frame->file), frame->line);
    return arena_format(model->arena, "%s %s %s", lock_kind_name(kind), how, words_frame(frame, model->arena));
}

/* Where the initialising call returned to, of locks whose whole stack was not taken. */
static const char *birth_name(struct model *model, const struct model_process *process, enum lock_kind kind,
                              const struct trace_lock *birth, uint32_t modules)
{
    if (birth->stack)
        return place_name(model, process, kind, birth->stack, "of");
    if (!birth->pc)
        return NULL;
    const struct frame *frame = symbols_address(model->symbols, process->trace, birth->pc, modules);
    return arena_format(model->arena, "%s of %s", lock_kind_name(kind), words_frame(frame, model->arena));
}

const char *lock_name(struct model *model, const struct model_process *process, const struct trace_endpoint *endpoint,
                      uint32_t owner_stack)
{
    enum lock_kind kind = lock_kind_of(endpoint);
    const struct trace_lock *birth = trace_lock_find(process->trace, endpoint->id);
    if (kind == LOCK_KIND_GIL)
        return "GIL";
    const char *name = variable_name(model, process, endpoint);
    if (!name && birth)
        name = birth_name(model, process, kind, birth, endpoint->modules);
    if (!name && owner_stack)
        name = place_name(model, process, kind, owner_stack, "left in");
    return name ? name : arena_format(model->arena, "%s 0x%" PRIx64, lock_kind_name(kind), endpoint->pc);
}
