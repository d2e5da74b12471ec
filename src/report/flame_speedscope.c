/* SPDX-License-Identifier: GPL-2.0-or-later */
/* speedscope's file format (https://www.speedscope.app/file-format-schema.json): one "sampled" profile a thread. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "report/flame.h"

static json_t *frames_json(const struct profile *profile)
{
    char label[FLAME_LABEL_SIZE];
    json_t *list = json_array();
    for (size_t i = 0; i < profile->frame_count; i++) {
        const struct profile_frame *frame = &profile->frames[i];
        json_t *object = json_pack("{s:s}", "name", flame_label(frame, label, sizeof(label)));
        const struct profile_frame file = {.kind = PROFILE_NOTE, .function = frame->file ? frame->file : frame->module};
        if (file.function[0])
            json_object_set_new(object, "file", json_string(flame_label(&file, label, sizeof(label))));
        if (frame->line)
            json_object_set_new(object, "line", json_integer(frame->line));
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *sample_json(const struct profile_stack *stack)
{
    json_t *sample = json_array();
    for (size_t i = 0; i < stack->frame_count; i++)
        json_array_append_new(sample, json_integer(stack->frames[i]));
    return sample;
}

struct thread_profile {
    json_t *samples, *weights;
    uint64_t total_ns;
};

static json_t *thread_json(const struct profile_thread *thread, struct thread_profile *content)
{
    char title[FLAME_LABEL_SIZE];
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:i, s:f, s:o, s:o}", "type", "sampled", "name",
                  flame_thread_title(thread, title, sizeof(title)), "unit", "microseconds", "startValue", 0, "endValue",
                  (double)content->total_ns / 1000, "samples", content->samples, "weights", content->weights);
    content->samples = content->weights = NULL; /* the object's now */
    return object;
}

static void stack_add(struct thread_profile *threads, const struct profile_stack *stack)
{
    struct thread_profile *thread = &threads[stack->thread];
    if (!thread->samples) {
        thread->samples = json_array();
        thread->weights = json_array();
    }
    json_array_append_new(thread->samples, sample_json(stack));
    json_array_append_new(thread->weights, json_real((double)stack->total_ns / 1000));
    thread->total_ns += stack->total_ns;
}

/* The profiles of all threads that waited; *heaviest: index of that with most time. */
static json_t *profiles_json(const struct flame *flame, size_t *heaviest)
{
    const struct profile *profile = flame->profile;
    struct thread_profile *threads = calloc(profile->thread_count + 1, sizeof(*threads));
    const struct profile_stack *stack;
    json_t *list = threads ? json_array() : NULL;
    uint64_t most = 0;
    *heaviest = 0;
    for (size_t i = 0; list && (stack = flame_next(flame, &i));)
        stack_add(threads, stack);
    for (size_t i = 0; list && i < profile->thread_count; i++) {
        if (!threads[i].samples)
            continue;
        if (threads[i].total_ns > most) {
            most = threads[i].total_ns;
            *heaviest = json_array_size(list);
        }
        json_array_append_new(list, thread_json(&profile->threads[i], &threads[i]));
    }
    free(threads);
    return list;
}

int flame_speedscope_write(const struct flame *flame, FILE *out)
{
    size_t heaviest;
    json_t *profiles = profiles_json(flame, &heaviest);
    json_t *root = profiles
                       ? json_pack("{s:s, s:s, s:s, s:I, s:{s:o}, s:o}", "$schema",
                                   "https://www.speedscope.app/file-format-schema.json", "exporter", "cprobe", "name",
                                   profile_kind_at(flame->kind)->name, "activeProfileIndex", (json_int_t)heaviest,
                                   "shared", "frames", frames_json(flame->profile), "profiles", profiles)
                       : NULL;
    int result = root ? 0 : -ENOMEM;
    if (root && json_dumpf(root, out, JSON_COMPACT) < 0)
        result = -EIO;
    json_decref(root);
    return result;
}
