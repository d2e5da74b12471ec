/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "trace_builder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "trace/reader.h"

struct builder_thread {
    uint32_t tid;
    uint32_t number;
    struct segment *ring; /* NULL: the next record starts one */
    struct trace_thread_slot *slot;
    struct trace_counter *counters; /* where the next new counter goes … */
    struct trace_counter *counters_end;
    struct trace_counter **known;
    size_t known_count;
};

struct trace_builder {
    uint8_t *image; /* BUILDER_ROOM bytes of address space, so that pointers into it stay where they are */
    struct trace_header *header;
    struct builder_thread *threads;
    size_t thread_count;
    struct segment *log, *stacks;
    uint64_t time_ns;
    uint64_t generation;
    uint32_t next_endpoint, next_code;
    bool compact;
};

/* Bytes behind the fixed part of a LOG event, and the event_str that points to them. */
struct tail {
    size_t field; /* offset of the event_str in the event */
    const void *data;
    size_t length;
};

static void *or_die(void *pointer, const char *what)
{
    if (!pointer || pointer == MAP_FAILED) {
        fprintf(stderr, "trace_builder: no room for %s\n", what);
        exit(1);
    }
    return pointer;
}

static size_t align_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

struct trace_builder *builder_new(uint32_t pid)
{
    struct trace_builder *b = or_die(calloc(1, sizeof(*b)), "the builder");
    b->image =
        or_die(mmap(NULL, BUILDER_ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
               "the image");
    b->next_endpoint = ENDPOINT_OVERFLOW + 1;
    b->next_code = 1;
    b->time_ns = BUILDER_START;

    struct trace_header *h = b->header = (struct trace_header *)b->image;
    memcpy(h->magic, TRACE_MAGIC, sizeof(h->magic));
    h->version = TRACE_VERSION;
    h->endian = TRACE_ENDIAN;
    h->header_size = TRACE_PAGE;
    h->capacity = BUILDER_ROOM;
    h->used = TRACE_PAGE;
    h->pid = pid;
    h->ppid = 1;
    h->state = TRACE_RECORDING;
    h->start_mono_ns = BUILDER_START;
    h->start_real_ns = BUILDER_START_REAL;
    h->sample_mean_ns = 1000000;
    h->process_start = 1000 + pid;
    h->cpus = 2;
    strcpy(h->boot_id, "00000000-0000-4000-8000-000000000001");
    strcpy(h->host, "testhost");
    builder_process(b, "/usr/bin/program", "program", "program --serve");
    return b;
}

void builder_free(struct trace_builder *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->thread_count; i++)
        free(b->threads[i].known);
    free(b->threads);
    munmap(b->image, BUILDER_ROOM);
    free(b);
}

void builder_compact(struct trace_builder *b)
{
    b->compact = true;
}

struct trace_header *builder_header(struct trace_builder *b)
{
    return b->header;
}

void builder_process(struct trace_builder *b, const char *exe, const char *comm, const char *cmdline)
{
    struct trace_header *h = b->header;
    if (exe)
        snprintf(h->exe, sizeof(h->exe), "%s", exe);
    if (comm)
        snprintf(h->comm, sizeof(h->comm), "%s", comm);
    if (!cmdline)
        return;
    memset(h->cmdline, 0, sizeof(h->cmdline));
    snprintf(h->cmdline, sizeof(h->cmdline) - 1, "%s", cmdline);
    for (char *p = h->cmdline; *p; p++)
        if (*p == ' ')
            *p = '\0';
}

void builder_end(struct trace_builder *b, uint64_t end_ns, int32_t exit_status)
{
    b->header->state = TRACE_FINISHED;
    b->header->end_mono_ns = end_ns;
    b->header->exit_status = exit_status;
    b->header->used |= TRACE_USED_CLOSED;
}

void builder_time(struct trace_builder *b, uint64_t time_ns)
{
    b->time_ns = time_ns;
}

/* ---- segments and records ---- */

