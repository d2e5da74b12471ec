/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opens a trace file: the header, and what all parts of the reader share. */
#define _GNU_SOURCE
#include "trace/reader_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- shared helpers ---- */

void damage_add(struct trace *t, uint64_t offset, const char *format, ...)
{
    if (t->info.damage++)
        return;
    char what[128];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    snprintf(t->damage_text, sizeof(t->damage_text), "damaged at byte %" PRIu64 ": %s; the rest is shown", offset,
             what);
}

void time_seen(struct trace *t, uint64_t time_ns)
{
    if (t->latest_ns < time_ns)
        t->latest_ns = time_ns;
}

size_t reader_file_read(const struct trace *t, uint64_t offset, void *buffer, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = pread(t->fd, (uint8_t *)buffer + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return done;
}

void *reader_list_add(struct list *l, size_t item_size)
{
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 16;
        void *larger = realloc(l->items, capacity * item_size);
        if (!larger)
            return NULL;
        l->items = larger;
        l->capacity = capacity;
    }
    void *item = (uint8_t *)l->items + l->count++ * item_size;
    return memset(item, 0, item_size);
}

void reader_list_free(struct list *l)
{
    free(l->items);
    *l = (struct list){0};
}

/* ---- header ---- */

static bool is_zero(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

/* Whether `h`, of which the file had `got` bytes, is a header that this reader knows. Negative errno with a sentence.
 */
static int header_check(const struct trace_header *h, size_t got, const char *path, char *error, size_t error_size)
{
    size_t magic = got < sizeof(h->magic) ? got : sizeof(h->magic);
    if (is_zero(h->magic, magic)) {
        snprintf(error, error_size, "%s: no recording in it: the process ended before recording had begun", path);
        return -ENODATA;
    }
    if (memcmp(h->magic, TRACE_MAGIC, magic) != 0) {
        snprintf(error, error_size, "%s: not a cprobe trace, or damaged in transfer (its first bytes are wrong)", path);
        return -EINVAL;
    }
    if (got >= offsetof(struct trace_header, header_size) && h->endian != TRACE_ENDIAN) {
        snprintf(error, error_size, "%s: recorded on a machine of the other byte order; read it on such a machine",
                 path);
        return -ENOTSUP;
    }
    if (got >= offsetof(struct trace_header, header_size) && h->version != TRACE_VERSION) {
        snprintf(error, error_size,
                 "%s: trace format version %u, but this cprobe reads version %d; use the cprobe that recorded it", path,
                 h->version, TRACE_VERSION);
        return -ENOTSUP;
    }
    if (got < sizeof(*h)) {
        snprintf(error, error_size, "%s: too short for a trace (%zu bytes): truncated when it was copied?", path, got);
        return -ENODATA;
    }
    return 0;
}

static const char *header_text(struct trace *t, const char *field, size_t size)
{
    return reader_text(&t->memory, field, strnlen(field, size));
}

/* Arguments are separated by one NUL and end with two. */
static const char *cmdline_text(struct trace *t, const char *field, size_t size)
{
    size_t length = 0;
    while (length < size && (field[length] || (length + 1 < size && field[length + 1])))
        length++;
    char *joined = reader_bytes(&t->memory, field, length);
    if (!joined)
        return NULL;
    for (size_t i = 0; i < length; i++)
        if (!joined[i])
            joined[i] = ' ';
    return reader_text(&t->memory, joined, length);
}

static int header_texts(struct trace *t, const struct trace_header *h)
{
    struct trace_info *i = &t->info;
    i->boot_id = header_text(t, h->boot_id, sizeof(h->boot_id));
    i->host = header_text(t, h->host, sizeof(h->host));
    i->comm = header_text(t, h->comm, sizeof(h->comm));
    i->exe = header_text(t, h->exe, sizeof(h->exe));
    i->cmdline = cmdline_text(t, h->cmdline, sizeof(h->cmdline));
    return i->path && i->boot_id && i->host && i->comm && i->exe && i->cmdline ? 0 : -ENOMEM;
}

/* Times and enums that cannot be true are replaced, and counted as damage. */
static void header_clean(struct trace *t)
{
    struct trace_info *i = &t->info;
    if ((unsigned)i->state > TRACE_DISABLED || (unsigned)i->reason > TRACE_REASON_INTERNAL) {
        damage_add(t, offsetof(struct trace_header, state), "an unknown state of the recorder");
        i->state = (unsigned)i->state > TRACE_DISABLED ? TRACE_RECORDING : i->state;
        i->reason = (unsigned)i->reason > TRACE_REASON_INTERNAL ? TRACE_REASON_INTERNAL : i->reason;
    }
    if (i->start_mono_ns >= TIME_MAX_NS) {
        damage_add(t, offsetof(struct trace_header, start_mono_ns), "an impossible start time");
        i->start_mono_ns = 0;
    }
    if (i->end_mono_ns && (i->end_mono_ns < i->start_mono_ns || i->end_mono_ns >= TIME_MAX_NS)) {
        damage_add(t, offsetof(struct trace_header, end_mono_ns), "an impossible end time");
        i->end_mono_ns = 0;
    }
    i->ended = i->end_mono_ns != 0;
    time_seen(t, i->start_mono_ns);
}

static void header_take(struct trace *t, const struct trace_header *h, uint64_t file_size)
{
    t->info.pid = h->pid;
    t->info.ppid = h->ppid;
    t->info.exec_generation = h->exec_generation;
    t->info.cpus = h->cpus;
    t->info.state = (enum trace_state)h->state;
    t->info.reason = (enum trace_reason)h->reason;
    t->info.exit_status = h->exit_status;
    t->info.process_start = h->process_start;
    t->info.origin = h->origin == TRACE_ORIGIN_KERNEL ? TRACE_ORIGIN_KERNEL : TRACE_ORIGIN_PRELOAD;
    t->info.start_mono_ns = h->start_mono_ns;
    t->info.start_real_ns = h->start_real_ns;
    t->info.end_mono_ns = h->end_mono_ns;
    t->info.sample_mean_ns = h->sample_mean_ns;
    memcpy(t->info.lost, h->lost, sizeof(t->info.lost));
    header_clean(t);

    uint64_t used = h->used & ~TRACE_USED_CLOSED;
    t->end = file_size;
    if (h->header_size != TRACE_PAGE)
        damage_add(t, offsetof(struct trace_header, header_size), "an impossible header size");
    if (used < TRACE_PAGE)
        damage_add(t, offsetof(struct trace_header, used), "an impossible fill level");
    else if (used > file_size)
        damage_add(t, file_size, "the file is cut short (%" PRIu64 " bytes are missing)", used - file_size);
    else
        t->end = used;
}

/* ---- open ---- */

static int file_open(struct trace *t, const char *path, uint64_t *size, char *error, size_t error_size)
{
    struct stat st;
    t->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (t->fd < 0 || fstat(t->fd, &st) < 0) {
        int err = errno;
        snprintf(error, error_size, "%s: cannot be read: %s", path, strerror(err));
        return -err;
    }
    if (!S_ISREG(st.st_mode)) {
        snprintf(error, error_size, "%s: not a regular file; name a %s file", path, TRACE_SUFFIX);
        return -EINVAL;
    }
    *size = (uint64_t)st.st_size;
    return 0;
}

static int trace_load(struct trace *t)
{
    int err = segments_load(t);
    if (!err)
        err = threads_finish(t);
    if (!err)
        err = log_finish(t);
    rings_finish(t);
    free(t->scratch);
    t->scratch = NULL;
    if (!t->info.ended)
        t->info.end_mono_ns = t->latest_ns;
    return err;
}

int trace_open(const char *path, struct trace **out, char *error, size_t error_size)
{
    struct trace_header header = {0};
    uint64_t file_size = 0;
    *out = NULL;
    struct trace *t = calloc(1, sizeof(*t));
    if (!t) {
        snprintf(error, error_size, "%s: not enough memory", path);
        return -ENOMEM;
    }
    t->fd = -1;
    t->info.damage_text = t->damage_text;
    t->info.path = reader_bytes(&t->memory, path, strlen(path) + 1);

    int err = file_open(t, path, &file_size, error, error_size);
    if (err)
        goto fail;
    err = header_check(&header, reader_file_read(t, 0, &header, sizeof(header)), path, error, error_size);
    if (err)
        goto fail;
    header_take(t, &header, file_size);
    err = header_texts(t, &header);
    if (!err)
        err = trace_load(t);
    if (err) {
        snprintf(error, error_size, "%s: not enough memory to read it", path);
        goto fail;
    }
    *out = t;
    return 0;

fail:
    trace_close(t);
    return err;
}

void trace_close(struct trace *t)
{
    if (!t)
        return;
    trace_rewind(t);
    free(t->merge.heap);
    const struct stack_segment *stacks = t->stacks.items;
    for (size_t i = 0; i < t->stacks.count; i++)
        free(stacks[i].bytes);
    struct list *lists[] = {&t->rings,        &t->stacks,       &t->threads,    &t->loose, &t->endpoints, &t->modules,
                            &t->module_reach, &t->unloads,      &t->codes,      &t->notes, &t->log_index, &t->ksyms,
                            &t->symbols,      &t->symbol_reach, &t->operations, &t->keys,  &t->protocols, &t->addresses,
                            &t->locks,        &t->locksets,     &t->shared};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        reader_list_free(lists[i]);
    reader_memory_free(&t->memory);
    free(t->counters);
    free(t->log);
    free(t->scratch);
    if (t->fd >= 0)
        close(t->fd);
    free(t);
}

const struct trace_info *trace_info(const struct trace *t)
{
    return &t->info;
}
