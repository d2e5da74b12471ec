/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/stack.h"

#include "capture/modules.h"
#include "capture/python.h"
#include "capture/record.h"
#include "capture/recorder.h"

/* One step of a multiplicative hash over whole words; the same stack gives the same number within one process. */
static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 29);
}

static bool scratch_ready(struct thread *t)
{
    if (unlikely(!t->scratch) && !load_relaxed(&recorder.writer.frozen))
        t->scratch = record_memory(sizeof(struct scratch));
    return t->scratch != NULL;
}

static uint32_t frames_enter(const uint64_t *native, size_t native_count, const uint64_t *python, size_t python_count,
                             uint16_t flags)
{
    uint64_t h = mix(mix(flags, modules_generation()), native_count);
    for (size_t i = 0; i < native_count; i++)
        h = mix(h, native[i]);
    for (size_t i = 0; i < python_count; i++)
        h = mix(h, python[i]);
    uint32_t id = writer_stack(&recorder.writer, h, flags, modules_generation(), native, (uint16_t)native_count, python,
                               (uint16_t)python_count);
    if (!id)
        writer_lose(&recorder.writer, TRACE_LOST_STACKS, 1);
    return id;
}

static uint32_t stack_enter(struct scratch *s, size_t native, uint16_t flags)
{
    size_t python = python_active() ? python_frames(s->python, STACK_MAX_PYTHON, &flags) : 0;
    return frames_enter(s->native, native, s->python, python, flags);
}

uint32_t stack_python(const uint64_t *frames, size_t count)
{
    return frames_enter(NULL, 0, frames, count, STACK_COMPLETE);
}

uint32_t stack_of_thread(struct thread *t, uintptr_t state)
{
    uint16_t flags = STACK_COMPLETE;
    if (!scratch_ready(t)) {
        writer_lose(&recorder.writer, TRACE_LOST_STACKS, 1);
        return 0;
    }
    size_t python = python_frames_of(state, t->scratch->python, STACK_MAX_PYTHON, &flags);
    return frames_enter(NULL, 0, t->scratch->python, python, flags);
}

uint32_t stack_capture(struct thread *t)
{
    uint16_t flags = 0;
    if (!scratch_ready(t)) {
        writer_lose(&recorder.writer, TRACE_LOST_STACKS, 1);
        return 0;
    }
    size_t native = unwind_stack(&t->stack, t->scratch->copy, t->scratch->native, STACK_MAX_NATIVE, &flags);
    return stack_enter(t->scratch, native, flags);
}

uint32_t stack_capture_interrupted(struct thread *t, const struct unwind_registers *at)
{
    uint16_t flags = 0;
    if (!scratch_ready(t)) {
        writer_lose(&recorder.writer, TRACE_LOST_STACKS, 1);
        return 0;
    }
    size_t native = unwind_interrupted(at, &t->stack, t->scratch->copy, t->scratch->native, STACK_MAX_NATIVE, &flags);
    return stack_enter(t->scratch, native, flags);
}
