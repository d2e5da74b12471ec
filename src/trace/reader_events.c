/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ring segments and the merge of all events by time.
 *
 * A thread writes a record when a wait ends, but its time is that of the begin, and waits nest: inside a segment
 * records are only nearly in order, and neighbouring segments of a thread overlap a little. So a segment's least time
 * is found at open, the segment is sorted when the merge reaches that time, and a heap (Knuth, TAOCP 3, 5.4.1: k-way
 * merge) holds the segments that overlap there: about one a thread, however long the file is.
 */
#include "trace/reader_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECYCLED_RETRIES 3

struct key {
    uint64_t time_ns;
    uint32_t at; /* offset in payload */
};

struct segment_cursor {
    size_t ring; /* index in trace.rings: breaks ties */
    const uint8_t *payload;
    size_t next, count;
    struct key keys[]; /* `count`, then the payload */
};

/* ---- at open ---- */

/* Copies header and records to `buffer`; false: recycled meanwhile. */
static bool ring_copy(const struct trace *t, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    struct segment before, after;
    *got = reader_file_read(t, offset, buffer, size);
    if (*got < SEGMENT_HEADER_SIZE)
        return 0;
    memcpy(&before, buffer, sizeof(before));
    /* The writer stores the new generation before it touches a record: unchanged now, so the copy holds none of the
     * new. */
    if (reader_file_read(t, offset, &after, sizeof(after)) < sizeof(after))
        return 0;
    return before.magic == SEGMENT_MAGIC && before.generation == after.generation;
}

static void ring_scan(struct trace *t, struct ring_segment *r, const uint8_t *payload)
{
    r->first_ns = UINT64_MAX;
    for (uint32_t at = 0; at < r->used; at += RING_RECORD_SIZE) {
        const union trace_event *e = (const union trace_event *)(const void *)(payload + at);
        const char *wrong = event_check(e, EVENT_CLASS_RING);
        if (wrong) {
            damage_add(t, r->offset + SEGMENT_HEADER_SIZE + at, "%s", wrong);
            continue;
        }
        r->records++;
        if (r->first_ns > e->header.time_ns)
            r->first_ns = e->header.time_ns;
        time_seen(t, event_end_ns(e));
    }
}

int ring_load(struct trace *t, const struct segment *s, uint64_t offset, uint32_t size)
{
    size_t got = 0;
    bool same = false;
    int err = scratch_reserve(t, size);
    if (err)
        return err;
    for (int i = 0; i < RECYCLED_RETRIES && !same; i++)
        same = ring_copy(t, offset, t->scratch, size, &got);
    if (!same) {
        uint32_t expected = s->used < size ? s->used : size;
        t->info.lost[TRACE_LOST_OVERWRITTEN] += expected / RING_RECORD_SIZE;
        return 0;
    }

    struct segment header;
    memcpy(&header, t->scratch, sizeof(header));
    uint32_t payload = (uint32_t)got - SEGMENT_HEADER_SIZE;
    if (header.used > header.size - SEGMENT_HEADER_SIZE || header.used % RING_RECORD_SIZE != 0)
        damage_add(t, offset, "a ring segment with an impossible fill level");
    if (payload > header.used)
        payload = header.used;

    struct ring_segment r = {.offset = offset, .generation = header.generation};
    r.used = payload / RING_RECORD_SIZE * RING_RECORD_SIZE;
    ring_scan(t, &r, t->scratch + SEGMENT_HEADER_SIZE);
    if (!r.records)
        return 0;
    struct ring_segment *kept = reader_list_add(&t->rings, sizeof(*kept));
    if (!kept)
        return -ENOMEM;
    *kept = r;
    return 0;
}

static int ring_compare(const void *a, const void *b)
{
    const struct ring_segment *x = a, *y = b;
    int by_time = number_compare(x->first_ns, y->first_ns);
    return by_time ? by_time : number_compare(x->generation, y->generation);
}

void rings_finish(struct trace *t)
{
    if (t->rings.count)
        qsort(t->rings.items, t->rings.count, sizeof(struct ring_segment), ring_compare);
}

/* ---- a segment in the merge ---- */

static int key_compare(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    int by_time = number_compare(x->time_ns, y->time_ns);
    return by_time ? by_time : number_compare(x->at, y->at);
}

static void cursor_sort(struct segment_cursor *c)
{
    bool sorted = true;
    for (size_t i = 1; i < c->count && sorted; i++)
        sorted = c->keys[i - 1].time_ns <= c->keys[i].time_ns;
    if (!sorted)
        qsort(c->keys, c->count, sizeof(c->keys[0]), key_compare);
}

static void ring_lost(struct trace *t, struct ring_segment *r)
{
    if (!r->lost)
        t->info.lost[TRACE_LOST_OVERWRITTEN] += r->records;
    r->lost = true;
}

