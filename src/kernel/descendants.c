/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/descendants.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "kernel/target_header.h"

struct process {
    pid_t pid, parent;
    bool wanted;
};

struct processes {
    struct process *items;
    size_t count, capacity;
};

static int process_add(struct processes *all, pid_t pid)
{
    struct trace_header header;
    if (target_header_read(pid, &header) < 0)
        return 0; /* it ended meanwhile */
    if (all->count == all->capacity) {
        size_t capacity = all->capacity ? 2 * all->capacity : 256;
        struct process *larger = reallocarray(all->items, capacity, sizeof(*larger));
        if (!larger)
            return -ENOMEM;
        all->items = larger;
        all->capacity = capacity;
    }
    all->items[all->count++] = (struct process){pid, (pid_t)header.ppid, false};
    return 0;
}

static int processes_read(struct processes *all)
{
    DIR *proc = opendir("/proc");
    int rc = 0;
    struct dirent *entry;
    if (!proc)
        return -errno;
    while (rc == 0 && (entry = readdir(proc))) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (*end == '\0' && pid > 0)
            rc = process_add(all, (pid_t)pid);
    }
    closedir(proc);
    return rc;
}

static bool is_wanted(const struct processes *all, const struct process *p, const pid_t *pids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (p->pid == pids[i])
            return true;
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].wanted && all->items[i].pid == p->parent)
            return true;
    return false;
}

ssize_t descendants_find(const pid_t *pids, size_t count, pid_t **out)
{
    struct processes all = {NULL, 0, 0};
    ssize_t found = 0;
    int rc = processes_read(&all);
    for (bool more = rc == 0; more;) {
        more = false;
        for (size_t i = 0; i < all.count; i++) {
            if (all.items[i].wanted || !is_wanted(&all, &all.items[i], pids, count))
                continue;
            all.items[i].wanted = more = true;
            found++;
        }
    }
    *out = rc == 0 ? calloc((size_t)found + 1, sizeof(**out)) : NULL;
    found = 0;
    for (size_t i = 0; *out && i < all.count; i++)
        if (all.items[i].wanted)
            (*out)[found++] = all.items[i].pid;
    free(all.items);
    return rc < 0 ? rc : *out ? found : -ENOMEM;
}
