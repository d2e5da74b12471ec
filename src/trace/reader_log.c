/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LOG segments: finds the usable records, keeps them for trace_next, and takes in what they define. */
#include "trace/reader_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int record_keep(struct trace *t, const uint8_t *bytes, uint32_t size)
{
    /* Room for a whole union behind the last record: a caller may copy one. */
    size_t needed = t->log_size + size + sizeof(union trace_event);
    if (t->log_capacity < needed) {
        size_t capacity = needed + t->log_capacity;
        uint8_t *larger = realloc(t->log, capacity);
        if (!larger)
            return -ENOMEM;
        memset(larger + t->log_capacity, 0, capacity - t->log_capacity);
        t->log = larger;
        t->log_capacity = capacity;
    }
    struct log_index *index = reader_list_add(&t->log_index, sizeof(*index));
    if (!index)
        return -ENOMEM;
    memcpy(t->log + t->log_size, bytes, size);
    index->at = t->log_size;
    t->log_size += size;

    const union trace_event *e = (const union trace_event *)(const void *)(t->log + index->at);
    index->time_ns = e->header.time_ns;
    time_seen(t, event_end_ns(e));
    return definition_add(t, e);
}

static bool size_fits(uint32_t size, size_t left)
{
    return size >= sizeof(struct event_header) && size % EVENT_ALIGN == 0 && size <= LOG_RECORD_MAX && size <= left;
}

/*
 * Bytes to the next record after one at `bytes` that cannot be used. A writer that was killed left type 0 and either
 * its size or nothing; where the size does not help, the next record is where EVENT_MAGIC is.
 */
static size_t record_skip(const uint8_t *bytes, size_t left)
{
    struct event_header h;
    memcpy(&h, bytes, sizeof(h));
    if (size_fits(h.size, left) && (h.magic == EVENT_MAGIC || (h.magic == 0 && h.type == 0)))
        return h.size;
    size_t skip = EVENT_ALIGN;
    while (skip + sizeof(h) <= left) {
        memcpy(&h, bytes + skip, sizeof(h));
        if (h.magic == EVENT_MAGIC && size_fits(h.size, left - skip))
            return skip;
        skip += EVENT_ALIGN;
    }
    return left;
}

/* A whole record begins at `bytes`: its size, or 0. Unfinished ones are skipped in silence, broken ones are damage. */
static uint32_t record_check(struct trace *t, const uint8_t *bytes, size_t left, uint64_t offset)
{
    struct event_header h;
    memcpy(&h, bytes, sizeof(h));
    if (h.type == 0 && (h.magic == EVENT_MAGIC || h.magic == 0))
        return 0;
    if (h.magic == EVENT_MAGIC && !size_fits(h.size, left)) {
        damage_add(t, offset, "an event of impossible size");
        return 0;
    }
    const char *wrong = event_check((const union trace_event *)(const void *)bytes, EVENT_CLASS_LOG);
    if (wrong) {
        damage_add(t, offset, "%s", wrong);
        return 0;
    }
    return h.size;
}

int log_load(struct trace *t, const struct segment *s, uint64_t offset, uint32_t size)
{
    size_t got;
    int err = scratch_read(t, offset, size, &got);
    if (err || got <= SEGMENT_HEADER_SIZE)
        return err;
    /* `used` may exceed the size: each writer that found the segment full has added to it. */
    const uint8_t *bytes = t->scratch + SEGMENT_HEADER_SIZE;
    size_t end = got - SEGMENT_HEADER_SIZE;
    if (end > s->used)
        end = s->used;

    for (size_t at = 0; !err && end - at >= sizeof(struct event_header);) {
        uint32_t length = record_check(t, bytes + at, end - at, offset + SEGMENT_HEADER_SIZE + at);
        if (length)
            err = record_keep(t, bytes + at, length);
        at += length ? length : record_skip(bytes + at, end - at);
    }
    return err;
}

static int index_compare(const void *a, const void *b)
{
    const struct log_index *x = a, *y = b;
    int by_time = number_compare(x->time_ns, y->time_ns);
    return by_time ? by_time : number_compare(x->at, y->at);
}

int log_finish(struct trace *t)
{
    if (t->log_index.count)
        qsort(t->log_index.items, t->log_index.count, sizeof(struct log_index), index_compare);
    definitions_finish(t);
    int err = modules_finish(t);
    return err ? err : symbols_finish(t);
}
