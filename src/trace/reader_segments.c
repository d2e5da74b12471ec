/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the segments of a file, however damaged, and hands each to the loader of its kind. */
#define _GNU_SOURCE
#include "trace/reader_private.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct found {
    struct segment header;
    uint64_t offset;
    uint32_t size; /* bytes of it that the file has */
};

/*
 * In the order in which kinds are loaded. What refers comes before what it refers to, so that in a file that is still
 * being written the stack or endpoint of the newest event is found too.
 */
static const struct {
    enum segment_kind kind;
    int (*load)(struct trace *t, const struct segment *s, uint64_t offset, uint32_t size);
} loaders[] = {
    {SEGMENT_RING, ring_load},     {SEGMENT_THREAD, thread_load}, {SEGMENT_COUNTERS, counters_load},
    {SEGMENT_STACKS, stacks_load}, {SEGMENT_LOG, log_load},       {SEGMENT_INDEX, NULL},
};

#define LOADERS (sizeof(loaders) / sizeof(loaders[0]))

static bool kind_known(uint16_t kind)
{
    for (size_t i = 0; i < LOADERS; i++)
        if (loaders[i].kind == kind)
            return true;
    return false;
}

int scratch_reserve(struct trace *t, size_t size)
{
    if (t->scratch_size >= size)
        return 0;
    uint8_t *larger = realloc(t->scratch, size);
    if (!larger)
        return -ENOMEM;
    t->scratch = larger;
    t->scratch_size = size;
    return 0;
}

int scratch_read(struct trace *t, uint64_t offset, size_t size, size_t *got)
{
    int err = scratch_reserve(t, size);
    *got = err ? 0 : reader_file_read(t, offset, t->scratch, size);
    return err;
}

static const char *segment_check(const struct segment *s)
{
    if (s->magic != SEGMENT_MAGIC)
        return "no segment where one should begin";
    if (s->size < TRACE_PAGE || s->size % TRACE_PAGE != 0 || s->size > SEGMENT_SIZE_MAX)
        return "a segment of impossible size";
    if (!kind_known(s->kind))
        return "a segment of unknown kind";
    return NULL;
}

/* The next page where a segment may begin: holes of a sparse file hold none. */
static uint64_t page_next(const struct trace *t, uint64_t offset)
{
    offset += TRACE_PAGE;
    off_t data = lseek(t->fd, (off_t)offset, SEEK_DATA);
    if (data < 0)
        return errno == ENXIO ? t->end : offset; /* ENXIO: nothing but a hole up to the end */
    return (uint64_t)data > offset ? (uint64_t)data / TRACE_PAGE * TRACE_PAGE : offset;
}

static int segments_find(struct trace *t, struct list *found)
{
    bool in_step = true; /* false: searching for the next segment, the damage is counted already */
    struct segment s;
    for (uint64_t at = TRACE_PAGE; at < t->end;) {
        uint64_t left = t->end - at;
        if (left < SEGMENT_HEADER_SIZE || reader_file_read(t, at, &s, sizeof(s)) < sizeof(s)) {
            damage_add(t, at, "the file ends inside a segment");
            return 0;
        }
        const char *wrong = segment_check(&s);
        if (wrong) {
            /* magic 0: reserved, but not published when the process was killed, or not yet; then its pages may fill
               while they are looked through. Not damage. */
            if (in_step && s.magic != 0)
                damage_add(t, at, "%s", wrong);
            in_step &= s.magic == 0 && t->info.ended;
            at = page_next(t, at);
            continue;
        }
        in_step = true;
        if (s.size > left)
            damage_add(t, at, "the file ends inside a segment");
        struct found *f = reader_list_add(found, sizeof(*f));
        if (!f)
            return -ENOMEM;
        *f = (struct found){s, at, s.size > left ? (uint32_t)left : s.size};
        at += s.size;
    }
    return 0;
}

int segments_load(struct trace *t)
{
    struct list found = {0};
    int err = segments_find(t, &found);
    const struct found *all = found.items;
    for (size_t k = 0; k < LOADERS && !err; k++)
        for (size_t i = 0; i < found.count && !err; i++)
            if (all[i].header.kind == loaders[k].kind && loaders[k].load)
                err = loaders[k].load(t, &all[i].header, all[i].offset, all[i].size);
    reader_list_free(&found);
    return err;
}
