/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a forked child's trace takes over from its parent's: writer.h. */
#include <string.h>

#include "base/compiler.h"
#include "trace/writer.h"

static bool defines_number(uint16_t type)
{
    switch (type) {
    case EVENT_ENDPOINT:
    case EVENT_MODULE:
    case EVENT_UNLOAD:
    case EVENT_CODE:
    case EVENT_OPERATION:
    case EVENT_KEY:
    case EVENT_PROTOCOL:
    case EVENT_ADDRESS:
    case EVENT_LOCK:
    case EVENT_LOCKSET:
    case EVENT_OBJECT:
    case EVENT_METHOD:
    case EVENT_SHARED:
        return true;
    default:
        return false;
    }
}

static void inherit_record(struct writer *w, const struct event_header *e, uint32_t size)
{
    struct event_header *copy = writer_log_reserve(w, size, 0);
    if (!copy)
        return;
    copy->time_ns = e->time_ns;
    memcpy(copy + 1, e + 1, size - sizeof(*e));
    if (e->type == EVENT_LOCK)
        ((struct event_lock *)copy)->stack = 0; /* it is in the parent's file */
    if (e->type == EVENT_OBJECT)
        ((struct event_object *)copy)->stack = 0;
    writer_log_commit(copy, e->type);
}

static void inherit_log(struct writer *w, const struct segment *s, bool (*known)(const struct event_header *))
{
    const char *p = (const char *)s + SEGMENT_HEADER_SIZE;
    const char *end = p + load_acquire(&s->used);
    while (p + sizeof(struct event_header) <= end) {
        const struct event_header *e = (const struct event_header *)p;
        uint16_t type = load_acquire(&e->type);
        uint32_t size = load_relaxed(&e->size);
        if (e->magic != EVENT_MAGIC || size < sizeof(*e) || size > (size_t)(end - p) || size % EVENT_ALIGN) {
            p += EVENT_ALIGN; /* being written: the parent's other threads go on */
            continue;
        }
        if (defines_number(type) && known(e))
            inherit_record(w, e, size);
        p += size;
    }
}

void writer_inherit(struct writer *w, const struct writer *from, bool (*known)(const struct event_header *record))
{
    uint64_t used = load_acquire(&from->header->used) & ~TRACE_USED_CLOSED;
    uint64_t offset = from->header->header_size;
    while (offset + sizeof(struct segment) <= used) {
        const struct segment *s = (const struct segment *)((const char *)from->header + offset);
        if (load_acquire(&s->magic) != SEGMENT_MAGIC ||
            s->size < TRACE_PAGE) { /* another thread was about to create it */
            offset += TRACE_PAGE;
            continue;
        }
        if (s->kind == SEGMENT_LOG)
            inherit_log(w, s, known);
        offset += s->size;
    }
}
