/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The distinct frames of a profile, and stacks as lists of their numbers. */
#ifndef CPROBE_ANALYSIS_PROFILE_FRAMES_H
#define CPROBE_ANALYSIS_PROFILE_FRAMES_H

#include "analysis/model.h"
#include "analysis/profile.h"
#include "analysis/profile_index.h"

struct profile_frames {
    struct arena *arena;
    struct profile_index index;
    struct profile_frame *list;
    size_t capacity;
    uint32_t *path; /* the stack asked for last, outermost first; changes with each call */
    size_t path_capacity;
};

void profile_frames_init(struct profile_frames *frames, struct arena *arena);

/* Puts the numbers of the stack's frames into `path` and returns how many. Notes stand first where a loop was idle or
   the stack's begin was not reached; a stack that was not recorded is a note and the call (calls.def). */
size_t profile_frames_path(struct profile_frames *frames, const struct stack *stack, uint16_t call, bool idle);

/* The same for a wait as the kernel saw it: `name` stands for a stack that was not recorded. */
size_t profile_frames_kernel(struct profile_frames *frames, const struct stack *stack, const char *name, bool idle);

/* Adds the kernel's frames of a stack behind path[0..count). Returns the new count. */
size_t profile_frames_top(struct profile_frames *frames, size_t count, const struct stack *stack);

/* Adds the stack of who ended the wait behind path[0..count), innermost first, so that the two meet at the wake-up (as
   bcc's offwaketime prints them). Returns the new count. */
size_t profile_frames_waker(struct profile_frames *frames, size_t count, const struct stack *stack);

/* Adds a text that is not code behind path[0..count). Returns the new count. */
size_t profile_frames_note(struct profile_frames *frames, size_t count, const char *text);

/* Adds a thing that was waited for, as `text` in brackets says, behind path[0..count). Returns the new count. */
size_t profile_frames_awaited(struct profile_frames *frames, size_t count, const char *text);

/* Adds what was waited for and what was asked there (operation 0: not known), where it has a name, behind
 * path[0..count). Returns the new count. */
size_t profile_frames_endpoint(struct profile_frames *frames, size_t count, const struct model_process *process,
                               uint32_t endpoint, uint32_t operation);

/* Hands the list over to the profile and frees the rest. */
void profile_frames_finish(struct profile_frames *frames, struct profile *profile);

#endif
