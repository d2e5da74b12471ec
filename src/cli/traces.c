/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE /* asprintf */
#include "cli/traces.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/arena.h"
#include "cli/message.h"
#include "trace/format.h"

static bool name_is_trace(const char *name)
{
    size_t length = strlen(name), suffix = strlen(TRACE_SUFFIX);
    return length > suffix && strcmp(name + length - suffix, TRACE_SUFFIX) == 0;
}

static void starts_read(struct trace_file *file)
{
    struct trace_header header;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (pread(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header)) {
        file->start_mono_ns = header.start_mono_ns;
        file->start_real_ns = header.start_real_ns;
        file->kernel = header.origin == TRACE_ORIGIN_KERNEL;
    }
    close(fd);
}

static int path_compare(const void *a, const void *b)
{
    return strcmp(((const struct trace_file *)a)->path, ((const struct trace_file *)b)->path);
}

int traces_list(struct trace_files *files, const char *directory)
{
    DIR *dir = opendir(directory);

    *files = (struct trace_files){0};
    if (!dir)
        return errno == ENOENT ? 0 : -errno;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        struct trace_file file = {0};
        if (!name_is_trace(entry->d_name))
            continue;
        if (asprintf(&file.path, "%s/%s", directory, entry->d_name) < 0)
            file.path = memory_need(NULL);
        starts_read(&file);
        files->items = memory_grow(files->items, files->count, &files->capacity, sizeof(files->items[0]));
        files->items[files->count++] = file;
    }
    closedir(dir);
    if (files->count > 0)
        qsort(files->items, files->count, sizeof(files->items[0]), path_compare);
    return 0;
}

static bool is_in(const struct trace_file *file, const struct trace_files *before)
{
    const struct trace_file *old = NULL;

    if (before->count > 0)
        old = bsearch(file, before->items, before->count, sizeof(before->items[0]), path_compare);
    return old && old->start_mono_ns == file->start_mono_ns && old->start_real_ns == file->start_real_ns;
}

void traces_remove_old(struct trace_files *files, const struct trace_files *before)
{
    size_t kept = 0;

    for (size_t i = 0; i < files->count; i++) {
        if (is_in(&files->items[i], before))
            free(files->items[i].path);
        else
            files->items[kept++] = files->items[i];
    }
    files->count = kept;
}

void traces_free(struct trace_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->items[i].path);
    free(files->items);
    *files = (struct trace_files){0};
}
