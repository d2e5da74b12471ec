/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/connect_opener.h"

#include <fnmatch.h>
#include <string.h>

#include "analysis/place.h"
#include "base/compiler.h"

#define THROUGH_MAX 6 /* libraries that are named */

static const char *const layers[] = {
#define LAYER(module) module,
#include "analysis/connect_layers.def"
#undef LAYER
};

static bool frame_is_layer(const struct frame *frame)
{
    for (size_t i = 0; i < ARRAY_SIZE(layers); i++) {
        if (fnmatch(layers[i], frame->module, 0) == 0)
            return true;
    }
    return false;
}

const struct frame *connect_opener(const struct stack *stack, const char *program)
{
    for (size_t i = 0; i < stack->count; i++) {
        const struct frame *frame = &stack->frames[i];
        if (frame->kind == FRAME_PYTHON && !frame->system && !frame_is_layer(frame))
            return frame;
    }
    return place_of(stack, program).user;
}

const char *connect_through(const struct stack *stack, const struct frame *opener, const char *program,
                            struct arena *arena)
{
    const char *through = NULL, *last = "";
    size_t named = 0;
    for (size_t i = 0; i < stack->count && &stack->frames[i] != opener && named < THROUGH_MAX; i++) {
        if (frame_origin(&stack->frames[i], program) != ORIGIN_DRIVER)
            continue;
        const char *name = driver_name(&stack->frames[i], arena);
        if (strcmp(name, last) == 0)
            continue;
        through = through ? arena_format(arena, "%s, %s", through, name) : name;
        last = name;
        named++;
    }
    return through;
}

/* Settings that connect without anybody's asking, by the opener's module. */
static const struct {
    const char *module, *text;
} remedies[] = {
    {"celery.backends*",
     "Celery's result backend stores every task's result there. If nobody reads them, set "
     "task_ignore_result (or ignore_result=True on the task) or remove result_backend; otherwise "
     "allow the peer in the policy."},
    {"django_celery_results*",
     "Celery's result backend stores every task's result there. If nobody reads them, set "
     "task_ignore_result; otherwise allow the peer in the policy."},
    {"*",
     "If this connection is intended, allow the peer in the policy (connect: allow:); otherwise remove the "
     "setting or the call that opens it."},
};

const char *connect_remedy(const struct frame *opener)
{
    const char *module = opener ? opener->module : "";
    size_t i = 0;
    while (fnmatch(remedies[i].module, module, 0) != 0)
        i++;
    return remedies[i].text;
}