/* Reads and sorts a ring segment. NULL: recycled since it was found, and counted; or no memory. */
static struct segment_cursor *cursor_open(struct trace *t, size_t ring)
{
    struct ring_segment *r = (struct ring_segment *)t->rings.items + ring;
    size_t keys = r->used / RING_RECORD_SIZE * sizeof(struct key), got;
    struct segment_cursor *c = malloc(sizeof(*c) + keys + SEGMENT_HEADER_SIZE + r->used);
    if (!c) {
        damage_add(t, r->offset, "not enough memory for a ring segment");
        return NULL;
    }
    uint8_t *copy = (uint8_t *)c + sizeof(*c) + keys;
    struct segment header;
    if (!ring_copy(t, r->offset, copy, SEGMENT_HEADER_SIZE + r->used, &got) ||
        (memcpy(&header, copy, sizeof(header)), header.generation != r->generation)) {
        ring_lost(t, r);
        free(c);
        return NULL;
    }
    *c = (struct segment_cursor){.ring = ring, .payload = copy + SEGMENT_HEADER_SIZE};
    size_t payload = got - SEGMENT_HEADER_SIZE;
    for (size_t at = 0; at + RING_RECORD_SIZE <= payload; at += RING_RECORD_SIZE) {
        const union trace_event *e = (const union trace_event *)(const void *)(c->payload + at);
        if (!event_check(e, EVENT_CLASS_RING)) /* again: the file may have changed; damage was counted at open */
            c->keys[c->count++] = (struct key){e->header.time_ns, (uint32_t)at};
    }
    cursor_sort(c);
    if (!c->count) {
        free(c);
        return NULL;
    }
    return c;
}

/* ---- heap of open segments, earliest next record on top ---- */

static bool cursor_before(const struct segment_cursor *a, const struct segment_cursor *b)
{
    uint64_t x = a->keys[a->next].time_ns, y = b->keys[b->next].time_ns;
    return x != y ? x < y : a->ring < b->ring;
}

static void heap_sift_down(struct merge *m)
{
    struct segment_cursor **h = m->heap, *moved = h[0];
    size_t i = 0;
    for (size_t child = 1; child < m->heap_count; child = 2 * i + 1) {
        if (child + 1 < m->heap_count && cursor_before(h[child + 1], h[child]))
            child++;
        if (!cursor_before(h[child], moved))
            break;
        h[i] = h[child];
        i = child;
    }
    h[i] = moved;
}

static int heap_push(struct merge *m, struct segment_cursor *c)
{
    if (m->heap_count == m->heap_capacity) {
        size_t capacity = m->heap_capacity ? 2 * m->heap_capacity : 64;
        struct segment_cursor **larger = realloc(m->heap, capacity * sizeof(struct segment_cursor *));
        if (!larger)
            return -ENOMEM;
        m->heap = larger;
        m->heap_capacity = capacity;
    }
    size_t i = m->heap_count++;
    for (; i > 0 && cursor_before(c, m->heap[(i - 1) / 2]); i = (i - 1) / 2)
        m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = c;
    return 0;
}

static void heap_pop(struct merge *m)
{
    m->heap[0] = m->heap[--m->heap_count];
    if (m->heap_count)
        heap_sift_down(m);
}

/* ---- the merge ---- */

void trace_rewind(struct trace *t)
{
    struct merge *m = &t->merge;
    for (size_t i = 0; i < m->heap_count; i++)
        free(m->heap[i]);
    free(m->finished);
    m->finished = NULL;
    m->heap_count = m->next_ring = m->next_log = 0;
}

/* Opens the segments whose first record may come before the heap's top. */
static void merge_open_due(struct trace *t)
{
    struct merge *m = &t->merge;
    const struct ring_segment *rings = t->rings.items;
    while (m->next_ring < t->rings.count) {
        if (m->heap_count && m->heap[0]->keys[m->heap[0]->next].time_ns < rings[m->next_ring].first_ns)
            return;
        struct segment_cursor *c = cursor_open(t, m->next_ring++);
        if (c && heap_push(m, c) < 0) {
            damage_add(t, rings[c->ring].offset, "not enough memory for a ring segment");
            free(c);
        }
    }
}

static const union trace_event *merge_take_ring(struct merge *m)
{
    struct segment_cursor *top = m->heap[0];
    const uint8_t *record = top->payload + top->keys[top->next++].at;
    if (top->next < top->count) {
        heap_sift_down(m);
    } else {
        heap_pop(m);
        m->finished = top;
    }
    return (const union trace_event *)(const void *)record;
}

int trace_next(struct trace *t, const union trace_event **out)
{
    struct merge *m = &t->merge;
    const struct log_index *log = t->log_index.items;
    free(m->finished);
    m->finished = NULL;
    merge_open_due(t);

    bool log_left = m->next_log < t->log_index.count;
    /* At the same time the log goes first: it defines what the others refer to. */
    if (log_left && (!m->heap_count || log[m->next_log].time_ns <= m->heap[0]->keys[m->heap[0]->next].time_ns))
        *out = (const union trace_event *)(const void *)(t->log + log[m->next_log++].at);
    else if (m->heap_count)
        *out = merge_take_ring(m);
    else
        return 0;
    return 1;
}
