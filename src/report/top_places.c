/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where threads are blocked, by the innermost frame that is not the system's. */
#include <stdlib.h>
#include <string.h>

#include "analysis/arena.h"
#include "report/flame.h"
#include "report/top.h"

static const struct profile_frame *frame_of(const struct profile *profile, const struct profile_stack *stack, size_t i)
{
    return &profile->frames[stack->frames[i]];
}

static bool frame_is_code(const struct profile_frame *frame)
{
    return frame->kind == PROFILE_NATIVE || frame->kind == PROFILE_PYTHON;
}

/* The frame that speaks for a stack. NULL: none is code. */
static const struct profile_frame *speaking_frame(const struct profile *profile, const struct profile_stack *stack)
{
    const struct profile_frame *innermost = NULL;
    for (size_t i = stack->frame_count; i-- > 0;) {
        const struct profile_frame *frame = frame_of(profile, stack, i);
        if (frame_is_code(frame) && !frame->system)
            return frame;
        if (frame_is_code(frame) && !innermost)
            innermost = frame;
    }
    return innermost;
}

static char *place_key(const char *process, const char *where, const char *awaited)
{
    size_t size = strlen(process) + strlen(where) + strlen(awaited) + 3;
    char *key = memory_get(size, 1);
    snprintf(key, size, "%s\n%s\n%s", process, where, awaited);
    return key;
}

static struct top_place *place_get(struct top_places *places, const struct top_place *place)
{
    for (size_t i = 0; i < places->count; i++) {
        if (strcmp(places->list[i].key, place->key) == 0) {
            free(place->key);
            return &places->list[i];
        }
    }
    places->list = memory_grow(places->list, places->count, &places->capacity, sizeof(*places->list));
    places->list[places->count] = *place;
    return &places->list[places->count++];
}

static void stack_add(struct top_places *places, const struct profile *profile, const struct profile_stack *stack)
{
    char label[FLAME_LABEL_SIZE];
    const struct profile_frame *frame = speaking_frame(profile, stack);
    const struct profile_frame *last = frame_of(profile, stack, stack->frame_count - 1);
    struct top_place place = {.process = profile->threads[stack->thread].process.name,
                              .awaited = last->kind == PROFILE_ENDPOINT ? last->function : NULL};
    const char *where = frame ? flame_label(frame, label, sizeof(label)) : "[not recorded]";
    place.key = place_key(place.process, where, place.awaited ? place.awaited : "");
    struct top_place *found = place_get(places, &place);
    found->where = strchr(found->key, '\n') + 1; /* up to the next line's end */
    found->ns += stack->total_ns;
    found->count += stack->count;
}

static int place_compare(const void *left, const void *right)
{
    const struct top_place *a = left, *b = right;
    if (a->ns != b->ns)
        return a->ns > b->ns ? -1 : 1;
    return strcmp(a->key, b->key);
}

static void profile_collect(struct top_places *places, const struct profile *profile)
{
    const struct flame flame = {profile, NULL, profile_kind_find("blocked"), false};
    const struct profile_stack *stack;
    for (size_t i = 0; (stack = flame_next(&flame, &i));)
        stack_add(places, profile, stack);
}

void top_places_collect(struct top_places *places, const struct profile *now, const struct profile *before)
{
    struct top_places old = {NULL, 0, 0};
    *places = (struct top_places){NULL, 0, 0};
    profile_collect(places, now);
    if (before)
        profile_collect(&old, before);
    for (size_t i = 0; i < places->count; i++) {
        struct top_place *place = &places->list[i];
        for (size_t j = 0; j < old.count; j++) {
            if (strcmp(old.list[j].key, place->key) != 0)
                continue;
            place->ns -= old.list[j].ns < place->ns ? old.list[j].ns : place->ns;
            place->count -= old.list[j].count < place->count ? old.list[j].count : place->count;
        }
    }
    top_places_free(&old);
    if (places->count > 0)
        qsort(places->list, places->count, sizeof(*places->list), place_compare);
}

void top_places_free(struct top_places *places)
{
    for (size_t i = 0; i < places->count; i++)
        free(places->list[i].key);
    free(places->list);
    *places = (struct top_places){NULL, 0, 0};
}
