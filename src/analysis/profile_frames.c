/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/profile_frames.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/conversation.h"
#include "analysis/findings.h"

void profile_frames_init(struct profile_frames *frames, struct arena *arena)
{
    *frames = (struct profile_frames){.arena = arena};
}

struct frame_search {
    const struct profile_frames *frames;
    struct profile_frame frame;
};

static bool text_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool frame_equal(const void *context, uint32_t item)
{
    const struct frame_search *search = context;
    const struct profile_frame *a = &search->frame, *b = &search->frames->list[item];
    return a->kind == b->kind && a->line == b->line && a->inlined == b->inlined &&
           text_equal(a->function, b->function) && text_equal(a->module, b->module) && text_equal(a->file, b->file);
}

static uint32_t frame_number(struct profile_frames *frames, struct profile_frame frame)
{
    struct frame_search search = {frames, frame};
    uint64_t hash =
        profile_hash(PROFILE_HASH_START, (uint64_t)frame.kind << 33 | (uint64_t)frame.inlined << 32 | frame.line);
    hash = profile_hash_text(profile_hash_text(profile_hash_text(hash, frame.function), frame.module), frame.file);
    bool added;
    uint32_t number = profile_index_put(&frames->index, hash, frame_equal, &search, &added);
    if (added) {
        frames->list = memory_grow(frames->list, number, &frames->capacity, sizeof(*frames->list));
        frames->list[number] = frame;
    }
    return number;
}

static void path_add(struct profile_frames *frames, size_t *count, struct profile_frame frame)
{
    uint32_t number = frame_number(frames, frame);
    frames->path = memory_grow(frames->path, *count, &frames->path_capacity, sizeof(*frames->path));
    frames->path[(*count)++] = number;
}

static struct profile_frame code_frame(const struct frame *frame)
{
    static const enum profile_frame_kind kinds[] = {
        [FRAME_NATIVE] = PROFILE_NATIVE, [FRAME_PYTHON] = PROFILE_PYTHON, [FRAME_KERNEL] = PROFILE_KERNEL};
    return (struct profile_frame){kinds[frame->kind], frame->function, frame->module ? frame->module : "",
                                  frame->file,        frame->line,     frame->inlined,
                                  frame->system};
}

static struct profile_frame note_frame(const char *text)
{
    return (struct profile_frame){PROFILE_NOTE, text, "", NULL, 0, false, true};
}

/* `missing`: innermost frame of a stack that was not recorded. */
static size_t stack_add(struct profile_frames *frames, const struct stack *stack, struct profile_frame missing,
                        bool idle)
{
    size_t count = 0;
    if (idle)
        path_add(frames, &count, note_frame("[idle]"));
    if (stack->count == 0) {
        path_add(frames, &count, note_frame("[stack not recorded]"));
        path_add(frames, &count, missing);
        return count;
    }
    if (!stack->complete)
        path_add(frames, &count, note_frame("[incomplete]"));
    for (size_t i = stack->count; i-- > 0;)
        path_add(frames, &count, code_frame(&stack->frames[i]));
    return count;
}

size_t profile_frames_path(struct profile_frames *frames, const struct stack *stack, uint16_t call, bool idle)
{
    const char *name = trace_call_name(call);
    return stack_add(frames, stack,
                     (struct profile_frame){PROFILE_NATIVE, name ? name : "unknown", "libc.so.6", NULL, 0, false, true},
                     idle);
}

size_t profile_frames_kernel(struct profile_frames *frames, const struct stack *stack, const char *name, bool idle)
{
    return stack_add(frames, stack, (struct profile_frame){PROFILE_KERNEL, name, "[kernel]", NULL, 0, false, true},
                     idle);
}

size_t profile_frames_top(struct profile_frames *frames, size_t count, const struct stack *stack)
{
    for (size_t i = stack->count; i-- > 0;) {
        if (stack->frames[i].kind == FRAME_KERNEL)
            path_add(frames, &count, code_frame(&stack->frames[i]));
    }
    return count;
}

/* A waker's stack is taken inside of the wake-up: its innermost frames are those of the recording programs. */
static size_t recorder_frames(const struct stack *stack)
{
    size_t own = 0;
    for (size_t i = 0; i < stack->count && stack->frames[i].kind == FRAME_KERNEL; i++)
        if (strncmp(stack->frames[i].function, "bpf_trace_run", 13) == 0 ||
            strncmp(stack->frames[i].function, "__traceiter_", 12) == 0)
            own = i + 1;
    return own;
}

size_t profile_frames_waker(struct profile_frames *frames, size_t count, const struct stack *stack)
{
    path_add(frames, &count, note_frame("[woken from]"));
    for (size_t i = recorder_frames(stack); i < stack->count; i++)
        path_add(frames, &count, code_frame(&stack->frames[i]));
    return count;
}

size_t profile_frames_note(struct profile_frames *frames, size_t count, const char *text)
{
    path_add(frames, &count, note_frame(text));
    return count;
}

/* What a user calls it; NULL where it has no name. A network peer's address says enough, others get their family. */
static const char *endpoint_text(const struct model_process *process, uint32_t id, uint32_t operation,
                                 struct arena *arena)
{
    const struct trace_operation *asked = operation_find(process->trace, operation);
    const struct trace_endpoint *endpoint = model_endpoint(process, id);
    const struct peer *peer = peer_of(process, id, arena);
    if (peer && asked)
        return arena_format(arena, "[%s %s %s]", wire_protocol_name((enum wire_protocol)asked->protocol), peer->address,
                            operation_words(asked, arena));
    if (peer && strcmp(peer->protocol, "unknown") != 0)
        return arena_format(arena, "[%s %s]", peer->protocol, peer->address);
    if (!endpoint || endpoint->text[0] == '\0' || endpoint->kind == ENDPOINT_WAITSET)
        return NULL;
    if (endpoint->kind == ENDPOINT_INET || endpoint->kind == ENDPOINT_INET6)
        return arena_format(arena, "[%s]", endpoint->text);
    return arena_format(arena, "[%s %s]", family_name(endpoint->kind), endpoint->text);
}

size_t profile_frames_awaited(struct profile_frames *frames, size_t count, const char *text)
{
    path_add(frames, &count, (struct profile_frame){PROFILE_ENDPOINT, text, "", NULL, 0, false, true});
    return count;
}

size_t profile_frames_endpoint(struct profile_frames *frames, size_t count, const struct model_process *process,
                               uint32_t endpoint, uint32_t operation)
{
    const char *text = endpoint_text(process, endpoint, operation, frames->arena);
    return text ? profile_frames_awaited(frames, count, text) : count;
}

void profile_frames_finish(struct profile_frames *frames, struct profile *profile)
{
    profile->frame_count = frames->index.count;
    profile->frames = arena_get(frames->arena, (profile->frame_count + 1) * sizeof(*profile->frames));
    if (profile->frame_count > 0)
        memcpy(profile->frames, frames->list, profile->frame_count * sizeof(*profile->frames));
    profile_index_free(&frames->index);
    free(frames->list);
    free(frames->path);
}
