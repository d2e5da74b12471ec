/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/loop_transport.h"

#include <fnmatch.h>

#include "analysis/place.h"
#include "base/compiler.h"

static const struct {
    const char *kind, *module;
} transports[] = {
#define TRANSPORT(kind, module) {kind, module},
#include "analysis/loop_transport.def"
#undef TRANSPORT
};

static bool stack_passes(const struct stack *stack, const char *module, const char *program)
{
    for (size_t i = 0; i < stack->count; i++) {
        const struct frame *frame = &stack->frames[i];
        if (frame->kind == FRAME_PYTHON && fnmatch(module, frame->module, 0) == 0)
            return true;
        if (frame_origin(frame, program) == ORIGIN_USER)
            return false;
    }
    return false;
}

bool loop_transport_waits(const char *kind, const struct stack *stack, const char *program)
{
    for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
        if (fnmatch(transports[i].kind, kind, 0) == 0 && stack_passes(stack, transports[i].module, program))
            return true;
    }
    return false;
}