struct segment *builder_segment(struct trace_builder *b, uint16_t kind, uint32_t size, uint32_t owner)
{
    uint64_t closed = b->header->used & TRACE_USED_CLOSED;
    uint64_t at = b->header->used & ~TRACE_USED_CLOSED;
    struct segment *s = or_die(at + size <= BUILDER_ROOM ? b->image + at : NULL, "another segment");
    s->magic = SEGMENT_MAGIC;
    s->kind = kind;
    s->size = size;
    s->owner = owner;
    if (kind == SEGMENT_RING)
        s->generation = ++b->generation;
    b->header->used = (at + size) | closed;
    return s;
}

static uint32_t segment_size(const struct trace_builder *b, uint32_t usual)
{
    return b->compact ? TRACE_PAGE : usual;
}

/* Room for `size` bytes in *current, or in a new segment of that kind. */
static void *segment_take(struct trace_builder *b, struct segment **current, uint16_t kind, uint32_t usual,
                          uint32_t owner, size_t size)
{
    uint32_t whole = segment_size(b, usual);
    or_die(size <= whole - SEGMENT_HEADER_SIZE ? b : NULL, "a record of that size");
    if (!*current || (*current)->used + size > (*current)->size - SEGMENT_HEADER_SIZE)
        *current = builder_segment(b, kind, whole, owner);
    void *place = (uint8_t *)*current + SEGMENT_HEADER_SIZE + (*current)->used;
    (*current)->used += (uint32_t)size;
    return place;
}

void *builder_log_raw(struct trace_builder *b, const void *event, size_t size)
{
    size_t room = align_up(size, EVENT_ALIGN);
    void *place = segment_take(b, &b->log, SEGMENT_LOG, LOG_SEGMENT_SIZE, 0, room);
    return memcpy(place, event, size);
}

/* `event` has `fixed` bytes; its header and event_str fields are filled in here. */
static void log_append(struct trace_builder *b, uint16_t type, void *event, size_t fixed, const struct tail *tails,
                       size_t tail_count)
{
    size_t size = fixed;
    for (size_t i = 0; i < tail_count; i++)
        size += tails[i].length;
    size = align_up(size, EVENT_ALIGN);

    struct event_header header = {EVENT_MAGIC, type, (uint32_t)size, b->time_ns};
    memcpy(event, &header, sizeof(header));
    uint8_t *place = segment_take(b, &b->log, SEGMENT_LOG, LOG_SEGMENT_SIZE, 0, size);
    size_t at = fixed;
    for (size_t i = 0; i < tail_count; i++) {
        event_str_t str = {(uint16_t)at, (uint16_t)tails[i].length};
        memcpy((uint8_t *)event + tails[i].field, &str, sizeof(str));
        if (tails[i].length)
            memcpy(place + at, tails[i].data, tails[i].length);
        at += tails[i].length;
    }
    memcpy(place, event, fixed);
}

static struct tail tail_text(size_t field, const char *text)
{
    return (struct tail){field, text, text ? strlen(text) : 0};
}

/* ---- threads ---- */

static struct builder_thread *thread_find(struct trace_builder *b, uint32_t tid, uint64_t seen_ns)
{
    for (size_t i = b->thread_count; i > 0; i--)
        if (b->threads[i - 1].tid == tid)
            return &b->threads[i - 1];
    char name[16];
    snprintf(name, sizeof(name), "thread-%u", tid);
    builder_thread(b, tid, name, seen_ns);
    return &b->threads[b->thread_count - 1];
}

struct trace_thread_slot *builder_thread(struct trace_builder *b, uint32_t tid, const char *name, uint64_t start_ns)
{
    uint32_t number = (uint32_t)b->thread_count;
    b->threads = or_die(realloc(b->threads, (b->thread_count + 1) * sizeof(*b->threads)), "another thread");
    struct builder_thread *t = &b->threads[b->thread_count++];
    struct segment *s = builder_segment(b, SEGMENT_THREAD, segment_size(b, THREAD_SEGMENT_SIZE), number);
    s->used = s->size - SEGMENT_HEADER_SIZE;

    struct trace_thread_slot *slot = (struct trace_thread_slot *)((uint8_t *)s + SEGMENT_HEADER_SIZE);
    slot->tid = tid;
    slot->threads = 1;
    slot->start_ns = start_ns ? start_ns : BUILDER_START;
    snprintf(slot->name, sizeof(slot->name), "%s", name);
    *t = (struct builder_thread){.tid = tid, .number = number, .slot = slot, .counters = slot->counters};
    t->counters_end = slot->counters + (s->used - sizeof(*slot)) / sizeof(slot->counters[0]);

