/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/stack_samples.h"

#include <string.h>

#define COMMON_SHARE (2.0 / 3.0) /* of the samples must agree on a frame */

static bool frame_equal(const struct frame *a, const struct frame *b)
{
    return strcmp(a->function, b->function) == 0 && strcmp(a->module, b->module) == 0;
}

/* The `depth`th frame from the outside. */
static const struct frame *frame_outer(const struct stack *stack, size_t depth)
{
    return depth < stack->count ? &stack->frames[stack->count - 1 - depth] : NULL;
}

/* Frame at `depth` that most samples share; *weight: of those samples. */
static const struct frame *frame_favourite(const struct stack_sample *samples, size_t count, size_t depth,
                                           double *weight)
{
    const struct frame *best = NULL;
    *weight = 0;
    for (size_t i = 0; i < count; i++) {
        const struct frame *frame = frame_outer(samples[i].stack, depth);
        double sum = 0;
        for (size_t j = 0; frame && j < count; j++) {
            const struct frame *other = frame_outer(samples[j].stack, depth);
            sum += other && frame_equal(frame, other) ? samples[j].weight : 0;
        }
        if (sum > *weight) {
            *weight = sum;
            best = frame;
        }
    }
    return best;
}

size_t stack_samples_common(struct stack_sample *samples, size_t *count)
{
    double total = 0, weight;
    size_t depth = 0;
    for (size_t i = 0; i < *count; i++)
        total += samples[i].weight;
    for (;; depth++) {
        const struct frame *frame = frame_favourite(samples, *count, depth, &weight);
        size_t kept = 0;
        if (!frame || weight < COMMON_SHARE * total)
            return depth;
        for (size_t i = 0; i < *count; i++) {
            const struct frame *other = frame_outer(samples[i].stack, depth);
            if (other && frame_equal(frame, other))
                samples[kept++] = samples[i];
        }
        *count = kept;
    }
}
