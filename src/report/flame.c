/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/flame.h"

#include <string.h>

#include "base/compiler.h"
#include "report/utf8.h"

static const struct flame_format formats[] = {
#define FLAME_FORMAT(name, ending, for_terminal, description) \
    {#name, ending, for_terminal, description, flame_##name##_write},
#include "report/flame_formats.def"
#undef FLAME_FORMAT
};

size_t flame_format_count(void)
{
    return ARRAY_SIZE(formats);
}

const struct flame_format *flame_format_at(size_t i)
{
    return &formats[i];
}

const struct flame_format *flame_format_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    }
    return NULL;
}

const struct flame_format *flame_format_of_path(const char *path)
{
    const struct flame_format *best = NULL;
    size_t length = strlen(path), longest = 0;
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        size_t ending = strlen(formats[i].ending);
        if (ending > longest && length > ending && strcmp(path + length - ending, formats[i].ending) == 0) {
            best = &formats[i];
            longest = ending;
        }
    }
    return best;
}

const struct profile_stack *flame_next(const struct flame *flame, size_t *position)
{
    while (*position < flame->profile->stack_count) {
        const struct profile_stack *stack = &flame->profile->stacks[(*position)++];
        if ((stack->kinds >> flame->kind & 1) && (flame->idle || !stack->idle))
            return stack;
    }
    return NULL;
}

uint64_t flame_total(const struct flame *flame)
{
    const struct profile_stack *stack;
    uint64_t total = 0;
    for (size_t i = 0; (stack = flame_next(flame, &i));)
        total += stack->total_ns;
    return total;
}

static char *text_clean(const char *text, char *buffer, size_t size)
{
    size_t used = 0, left = strlen(text);
    while (left > 0) {
        uint32_t code;
        char bytes[4];
        size_t length = utf8_decode(text, left, &code);
        text += length;
        left -= length;
        size_t encoded = utf8_encode(utf8_is_hostile(code) ? '?' : code, bytes);
        if (used + encoded >= size)
            break;
        memcpy(buffer + used, bytes, encoded);
        used += encoded;
    }
    buffer[used] = '\0';
    return buffer;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *flame_label(const struct profile_frame *frame, char *buffer, size_t size)
{
    char text[2 * FLAME_LABEL_SIZE];
    if (frame->kind == PROFILE_PYTHON && frame->file)
        snprintf(text, sizeof(text), "%s (%s:%u)", frame->function, base_name(frame->file), frame->line);
    else if (frame->kind == PROFILE_KERNEL)
        snprintf(text, sizeof(text), "%s_[k]", frame->function);
    else if (frame->kind == PROFILE_NATIVE && strncmp(frame->function, "0x", 2) == 0 && frame->module[0])
        snprintf(text, sizeof(text), "%s [%s]", frame->function, frame->module);
    else
        snprintf(text, sizeof(text), "%s", frame->function);
    return text_clean(text, buffer, size);
}

char *flame_thread_label(const struct profile_thread *thread, char *buffer, size_t size)
{
    return text_clean(thread->thread.name, buffer, size);
}

char *flame_thread_title(const struct profile_thread *thread, char *buffer, size_t size)
{
    char text[FLAME_LABEL_SIZE];
    snprintf(text, sizeof(text), "%s[%u] %s (%u)%s%s%s", thread->process.name, thread->process.pid, thread->thread.name,
             thread->thread.tid, thread->loop_kind ? ", " : "", thread->loop_kind ? thread->loop_kind : "",
             thread->loop_kind ? " loop" : "");
    return text_clean(text, buffer, size);
}