    struct event_thread e = {.start_ns = slot->start_ns, .tid = tid, .slot = number};
    log_append(b, EVENT_THREAD, &e, sizeof(e), (struct tail[]){tail_text(offsetof(struct event_thread, name), name)},
               1);
    return slot;
}

static struct trace_counter *counter_find(struct trace_builder *b, struct builder_thread *t, uint16_t call,
                                          uint32_t endpoint, uint16_t flags)
{
    flags &= call == CALL_OBJECT_NUMBER ? UINT16_MAX : WAIT_WAITSET | WAIT_SERVER_SIDE;
    for (size_t i = 0; i < t->known_count; i++)
        if (t->known[i]->call == call && t->known[i]->endpoint == endpoint && t->known[i]->flags == flags)
            return t->known[i];
    if (t->counters == t->counters_end) {
        struct segment *s = builder_segment(b, SEGMENT_COUNTERS, segment_size(b, COUNTERS_SEGMENT_SIZE), t->number);
        s->used = s->size - SEGMENT_HEADER_SIZE;
        t->counters = (struct trace_counter *)((uint8_t *)s + SEGMENT_HEADER_SIZE);
        t->counters_end = t->counters + s->used / sizeof(*t->counters);
    }
    struct trace_counter *c = t->counters++;
    t->known = or_die(realloc(t->known, (t->known_count + 1) * sizeof(*t->known)), "another counter");
    t->known[t->known_count++] = c;
    c->call = call;
    c->endpoint = endpoint;
    c->flags = flags;
    c->first_ns = UINT64_MAX;
    return c;
}

static void span_extend(uint64_t *first_ns, uint64_t *last_ns, uint64_t begin_ns, uint64_t end_ns)
{
    if (*first_ns > begin_ns)
        *first_ns = begin_ns;
    if (*last_ns < end_ns)
        *last_ns = end_ns;
}

struct trace_counter *builder_count(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t duration_ns,
                                    uint64_t count, uint16_t call, uint32_t endpoint, uint16_t flags)
{
    struct builder_thread *t = thread_find(b, tid, begin_ns);
    struct trace_counter *c = counter_find(b, t, call, endpoint, flags);
    uint64_t total_ns = count * duration_ns;
    c->count += count;
    c->total_ns += total_ns;
    if (c->max_ns < duration_ns)
        c->max_ns = duration_ns;
    span_extend(&c->first_ns, &c->last_ns, begin_ns, begin_ns + total_ns);
    if (call == CALL_OBJECT_NUMBER)
        return c;
    if (flags & WAIT_FAILED)
        c->failed += count;
    if (flags & WAIT_WAITSET) {
        struct trace_site *site = builder_site(b, tid, endpoint);
        site->waits += count;
        site->idle_ns += total_ns;
        span_extend(&site->first_ns, &site->last_ns, begin_ns, begin_ns + total_ns);
    }
    return c;
}

struct trace_site *builder_site(struct trace_builder *b, uint32_t tid, uint32_t endpoint)
{
    struct trace_site *sites = thread_find(b, tid, b->time_ns)->slot->sites;
    size_t i = 0;
    while (i < TRACE_SITES - 1 && sites[i].endpoint && sites[i].endpoint != endpoint)
        i++;
    if (!sites[i].endpoint) {
        sites[i].endpoint = endpoint;
        sites[i].first_ns = UINT64_MAX;
    }
    return &sites[i];
}

/* ---- ring events ---- */

void builder_ring_close(struct trace_builder *b, uint32_t tid)
{
    thread_find(b, tid, b->time_ns)->ring = NULL;
}

uint32_t builder_slot(struct trace_builder *b, uint32_t tid)
{
    return thread_find(b, tid, b->time_ns)->number;
}

void *builder_ring_raw(struct trace_builder *b, uint32_t tid, const void *event, size_t size)
{
    struct builder_thread *t = thread_find(b, tid, b->time_ns);
    void *place = segment_take(b, &t->ring, SEGMENT_RING, RING_SEGMENT_SIZE, t->number, RING_RECORD_SIZE);
    return memcpy(place, event, size);
}

