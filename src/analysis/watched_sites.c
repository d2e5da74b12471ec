/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which watched objects are one for the reader: those of one class that were made in one place. */
#include <stdlib.h>
#include <string.h>

#include "analysis/findings.h"
#include "analysis/model.h"
#include "analysis/place.h"
#include "analysis/watched.h"

/* An object with what its site is told by. */
struct member {
    struct watched_object *object;
    const struct stack *birth;
    const struct frame *frame; /* where it was made; NULL: not known */
    uint64_t place;            /* without the line, so that it survives edits */
};

static struct member member_of(struct model *model, struct watched_object *object)
{
    struct member member = {.object = object};
    if (!object->birth_stack)
        return member;
    const struct model_process *process = object->birthplace;
    member.birth = symbols_stack(model->symbols, process->trace, object->birth_stack, 0);
    struct place place = place_of(member.birth, process->program);
    member.frame = place.user ? place.user : place.driver;
    member.place = place.hash;
    return member;
}

static int text_compare(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

static const char *class_of(const struct watched_object *object)
{
    return object->source ? object->source->class : "object";
}

static const char *module_of(const struct watched_object *object)
{
    return object->source ? object->source->module : "";
}

static int kind_compare(const struct member *a, const struct member *b)
{
    int by = text_compare(class_of(a->object), class_of(b->object));
    if (!by)
        by = text_compare(module_of(a->object), module_of(b->object));
    return by ? by : a->place < b->place ? -1 : a->place > b->place;
}

static int site_compare(const struct member *a, const struct member *b)
{
    int by = kind_compare(a, b);
    if (by || !a->frame || !b->frame)
        return by ? by : (a->frame != NULL) - (b->frame != NULL);
    by = text_compare(a->frame->file, b->frame->file);
    return by ? by : a->frame->line < b->frame->line ? -1 : a->frame->line > b->frame->line;
}

static int member_compare(const void *left, const void *right)
{
    const struct member *a = left, *b = right;
    int by = site_compare(a, b);
    if (by)
        return by;
    if (a->object->operations != b->object->operations)
        return a->object->operations > b->object->operations ? -1 : 1;
    return a->object < b->object ? -1 : a->object > b->object;
}

static const char *site_name(const struct member *member, struct arena *arena)
{
    const char *module = module_of(member->object), *class = class_of(member->object);
    const char *what = module[0] ? arena_format(arena, "%s.%s", module, class) : class;
    const struct frame *frame = member->frame;
    if (!frame)
        return what;
    if (!frame->file || !frame->line)
        return arena_format(arena, "%s of %s", what, words_frame(frame, arena));
    const char *slash = strrchr(frame->file, '/');
    return arena_format(arena, "%s of %s:%u", what, slash ? slash + 1 : frame->file, frame->line);
}

/* `ordinal`: which of several lines in the same place. */
static uint64_t site_id(const struct member *member, size_t ordinal)
{
    uint64_t id = place_hash_text(PLACE_HASH_START, module_of(member->object));
    id = place_hash_text(id, class_of(member->object));
    if (member->place == 0)
        id = place_hash_text(id, member->object->process->program);
    id ^= member->place * UINT64_C(0x9e3779b97f4a7c15);
    return (id + ordinal) * UINT64_C(0x100000001b3);
}

struct watched_site *watched_sites(struct model *model, size_t *count)
{
    struct watched_table *table = &model->watched;
    size_t objects = watched_count(table), ordinal = 0;
    struct member *members = memory_get(objects + 1, sizeof(*members));
    struct watched_site *sites = arena_get(model->arena, (objects + 1) * sizeof(*sites));
    struct watched_object **list = arena_get(model->arena, (objects + 1) * sizeof(struct watched_object *));
    *count = 0;
    for (size_t i = 0; i < objects; i++)
        members[i] = member_of(model, &table->objects[i]);
    if (objects > 0)
        qsort(members, objects, sizeof(*members), member_compare);
    for (size_t i = 0; i < objects; i++) {
        list[i] = members[i].object;
        if (i > 0 && site_compare(&members[i - 1], &members[i]) == 0) {
            sites[*count - 1].count++;
            continue;
        }
        ordinal = i > 0 && kind_compare(&members[i - 1], &members[i]) == 0 ? ordinal + 1 : 0;
        sites[(*count)++] = (struct watched_site){.name = site_name(&members[i], model->arena),
                                                  .id = site_id(&members[i], ordinal),
                                                  .birth = members[i].birth,
                                                  .list = &list[i],
                                                  .count = 1};
    }
    free(members);
    return sites;
}
