/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/symbols_generated.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jit/perf_map.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

struct symbols_generated {
    struct perf_map *map;
};

/* The number of a process means something on the machine where it ran, until that is started again. */
static bool boot_is_same(const struct trace_info *info)
{
    char id[64] = "";
    int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, id, sizeof(id) - 1);
    if (fd >= 0)
        close(fd);
    id[n > 0 ? strcspn(id, "\n") : 0] = '\0';
    return *id && strcmp(id, info->boot_id) == 0;
}

/* Nobody has written to it since the process began: it is that of an earlier one with the same number. */
static bool file_is_older(int fd, const struct trace_info *info)
{
    struct stat st;
    return fstat(fd, &st) != 0 ||
           (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec < info->start_real_ns;
}

static void map_read(struct perf_map *map, const struct trace_info *info)
{
    struct stat st;
    if (stat(info->path, &st) != 0 || !boot_is_same(info))
        return;
    int root = open("/", O_PATH | O_CLOEXEC | O_DIRECTORY);
    int fd = root < 0 ? -1 : perf_map_open(root, info->pid, st.st_uid);
    if (fd >= 0 && !file_is_older(fd, info))
        perf_map_read(map, fd);
    if (fd >= 0)
        close(fd);
    if (root >= 0)
        close(root);
}

struct symbols_generated *symbols_generated_new(const struct trace *t)
{
    struct symbols_generated *g = calloc(1, sizeof(*g));
    if (!g)
        return NULL;
    g->map = perf_map_new();
    if (!g->map) {
        free(g);
        return NULL;
    }
    if (trace_info(t)->origin == TRACE_ORIGIN_PRELOAD)
        map_read(g->map, trace_info(t));
    return g;
}

void symbols_generated_free(struct symbols_generated *g)
{
    if (!g)
        return;
    perf_map_free(g->map);
    free(g);
}

const char *symbols_generated_find(struct symbols_generated *g, uint64_t pc)
{
    struct perf_map_entry e;
    return perf_map_find(g->map, pc, &e) ? e.name : NULL;
}
