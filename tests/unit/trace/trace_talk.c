/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace_talk.h"

#include <stdlib.h>
#include <string.h>

#define CALL_REQUEST_NUMBER 140
#define RECORD_MAX 1024

/* A LOG record under construction: its struct, then its strings. */
struct record {
    _Alignas(8) uint8_t bytes[RECORD_MAX];
    size_t used;
};

static struct record record_begin(uint16_t type, const void *event, size_t size)
{
    struct record record = {.used = size};
    memcpy(record.bytes, event, size);
    *(struct event_header *)record.bytes = (struct event_header){EVENT_MAGIC, type, (uint32_t)size, BUILDER_START};
    return record;
}

static void record_text(struct record *record, size_t field, const char *text)
{
    event_str_t str = {(uint16_t)record->used, (uint16_t)strlen(text)};
    if (record->used + str.length > RECORD_MAX - 8)
        abort();
    memcpy(record->bytes + field, &str, sizeof(str));
    memcpy(record->bytes + record->used, text, str.length);
    record->used += str.length;
}

static void record_end(struct trace_builder *b, struct record *record)
{
    record->used = (record->used + 7) & ~(size_t)7;
    ((struct event_header *)record->bytes)->size = (uint32_t)record->used;
    builder_log_raw(b, record->bytes, record->used);
}

void talk_operation(struct trace_builder *b, uint32_t id, uint32_t endpoint, uint16_t protocol, enum endpoint_role role,
                    uint32_t flags, const char *verb, const char *text)
{
    struct event_operation e = {
        .id = id, .endpoint = endpoint, .protocol = protocol, .role = (uint16_t)role, .flags = flags};
    struct record record = record_begin(EVENT_OPERATION, &e, sizeof(e));
    record_text(&record, offsetof(struct event_operation, verb), verb);
    record_text(&record, offsetof(struct event_operation, text), text);
    record_end(b, &record);
}

void talk_key(struct trace_builder *b, uint32_t id, uint64_t hash, const char *text)
{
    struct event_key e = {.id = id, .hash = hash};
    struct record record = record_begin(EVENT_KEY, &e, sizeof(e));
    record_text(&record, offsetof(struct event_key, text), text);
    record_end(b, &record);
}

void talk_protocol(struct trace_builder *b, uint32_t endpoint, uint16_t protocol, uint16_t flags, const char *name)
{
    struct event_protocol e = {.endpoint = endpoint, .protocol = protocol, .flags = flags};
    struct record record = record_begin(EVENT_PROTOCOL, &e, sizeof(e));
    record_text(&record, offsetof(struct event_protocol, name), name);
    record_end(b, &record);
}

void talk_address(struct trace_builder *b, const char *name, const char *address)
{
    struct event_address e = {.header = {0}};
    struct record record = record_begin(EVENT_ADDRESS, &e, sizeof(e));
    record_text(&record, offsetof(struct event_address, name), name);
    record_text(&record, offsetof(struct event_address, address), address);
    record_end(b, &record);
}

static struct event_header ring_header(uint16_t type, uint64_t time_ns)
{
    return (struct event_header){EVENT_MAGIC, type, RING_RECORD_SIZE, time_ns};
}

void talk_context(struct trace_builder *b, uint32_t tid, uint64_t time_ns, uint32_t operation, uint32_t serving)
{
    struct event_context e = {.header = ring_header(EVENT_CONTEXT, time_ns),
                              .tid = tid,
                              .slot = builder_slot(b, tid),
                              .operation = operation,
                              .serving = serving};
    builder_ring_raw(b, tid, &e, sizeof(e));
}

struct event_request *talk_request(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t duration_ns,
                                   uint32_t operation, uint32_t stack, uint16_t flags)
{
    struct event_request e = {.header = ring_header(EVENT_REQUEST, begin_ns),
                              .duration_ns = duration_ns,
                              .tid = tid,
                              .slot = builder_slot(b, tid),
                              .stack = stack,
                              .operation = operation,
                              .first_part = UINT16_MAX,
                              .flags = flags};
    talk_count(b, tid, begin_ns, duration_ns, 1, operation);
    return builder_ring_raw(b, tid, &e, sizeof(e));
}

struct trace_counter *talk_count(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t duration_ns,
                                 uint64_t count, uint32_t operation)
{
    return builder_count(b, tid, begin_ns, duration_ns, count, CALL_REQUEST_NUMBER, operation, 0);
}

struct event_connect *talk_connect(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t duration_ns,
                                   uint32_t endpoint, uint32_t stack, uint16_t error)
{
    struct event_connect e = {.header = ring_header(EVENT_CONNECT, begin_ns),
                              .duration_ns = duration_ns,
                              .weight = 1,
                              .tid = tid,
                              .stack = stack,
                              .endpoint = endpoint,
                              .slot = builder_slot(b, tid),
                              .error = error};
    return builder_ring_raw(b, tid, &e, sizeof(e));
}
