/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/reader_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int stacks_load(struct trace *t, const struct segment *s, uint64_t offset, uint32_t size)
{
    /* `used` counts what writers reserved, and each that found the segment full has added too: it may exceed the size.
     */
    uint32_t payload = size - SEGMENT_HEADER_SIZE;
    if (payload > s->used)
        payload = s->used;
    struct stack_segment *loaded = reader_list_add(&t->stacks, sizeof(*loaded));
    if (!loaded)
        return -ENOMEM;
    loaded->offset = offset + SEGMENT_HEADER_SIZE;
    loaded->bytes = malloc(payload ? payload : 1);
    if (!loaded->bytes)
        return -ENOMEM;
    loaded->size = (uint32_t)reader_file_read(t, loaded->offset, loaded->bytes, payload);
    return 0;
}

static int segment_compare(const void *key, const void *item)
{
    uint64_t offset = *(const uint64_t *)key;
    const struct stack_segment *s = item;
    return offset < s->offset ? -1 : offset >= s->offset + s->size;
}

int trace_stack_find(const struct trace *t, uint32_t id, struct trace_stack_view *out)
{
    uint64_t offset = (uint64_t)id * 8;
    const struct stack_segment *s = reader_list_find(&t->stacks, sizeof(*s), &offset, segment_compare);
    if (!s)
        return -ENOENT;

    struct trace_stack head;
    size_t at = offset - s->offset, left = s->size - at;
    if (left < sizeof(head))
        return -ENOENT;
    memcpy(&head, s->bytes + at, sizeof(head));
    if (head.magic != STACK_MAGIC || head.native > STACK_MAX_NATIVE || head.python > STACK_MAX_PYTHON)
        return -ENOENT;
    if (left - sizeof(head) < ((size_t)head.native + head.python) * sizeof(uint64_t))
        return -ENOENT;

    /* Segments start at multiples of a page and ids count in 8 bytes, so the frames are aligned in bytes[] too. */
    const uint64_t *frames = (const uint64_t *)(const void *)(s->bytes + at + sizeof(head));
    *out = (struct trace_stack_view){
        .flags = head.flags,
        .modules = head.modules,
        .hash = head.hash,
        .native = frames,
        .native_count = head.native,
        .python = frames + head.native,
        .python_count = head.python,
    };
    return 0;
}
