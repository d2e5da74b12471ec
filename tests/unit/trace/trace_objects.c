/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace_objects.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 112

/* Puts `text` behind the fixed part of a record, where `used` bytes are taken already. */
static event_str_t text_put(char *texts, size_t fixed, size_t *used, const char *text)
{
    event_str_t str = {(uint16_t)(fixed + *used), (uint16_t)strlen(text)};
    if (*used + str.length > TEXT_MAX)
        abort();
    memcpy(texts + *used, text, str.length);
    *used += str.length;
    return str;
}

void objects_object(struct trace_builder *b, uint32_t id, uint32_t stack, uint32_t flags, const char *module,
                    const char *class)
{
    struct {
        struct event_object event;
        char texts[TEXT_MAX];
    } r = {.event = {.header = {EVENT_MAGIC, EVENT_OBJECT, sizeof(r), BUILDER_START},
                     .address = 0x10000 * (uint64_t)id,
                     .id = id,
                     .stack = stack,
                     .flags = flags}};
    size_t used = 0;
    r.event.module = text_put(r.texts, sizeof(r.event), &used, module);
    r.event.class = text_put(r.texts, sizeof(r.event), &used, class);
    builder_log_raw(b, &r, sizeof(r));
}

void objects_method(struct trace_builder *b, uint32_t id, const char *name, uint32_t flags)
{
    struct {
        struct event_method event;
        char texts[TEXT_MAX];
    } r = {.event = {.header = {EVENT_MAGIC, EVENT_METHOD, sizeof(r), BUILDER_START}, .id = id, .flags = flags}};
    size_t used = 0;
    r.event.name = text_put(r.texts, sizeof(r.event), &used, name);
    builder_log_raw(b, &r, sizeof(r));
}

struct event_mutate *objects_mutate(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t duration_ns,
                                    uint32_t object, uint32_t method, uint32_t stack, uint16_t flags)
{
    struct event_mutate e = {.header = {EVENT_MAGIC, EVENT_MUTATE, sizeof(e), begin_ns},
                             .duration_ns = duration_ns,
                             .tid = tid,
                             .slot = builder_slot(b, tid),
                             .stack = stack,
                             .object = object,
                             .method = method,
                             .flags = flags};
    objects_count(b, tid, begin_ns, duration_ns, 1, object, method);
    return builder_ring_raw(b, tid, &e, sizeof(e));
}

struct trace_counter *objects_count(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t duration_ns,
                                    uint64_t count, uint32_t object, uint32_t method)
{
    return builder_count(b, tid, begin_ns, duration_ns, count, CALL_OBJECT_NUMBER, object, (uint16_t)method);
}

struct event_overlap *objects_overlap(struct trace_builder *b, uint64_t begin_ns, uint32_t object, uint32_t tid,
                                      uint32_t method, uint32_t other_tid, uint32_t other_method)
{
    struct event_overlap e = {.header = {EVENT_MAGIC, EVENT_OVERLAP, sizeof(e), begin_ns},
                              .other_begin_ns = begin_ns - 1,
                              .object = object,
                              .method = method,
                              .other_method = other_method,
                              .tid = tid,
                              .other_tid = other_tid,
                              .count = 1};
    return builder_log_raw(b, &e, sizeof(e));
}

void objects_drift(struct trace_builder *b, uint64_t time_ns, uint32_t object, int64_t counter, int64_t content,
                   uint32_t entries, uint32_t links, uint32_t flags)
{
    struct {
        struct event_drift event;
        char texts[TEXT_MAX];
    } r = {.event = {.header = {EVENT_MAGIC, EVENT_DRIFT, sizeof(r), time_ns},
                     .counter = counter,
                     .content = content,
                     .checks = 1,
                     .object = object,
                     .flags = flags,
                     .entries = entries,
                     .links = links}};
    size_t used = 0;
    r.event.counter_name = text_put(r.texts, sizeof(r.event), &used, "currsize");
    r.event.content_name = text_put(r.texts, sizeof(r.event), &used, "sum of sizes");
    builder_log_raw(b, &r, sizeof(r));
}
