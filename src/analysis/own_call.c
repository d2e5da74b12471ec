/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/own_call.h"

#include <fnmatch.h>

#include "analysis/symbols_class.h"
#include "base/compiler.h"

static const struct own_call own_calls[] = {
#define OWN(module, function, class, name) {module, function, CLASS_##class, name},
#include "analysis/own_calls.def"
#undef OWN
};

static bool module_is_listed(const char *base)
{
    for (size_t i = 0; i < ARRAY_SIZE(own_calls); i++) {
        if (fnmatch(own_calls[i].module, base, 0) == 0)
            return true;
    }
    return false;
}

bool own_calls_loaded(const struct trace *trace)
{
    for (size_t i = 0; i < trace_module_count(trace); i++) {
        if (module_is_listed(symbols_class_base(trace_module_at(trace, i)->path)))
            return true;
    }
    return false;
}

static bool frame_is(const struct frame *frame, const struct own_call *own)
{
    return fnmatch(own->module, frame->module, 0) == 0 && fnmatch(own->function, frame->function, 0) == 0;
}

static bool frame_is_runtime(const struct frame *frame)
{
    return (frame->system && frame->module[0] != '[') || module_is_listed(frame->module);
}

const struct own_call *own_call_find(struct trace *trace, uint32_t stack, struct symbols *symbols)
{
    struct trace_stack_view view;
    if (stack == 0 || trace_stack_find(trace, stack, &view) < 0)
        return NULL;
    for (size_t i = 0; i < view.native_count; i++) {
        if (view.native[i] >= TRACE_KERNEL_START)
            continue;
        const struct frame *frame = symbols_address(symbols, trace, view.native[i], view.modules);
        if (!frame_is_runtime(frame))
            return NULL;
        for (size_t j = 0; j < ARRAY_SIZE(own_calls); j++) {
            if (frame_is(frame, &own_calls[j]))
                return &own_calls[j];
        }
    }
    return NULL;
}

size_t own_call_frame(const struct own_call *own, const struct stack *stack)
{
    for (size_t i = 0; i < stack->count; i++) {
        if (frame_is(&stack->frames[i], own))
            return i;
    }
    return 0;
}
