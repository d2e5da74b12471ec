/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/generated.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/list.h"

#define WANTED_MAX 65536u /* addresses without a name: there may be no map at all */

struct range { /* of a function that was handed out */
    uint64_t start, end;
    bool replaced; /* it is other code now */
};

struct generated {
    pid_t pid;
    uint32_t own_pid; /* in its own pid namespace; 0: not looked up yet */
    uid_t owner;
    int root; /* the process's root directory, held so that it can be read when the process has ended; -1: none */
    struct perf_map *map;
    uint64_t *wanted;
    size_t wanted_count, wanted_capacity;
    struct range *taken;
    size_t taken_count, taken_capacity;
    bool used;
};

struct generated *generated_new(pid_t pid)
{
    struct generated *g = calloc(1, sizeof(*g));
    if (!g)
        return NULL;
    g->pid = pid;
    g->root = -1;
    g->map = perf_map_new();
    if (g->map)
        return g;
    free(g);
    return NULL;
}

void generated_free(struct generated *g)
{
    if (!g)
        return;
    if (g->root >= 0)
        close(g->root);
    perf_map_free(g->map);
    free(g->wanted);
    free(g->taken);
    free(g);
}

/* proc_pid_status(5): the last number of NSpid is the one in the innermost namespace. */
static uint32_t own_pid_read(pid_t pid)
{
    char path[64], line[512];
    uint32_t found = (uint32_t)pid;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return found;
    while (fgets(line, sizeof(line), file)) {
        const char *last = strncmp(line, "NSpid:", 6) == 0 ? strrchr(line, '\t') : NULL;
        if (last)
            found = (uint32_t)strtoul(last, NULL, 10);
    }
    fclose(file);
    return found;
}

static void process_look(struct generated *g)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof(path), "/proc/%d", (int)g->pid);
    g->owner = stat(path, &st) == 0 ? st.st_uid : 0;
    g->own_pid = own_pid_read(g->pid);
    snprintf(path, sizeof(path), "/proc/%d/root", (int)g->pid);
    g->root = open(path, O_PATH | O_CLOEXEC | O_DIRECTORY);
}

void generated_want(struct generated *g, uint64_t pc)
{
    if (!g->used)
        process_look(g);
    g->used = true;
    if (g->wanted_count == WANTED_MAX)
        return;
    uint64_t *wanted = list_add(&g->wanted, &g->wanted_count, &g->wanted_capacity, sizeof(*wanted));
    if (wanted)
        *wanted = pc;
}

bool generated_used(const struct generated *g)
{
    return g->used;
}

static bool entry_replaces(struct generated *g, const struct perf_map_entry *e)
{
    bool replaces = false;
    for (size_t i = 0; i < g->taken_count; i++) {
        struct range *r = &g->taken[i];
        if (r->replaced || e->start >= r->end || r->start >= e->end)
            continue;
        r->replaced = replaces = true;
    }
    return replaces;
}

bool generated_read(struct generated *g)
{
    bool replaces = false;
    int fd = g->root < 0 ? -1 : perf_map_open(g->root, g->own_pid, g->owner);
    ssize_t before = fd < 0 ? -1 : perf_map_read(g->map, fd);
    if (fd >= 0)
        close(fd);
    for (size_t i = before < 0 ? SIZE_MAX : (size_t)before; i < perf_map_count(g->map); i++) {
        struct perf_map_entry e = perf_map_at(g->map, i);
        replaces |= entry_replaces(g, &e);
    }
    return replaces;
}

static struct range *range_find(struct generated *g, const struct perf_map_entry *e, bool *replaces)
{
    *replaces = false;
    for (size_t i = 0; i < g->taken_count; i++) {
        struct range *r = &g->taken[i];
        if (!r->replaced && r->start == e->start && r->end == e->end)
            return r;
        *replaces |= r->replaced && e->start < r->end && r->start < e->end;
    }
    return NULL;
}

void generated_each(struct generated *g, generated_take *take, void *context)
{
    size_t kept = 0;
    for (size_t i = 0; i < g->wanted_count; i++) {
        struct perf_map_entry e;
        bool replaces;
        if (!perf_map_find(g->map, g->wanted[i], &e)) {
            g->wanted[kept++] = g->wanted[i];
            continue;
        }
        if (range_find(g, &e, &replaces))
            continue;
        struct range *r = list_add(&g->taken, &g->taken_count, &g->taken_capacity, sizeof(*r));
        if (r)
            *r = (struct range){e.start, e.end, false};
        take(context, &e, replaces);
    }
    g->wanted_count = kept;
}
