/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "analysis/session.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct file_identity {
    dev_t device;
    ino_t inode;
};

/* What session_open needs while it looks for files. */
struct search {
    struct session *session;
    uint64_t since_real_ns;
    size_t found, too_old;
    struct file_identity *seen;
    size_t seen_count, seen_capacity;
    char first_error[512];
};

static void session_warn(struct session *session, const char *sentence)
{
    session->warnings =
        memory_grow(session->warnings, session->warning_count, &session->warning_capacity, sizeof(*session->warnings));
    session->warnings[session->warning_count++] = arena_copy(session->arena, sentence);
}

static bool file_seen(struct search *search, const struct stat *status)
{
    for (size_t i = 0; i < search->seen_count; i++) {
        if (search->seen[i].device == status->st_dev && search->seen[i].inode == status->st_ino)
            return true;
    }
    search->seen = memory_grow(search->seen, search->seen_count, &search->seen_capacity, sizeof(*search->seen));
    search->seen[search->seen_count++] = (struct file_identity){status->st_dev, status->st_ino};
    return false;
}

static void source_add(struct search *search, struct trace *trace)
{
    struct session *session = search->session;
    const struct trace_info *info = trace_info(trace);
    if (info->start_real_ns < search->since_real_ns) {
        search->too_old++;
        trace_close(trace);
        return;
    }
    session->sources =
        memory_grow(session->sources, session->source_count, &session->source_capacity, sizeof(*session->sources));
    session->sources[session->source_count++] = (struct source){.trace = trace, .info = info};
    if (info->damage > 0)
        session_warn(session, arena_format(session->arena, "%s is damaged in %llu places (%s); the rest of it was read",
                                           info->path, (unsigned long long)info->damage, info->damage_text));
}

static void file_add(struct search *search, const char *path)
{
    struct stat status;
    struct trace *trace = NULL;
    char sentence[512] = "";
    if (stat(path, &status) == 0 && file_seen(search, &status))
        return;
    search->found++;
    int result = trace_open(path, &trace, sentence, sizeof(sentence));
    if (result == 0) {
        source_add(search, trace);
        return;
    }
    if (sentence[0] == '\0')
        snprintf(sentence, sizeof(sentence), "cannot read %s: %s", path, strerror(-result));
    if (search->first_error[0] == '\0')
        snprintf(search->first_error, sizeof(search->first_error), "%s", sentence);
    session_warn(search->session, sentence);
}

static int name_is_trace(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name), suffix = strlen(TRACE_SUFFIX);
    return length > suffix && strcmp(entry->d_name + length - suffix, TRACE_SUFFIX) == 0;
}

static int directory_add(struct search *search, const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, name_is_trace, alphasort);
    if (count < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        char *file = NULL;
        if (asprintf(&file, "%s/%s", path, entries[i]->d_name) >= 0)
            file_add(search, file);
        free(file);
        free(entries[i]);
    }
    free(entries);
    return 0;
}

static int path_add(struct search *search, const char *path, char *error, size_t error_size)
{
    struct stat status;
    int result = stat(path, &status) < 0 ? -errno : 0;
    if (result == 0 && S_ISDIR(status.st_mode))
        result = directory_add(search, path);
    else if (result == 0)
        file_add(search, path);
    if (result < 0)
        snprintf(error, error_size, "cannot read %s: %s", path, strerror(-result));
    return result;
}

/* The error for a session without a single usable trace. */
static int search_failed(const struct search *search, const char *path, char *error, size_t error_size)
{
    if (search->found == 0) {
        snprintf(error, error_size,
                 "no recording in %s: there is no *.trace file. Was the program started with libcprobe.so preloaded?",
                 path);
        return -ENOENT;
    }
    if (search->too_old == search->found)
        snprintf(error, error_size, "nothing was recorded: all traces in %s are of earlier runs", path);
    else
        snprintf(error, error_size, "no recording can be read: %s", search->first_error);
    return -ENODATA;
}

static int64_t real_offset(const struct trace_info *info)
{
    return (int64_t)(info->start_real_ns - info->start_mono_ns);
}