static struct event_header ring_header(uint16_t type, uint64_t time_ns)
{
    return (struct event_header){EVENT_MAGIC, type, RING_RECORD_SIZE, time_ns};
}

struct event_wait *builder_wait(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t duration_ns,
                                uint16_t call, uint32_t endpoint, uint32_t stack, uint16_t flags)
{
    struct event_wait e = {.header = ring_header(EVENT_WAIT, begin_ns),
                           .duration_ns = duration_ns,
                           .weight = 1.0f,
                           .tid = tid,
                           .stack = stack,
                           .endpoint = endpoint,
                           .fd = -1,
                           .call = call,
                           .flags = flags,
                           .slot = thread_find(b, tid, begin_ns)->number};
    builder_count(b, tid, begin_ns, duration_ns, 1, call, endpoint, flags);
    return builder_ring_raw(b, tid, &e, sizeof(e));
}

void builder_turns(struct trace_builder *b, uint32_t tid, uint64_t duration_ns, uint64_t count, uint32_t endpoint)
{
    struct trace_site *site = builder_site(b, tid, endpoint);
    int bucket = duration_ns ? 63 - __builtin_clzll(duration_ns) : 0;
    site->turns += count;
    site->turn_ns += count * duration_ns;
    site->turn_hist[bucket] += (uint32_t)count;
    if (site->turn_max_ns < duration_ns)
        site->turn_max_ns = duration_ns;
}

struct event_turn *builder_turn(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t duration_ns,
                                uint32_t endpoint)
{
    struct event_turn e = {.header = ring_header(EVENT_TURN, begin_ns),
                           .duration_ns = duration_ns,
                           .cpu_ns = UINT64_MAX,
                           .tid = tid,
                           .endpoint = endpoint,
                           .slot = thread_find(b, tid, begin_ns)->number};
    builder_turns(b, tid, duration_ns, 1, endpoint);
    return builder_ring_raw(b, tid, &e, sizeof(e));
}

struct event_cpu *builder_cpu(struct trace_builder *b, uint32_t tid, uint64_t time_ns, uint64_t turn_start_ns,
                              uint64_t cpu_ns, uint32_t stack)
{
    struct event_cpu e = {.header = ring_header(EVENT_CPU, time_ns),
                          .turn_start_ns = turn_start_ns,
                          .cpu_ns = cpu_ns,
                          .tid = tid,
                          .stack = stack,
                          .slot = thread_find(b, tid, time_ns)->number};
    return builder_ring_raw(b, tid, &e, sizeof(e));
}

/* ---- log events ---- */

static uint32_t endpoint_append(struct trace_builder *b, struct event_endpoint e, const char *text)
{
    e.id = b->next_endpoint++;
    log_append(b, EVENT_ENDPOINT, &e, sizeof(e),
               (struct tail[]){tail_text(offsetof(struct event_endpoint, text), text)}, 1);
    return e.id;
}

uint32_t builder_endpoint(struct trace_builder *b, enum endpoint_kind kind, enum endpoint_role role, const char *text)
{
    return endpoint_append(b, (struct event_endpoint){.kind = (uint16_t)kind, .role = (uint16_t)role}, text);
}

uint32_t builder_waitset(struct trace_builder *b, uint64_t pc, uint32_t module_generation)
{
    return builder_epoll_set(b, pc, module_generation, NULL);
}

uint32_t builder_epoll_set(struct trace_builder *b, uint64_t pc, uint32_t module_generation, const char *set)
{
    return endpoint_append(b, (struct event_endpoint){.kind = ENDPOINT_WAITSET, .pc = pc, .modules = module_generation},
                           set);
}

uint32_t builder_lock(struct trace_builder *b, uint64_t address, const char *kind)
{
    return endpoint_append(b, (struct event_endpoint){.kind = ENDPOINT_LOCK, .pc = address}, kind);
}

void builder_module(struct trace_builder *b, uint64_t start, uint64_t end, uint64_t bias, uint32_t loaded,
                    const char *path, const uint8_t *build_id, size_t build_id_size)
{
    struct event_module e = {.start = start, .end = end, .bias = bias, .loaded = loaded};
    struct tail tails[] = {tail_text(offsetof(struct event_module, path), path),
                           {offsetof(struct event_module, build_id), build_id, build_id_size}};
    log_append(b, EVENT_MODULE, &e, sizeof(e), tails, 2);
}

