/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reader on arbitrary files: everything it gives out is looked at, so that a wild pointer or size shows. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "trace/reader.h"

static volatile uint64_t sink;

static void text_use(const char *text)
{
    sink += strlen(text);
}

static void bytes_use(const void *bytes, size_t size)
{
    const uint8_t *b = bytes;
    for (size_t i = 0; i < size; i++)
        sink += b[i];
}

static void stack_use(const struct trace *t, uint32_t id)
{
    struct trace_stack_view v;
    if (trace_stack_find(t, id, &v) < 0)
        return;
    bytes_use(v.native, v.native_count * sizeof(*v.native));
    for (size_t i = 0; i < v.native_count; i++) {
        const struct trace_module *m = trace_module_find(t, v.native[i], v.modules);
        if (m && !(m->start <= v.native[i] && v.native[i] < m->end))
            abort();
    }
    for (size_t i = 0; i < v.python_count; i++) {
        const struct trace_code *c = trace_code_find(t, PY_FRAME_CODE(v.python[i]));
        if (!c)
            continue;
        text_use(c->name);
        text_use(c->file);
        bytes_use(c->linetable, c->linetable_size);
    }
}

static void threads_use(const struct trace *t)
{
    for (size_t i = 0; i < trace_thread_count(t); i++) {
        const struct trace_thread *thread = trace_thread_at(t, i);
        text_use(thread->slot->name);
        bytes_use(thread->slot, sizeof(*thread->slot));
        bytes_use(thread->counters, thread->counter_count * sizeof(*thread->counters));
    }
}

static void definitions_use(const struct trace *t)
{
    for (size_t i = 0; i < trace_endpoint_count(t); i++) {
        const struct trace_endpoint *e = trace_endpoint_at(t, i);
        if (trace_endpoint_find(t, e->id) != e)
            abort();
        text_use(e->text);
    }
    for (size_t i = 0; i < trace_module_count(t); i++) {
        const struct trace_module *m = trace_module_at(t, i);
        text_use(m->path);
        bytes_use(m->build_id, m->build_id_size);
        trace_module_find(t, m->start, m->loaded);
    }
    for (size_t i = 0; i < trace_object_count(t); i++) {
        const struct trace_object *o = trace_object_at(t, i);
        if (trace_object_find(t, o->id) != o)
            abort();
        text_use(o->module);
        text_use(o->class);
    }
    for (size_t i = 0; i < trace_note_count(t); i++)
        text_use(trace_note_at(t, i)->text);
}

static size_t events_use(struct trace *t)
{
    const union trace_event *e;
    uint64_t last_ns = 0;
    size_t n = 0;
    char line[256];
    for (; trace_next(t, &e) > 0; n++) {
        if (e->header.time_ns < last_ns)
            abort();
        last_ns = e->header.time_ns;
        sink += (uint64_t)trace_event_format(e, line, sizeof(line));
        if (e->header.type == EVENT_WAIT)
            stack_use(t, e->wait.stack);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], error[256];
    struct trace *t;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (trace_open(path, &t, error, sizeof(error)) == 0) {
        const struct trace_info *i = trace_info(t);
        const char *const texts[] = {i->path, i->damage_text, i->host, i->comm, i->exe, i->cmdline, i->boot_id};
        for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
            text_use(texts[k]);
        threads_use(t);
        definitions_use(t);
        size_t events = events_use(t);
        for (uint32_t id = 0; id <= size / 8; id++)
            stack_use(t, id);
        trace_rewind(t);
        if (events_use(t) != events)
            abort();
        trace_close(t);
    } else {
        text_use(error);
    }
    close(fd);
    return 0;
}