/* Every recording of one boot gets the offset of that boot's first one, so that they stay exactly aligned even where
   the wall clock was set meanwhile. */
static void clocks_align(struct session *session)
{
    struct source *base = &session->sources[0];
    for (size_t i = 0; i < session->source_count; i++) {
        struct source *source = &session->sources[i], *first = session->sources;
        while (strcmp(first->info->boot_id, source->info->boot_id) != 0)
            first++;
        source->real_offset_ns = real_offset(first->info);
        source->shift_ns = source->real_offset_ns - real_offset(base->info);
    }
}

static uint64_t session_time(const struct source *source, uint64_t time_ns)
{
    return time_ns + (uint64_t)source->shift_ns;
}

static int source_compare(const void *a, const void *b)
{
    const struct source *left = a, *right = b;
    uint64_t x = session_time(left, left->info->start_mono_ns), y = session_time(right, right->info->start_mono_ns);
    if (x != y)
        return x < y ? -1 : 1;
    return strcmp(left->info->path, right->info->path);
}

int session_open(const char *const *paths, size_t count, uint64_t since_real_ns, struct session **out, char *error,
                 size_t error_size)
{
    struct session *session = memory_get(1, sizeof(*session));
    struct search search = {.session = session, .since_real_ns = since_real_ns};
    int result = 0;
    session->arena = arena_new();
    for (size_t i = 0; i < count && result == 0; i++)
        result = path_add(&search, paths[i], error, error_size);
    if (result == 0 && session->source_count == 0)
        result = search_failed(&search, count > 0 ? paths[0] : ".", error, error_size);
    free(search.seen);
    if (result < 0) {
        session_close(session);
        return result;
    }
    clocks_align(session);
    qsort(session->sources, session->source_count, sizeof(*session->sources), source_compare);
    session->heap = memory_get(session->source_count, sizeof(*session->heap));
    session_rewind(session);
    *out = session;
    return 0;
}

void session_close(struct session *session)
{
    if (!session)
        return;
    for (size_t i = 0; i < session->source_count; i++)
        trace_close(session->sources[i].trace);
    free(session->sources);
    free(session->warnings);
    free(session->heap);
    arena_free(session->arena);
    free(session);
}

static bool source_before(const struct session *session, size_t a, size_t b)
{
    uint64_t x = session_time(&session->sources[a], session->sources[a].next->header.time_ns);
    uint64_t y = session_time(&session->sources[b], session->sources[b].next->header.time_ns);
    return x != y ? x < y : a < b;
}

static void heap_sink(struct session *session, size_t i)
{
    size_t *heap = session->heap;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= session->heap_count)
            return;
        if (child + 1 < session->heap_count && source_before(session, heap[child + 1], heap[child]))
            child++;
        if (!source_before(session, heap[child], heap[i]))
            return;
        size_t swap = heap[i];
        heap[i] = heap[child];
        heap[child] = swap;
        i = child;
    }
}

static bool source_advance(struct source *source)
{
    if (trace_next(source->trace, &source->next) == 1)
        return true;
    source->next = NULL;
    return false;
}

void session_rewind(struct session *session)
{
    session->heap_count = 0;
    for (size_t i = 0; i < session->source_count; i++) {
        trace_rewind(session->sources[i].trace);
        session->sources[i].next = NULL;
        if (source_advance(&session->sources[i]))
            session->heap[session->heap_count++] = i;
    }
    for (size_t i = session->heap_count; i-- > 0;)
        heap_sink(session, i);
    session->current = NULL;
}

struct source *session_next(struct session *session, const union trace_event **event)
{
    /* The event handed out last lives in its trace until that trace moves on, so it moves on only now. */
    if (session->current) {
        if (!source_advance(session->current))
            session->heap[0] = session->heap[--session->heap_count];
        heap_sink(session, 0);
    }
    if (session->heap_count == 0) {
        session->current = NULL;
        return NULL;
    }
    session->current = &session->sources[session->heap[0]];
    *event = session->current->next;
    return session->current;
}

uint64_t source_real_ns(const struct source *source, uint64_t time_ns)
{
    return time_ns == 0 ? 0 : time_ns + (uint64_t)source->real_offset_ns;
}
