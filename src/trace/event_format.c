/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events as lines of text, generated from events.def: a new row there needs nothing here. */
#include "trace/reader.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"

struct line {
    char *buffer;
    size_t size;
    size_t length; /* what the whole line needs, like snprintf's result */
};

static void line_add(struct line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void line_add(struct line *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = l->length < l->size ? l->size - l->length : 0;
    int n = vsnprintf(room ? l->buffer + l->length : NULL, room, format, args);
    va_end(args);
    if (n > 0)
        l->length += (size_t)n;
}

/* line_<type>: one field; `base` is the event's first byte */
static void line_uint64_t(struct line *l, const uint8_t *base, const char *name, uint64_t value)
{
    (void)base;
    line_add(l, " %s=%" PRIu64, name, value);
}

static void line_uint32_t(struct line *l, const uint8_t *base, const char *name, uint32_t value)
{
    line_uint64_t(l, base, name, value);
}

static void line_uint16_t(struct line *l, const uint8_t *base, const char *name, uint16_t value)
{
    line_uint64_t(l, base, name, value);
    const char *call = strcmp(name, "call") == 0 ? trace_call_name(value) : NULL;
    if (strcmp(name, "syscall") == 0)
        call = trace_syscall_name(value);
    else if (strcmp(name, "cause") == 0)
        call = trace_cause_name(value);
    if (call)
        line_add(l, ":%s", call);
}

static void line_int32_t(struct line *l, const uint8_t *base, const char *name, int32_t value)
{
    (void)base;
    line_add(l, " %s=%" PRId32, name, value);
}

static void line_int64_t(struct line *l, const uint8_t *base, const char *name, int64_t value)
{
    (void)base;
    line_add(l, " %s=%" PRId64, name, value);
}

static void line_float(struct line *l, const uint8_t *base, const char *name, float value)
{
    (void)base;
    line_add(l, " %s=%.9g", name, (double)value);
}

static void line_event_str_t(struct line *l, const uint8_t *base, const char *name, event_str_t value)
{
    line_add(l, " %s=\"", name);
    for (size_t i = 0; i < value.length; i++) {
        uint8_t c = base[value.offset + i];
        if (c < 0x20 || c >= 0x7f)
            line_add(l, "\\x%02x", c);
        else
            line_add(l, c == '"' || c == '\\' ? "\\%c" : "%c", c);
    }
    line_add(l, "\"");
}

static bool is_reserved(const char *name)
{
    return strncmp(name, "reserved", 8) == 0;
}

/* Also the one place that decides what is shown of a field: all but reserved ones. */
#define F(type, name)        \
    if (!is_reserved(#name)) \
        line_##type(l, (const uint8_t *)e, #name, e->name);
#define EVENT(ID, number, event, class, size, fields)                      \
    static void line_##event(struct line *l, const union trace_event *any) \
    {                                                                      \
        const struct event_##event *e = &any->event;                       \
        line_add(l, "%" PRIu64 " %s", e->header.time_ns, #event);          \
        fields                                                             \
    }
#include "trace/events.def"
#undef EVENT
#undef F

static void (*const formats[])(struct line *l, const union trace_event *e) = {
#define EVENT(ID, number, event, class, size, fields) [number] = line_##event,
#include "trace/events.def"
#undef EVENT
};

int trace_event_format(const union trace_event *e, char *buffer, size_t size)
{
    struct line l = {buffer, size, 0};
    uint16_t type = e->header.type;
    if (size)
        buffer[0] = '\0';
    if (type < ARRAY_SIZE(formats) && formats[type])
        formats[type](&l, e);
    else
        line_add(&l, "%" PRIu64 " unknown type=%u", e->header.time_ns, type);
    return (int)l.length;
}
