/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/gil_calls.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/words.h"

struct gil_sample {
    const struct model_process *process;
    uint32_t stack;
    uint64_t count;
    double ns;
};

struct gil_calls {
    struct gil_sample *samples; /* one a stack */
    size_t count, capacity;
};

struct gil_calls *gil_calls_new(void)
{
    return memory_get(1, sizeof(struct gil_calls));
}

void gil_calls_free(struct gil_calls *calls)
{
    free(calls->samples);
    free(calls);
}

void gil_calls_event(struct gil_calls *calls, const struct model_process *process, const union trace_event *event)
{
    if (event->header.type != EVENT_CPU || !(event->cpu.flags & CPU_GIL))
        return;
    struct gil_sample *sample = NULL;
    for (size_t i = 0; i < calls->count && !sample; i++) {
        if (calls->samples[i].process == process && calls->samples[i].stack == event->cpu.stack)
            sample = &calls->samples[i];
    }
    if (!sample) {
        calls->samples = memory_grow(calls->samples, calls->count, &calls->capacity, sizeof(*calls->samples));
        sample = &calls->samples[calls->count++];
        *sample = (struct gil_sample){.process = process, .stack = event->cpu.stack};
    }
    sample->count++;
    sample->ns += (double)event->cpu.cpu_ns;
}

static bool has_name(const struct frame *frame)
{
    return strncmp(frame->function, "0x", 2) != 0;
}

/* What Python reaches functions of other libraries through. */
static bool passes_on(const struct frame *frame)
{
    return !strncmp(frame->module, "_ctypes.", 8) || !strncmp(frame->module, "libffi.so", 9) ||
           !strncmp(frame->module, "_cffi_backend.", 14);
}

/* The outermost named one of the frames [0, count) that is of the module. */
static const struct frame *named_of(const struct stack *stack, size_t count, const char *module)
{
    while (count-- > 0) {
        const struct frame *frame = &stack->frames[count];
        if (frame->kind == FRAME_NATIVE && has_name(frame) && !strcmp(frame->module, module))
            return frame;
    }
    return NULL;
}

const struct frame *gil_call_frame(const struct stack *stack, const struct frame **caller)
{
    size_t python = 0, call;
    *caller = NULL;
    while (python < stack->count && stack->frames[python].kind != FRAME_PYTHON)
        python++;
    if (python == stack->count)
        return NULL;
    *caller = &stack->frames[python];
    for (call = python; call > 0; call--) {
        const struct frame *frame = &stack->frames[call - 1];
        if (frame->kind != FRAME_NATIVE || passes_on(frame))
            continue;
        const struct frame *named = named_of(stack, call, frame->module);
        return named ? named : frame;
    }
    return NULL;
}

static bool same_call(const struct frame *a, const struct frame *b)
{
    return a == b || (a && b && !strcmp(a->module, b->module) && has_name(a) == has_name(b) &&
                      (!has_name(a) || !strcmp(a->function, b->function)));
}

static bool same_caller(const struct frame *a, const struct frame *b)
{
    return same_call(a, b) && (!a || a->line == b->line);
}

static const char *call_words(const struct frame *call, struct arena *arena)
{
    return has_name(call) ? words_frame(call, arena) : call->module;
}

/* All samples of the process in the same call, from the same line, as sample number `first`; 0 where an earlier one
   has told of it. */
static double call_sum(const struct gil_calls *calls, struct model *model, size_t first, uint64_t *count)
{
    const struct gil_sample *of = &calls->samples[first];
    const struct frame *caller, *other;
    const struct frame *call = gil_call_frame(symbols_stack(model->symbols, of->process->trace, of->stack, 0), &caller);
    double ns = 0;
    *count = 0;
    for (size_t i = 0; i < calls->count; i++) {
        const struct gil_sample *sample = &calls->samples[i];
        if (sample->process != of->process ||
            !same_call(gil_call_frame(symbols_stack(model->symbols, sample->process->trace, sample->stack, 0), &other),
                       call) ||
            !same_caller(other, caller))
            continue;
        if (i < first)
            return 0;
        ns += sample->ns;
        *count += sample->count;
    }
    return ns;
}

bool gil_calls_worst(const struct gil_calls *calls, struct model *model, const struct model_process *process,
                     struct gil_call *out, struct arena *arena)
{
    double all = 0;
    *out = (struct gil_call){.name = NULL};
    for (size_t i = 0; i < calls->count; i++) {
        const struct gil_sample *sample = &calls->samples[i];
        uint64_t count;
        if (sample->process != process)
            continue;
        all += sample->ns;
        double ns = call_sum(calls, model, i, &count);
        if (ns <= out->ns)
            continue;
        const struct stack *stack = symbols_stack(model->symbols, process->trace, sample->stack, 0);
        const struct frame *caller, *call = gil_call_frame(stack, &caller);
        *out = (struct gil_call){.name = call ? call_words(call, arena) : NULL,
                                 .caller = caller ? words_frame(caller, arena) : NULL,
                                 .stack = stack,
                                 .count = count,
                                 .ns = ns};
    }
    out->share = all > 0 ? out->ns / all : 0;
    return out->count > 0;
}