void builder_symbol(struct trace_builder *b, uint64_t start, uint64_t end, uint32_t loaded, const char *name)
{
    struct event_symbol e = {.start = start, .end = end, .loaded = loaded};
    struct tail tails[] = {tail_text(offsetof(struct event_symbol, name), name)};
    log_append(b, EVENT_SYMBOL, &e, sizeof(e), tails, 1);
}

void builder_unload(struct trace_builder *b, uint64_t start, uint32_t unloaded)
{
    struct event_unload e = {.start = start, .unloaded = unloaded};
    log_append(b, EVENT_UNLOAD, &e, sizeof(e), NULL, 0);
}

uint32_t builder_code(struct trace_builder *b, const char *name, const char *file, uint32_t first_line,
                      uint16_t version, const uint8_t *linetable, size_t linetable_size)
{
    struct event_code e = {.id = b->next_code++, .first_line = first_line, .version = version};
    struct tail tails[] = {tail_text(offsetof(struct event_code, name), name),
                           tail_text(offsetof(struct event_code, file), file),
                           {offsetof(struct event_code, linetable), linetable, linetable_size}};
    log_append(b, EVENT_CODE, &e, sizeof(e), tails, 3);
    return e.id;
}

uint32_t builder_stack(struct trace_builder *b, uint16_t flags, uint32_t module_generation, const uint64_t *native,
                       size_t native_count, const uint64_t *python, size_t python_count)
{
    size_t size = sizeof(struct trace_stack) + (native_count + python_count) * sizeof(uint64_t);
    struct trace_stack *s = segment_take(b, &b->stacks, SEGMENT_STACKS, STACKS_SEGMENT_SIZE, 0, size);
    s->magic = STACK_MAGIC;
    s->flags = flags;
    s->native = (uint16_t)native_count;
    s->python = (uint16_t)python_count;
    s->modules = module_generation;
    if (native_count)
        memcpy(s->frames, native, native_count * sizeof(uint64_t));
    if (python_count)
        memcpy(s->frames + native_count, python, python_count * sizeof(uint64_t));
    s->hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a over the frames */
    for (size_t i = 0; i < native_count + python_count; i++)
        s->hash = (s->hash ^ s->frames[i]) * UINT64_C(0x100000001b3);
    return (uint32_t)(((uint8_t *)s - b->image) / 8);
}

void builder_fork(struct trace_builder *b, uint32_t child)
{
    struct event_fork e = {.child = child};
    log_append(b, EVENT_FORK, &e, sizeof(e), NULL, 0);
}

void builder_exec(struct trace_builder *b, const char *path)
{
    struct event_exec e = {.reserved = 0};
    log_append(b, EVENT_EXEC, &e, sizeof(e), (struct tail[]){tail_text(offsetof(struct event_exec, path), path)}, 1);
}

void builder_note(struct trace_builder *b, uint32_t severity, const char *text)
{
    struct event_note e = {.severity = severity};
    log_append(b, EVENT_NOTE, &e, sizeof(e), (struct tail[]){tail_text(offsetof(struct event_note, text), text)}, 1);
}

/* ---- files ---- */

uint8_t *builder_image(struct trace_builder *b, size_t *size)
{
    *size = b->header->used & ~TRACE_USED_CLOSED;
    return b->image;
}

static int image_write(struct trace_builder *b, int fd)
{
    size_t size, done = 0;
    const uint8_t *bytes = builder_image(b, &size);
    while (done < size) {
        ssize_t n = write(fd, bytes + done, size - done);
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    return 0;
}

int builder_write(struct trace_builder *b, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int err = image_write(b, fd);
    if (close(fd) < 0 && !err)
        err = -errno;
    return err;
}

struct trace *builder_open(struct trace_builder *b)
{
    struct trace *t = NULL;
    char path[64], error[256] = "no memory file";
    int fd = memfd_create("cprobe-test", MFD_CLOEXEC);
    if (fd >= 0 && image_write(b, fd) == 0) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        trace_open(path, &t, error, sizeof(error));
    }
    if (!t)
        fprintf(stderr, "trace_builder: %s\n", error);
    if (fd >= 0)
        close(fd);
    return t;
}
