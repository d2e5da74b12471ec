/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "jit/perf_map.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES_MAX ((size_t)4 << 20)
#define NAMES_MAX ((size_t)512 << 20)
#define NAME_MAX_BYTES 1024

struct entry {
    uint64_t start, end;
    uint64_t reach; /* sorted: greatest end up to here */
    uint32_t order; /* in the file */
    uint32_t name;  /* offset in names, / 8 */
};

struct perf_map {
    struct entry *entries; /* in the order of the file */
    struct entry *sorted;  /* by start, then order; as many as `sorted_count` */
    size_t count, capacity, sorted_count;
    char *names;
    size_t names_size, names_capacity;
    off_t offset; /* read so far */
    dev_t device; /* of the file that was read */
    ino_t inode;
};

struct perf_map *perf_map_new(void)
{
    return calloc(1, sizeof(struct perf_map));
}

void perf_map_free(struct perf_map *m)
{
    if (!m)
        return;
    free(m->entries);
    free(m->sorted);
    free(m->names);
    free(m);
}

int perf_map_open(int root, uint32_t pid, uid_t owner)
{
    const struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
                                 .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    char path[64];
    struct stat st;
    snprintf(path, sizeof(path), "tmp/perf-%" PRIu32 ".map", pid);
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
    if (fd < 0)
        return -errno;
    int err = fstat(fd, &st) ? -errno : !S_ISREG(st.st_mode) || (st.st_uid != owner && st.st_uid != 0) ? -EPERM : 0;
    if (!err)
        return fd;
    close(fd);
    return err;
}

/* Offset / 8 of a copy of the name; UINT32_MAX: no room. */
static uint32_t name_add(struct perf_map *m, const char *name, size_t length)
{
    size_t size = (length + 1 + 7) & ~(size_t)7;
    if (m->names_size + size > NAMES_MAX)
        return UINT32_MAX;
    if (m->names_size + size > m->names_capacity) {
        size_t capacity = 2 * m->names_capacity + size + 65536;
        char *larger = realloc(m->names, capacity);
        if (!larger)
            return UINT32_MAX;
        m->names = larger;
        m->names_capacity = capacity;
    }
    uint32_t at = (uint32_t)(m->names_size / 8);
    memcpy(m->names + m->names_size, name, length);
    m->names[m->names_size + length] = '\0';
    m->names_size += size;
    return at;
}

/* Lines that are not understood are left out: the file is the program's. */
static int line_take(struct perf_map *m, const char *line, size_t length)
{
    uint64_t start, size;
    int name_at = 0;
    if (sscanf(line, "%" SCNx64 " %" SCNx64 " %n", &start, &size, &name_at) < 2 || !name_at || !size ||
        start + size < start)
        return 0;
    length -= (size_t)name_at;
    if (m->count == ENTRIES_MAX)
        return -ENOSPC;
    if (m->count == m->capacity) {
        size_t capacity = m->capacity ? 2 * m->capacity : 1024;
        struct entry *larger = reallocarray(m->entries, capacity, sizeof(*larger));
        if (!larger)
            return -ENOMEM;
        m->entries = larger;
        m->capacity = capacity;
    }
    uint32_t name = name_add(m, line + name_at, length < NAME_MAX_BYTES ? length : NAME_MAX_BYTES);
    if (name == UINT32_MAX)
        return -ENOMEM;
    m->entries[m->count] = (struct entry){start, start + size, 0, (uint32_t)m->count, name};
    m->count++;
    return 0;
}

static int lines_take(struct perf_map *m, FILE *file)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    int rc = 0;
    while (rc == 0 && (n = getline(&line, &capacity, file)) > 0) {
        if (line[n - 1] != '\n') /* it is being written */
            break;
        line[n - 1] = '\0';
        rc = line_take(m, line, strlen(line));
        m->offset += n;
    }
    free(line);
    return rc;
}

ssize_t perf_map_read(struct perf_map *m, int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -errno;
    if (st.st_dev != m->device || st.st_ino != m->inode || st.st_size < m->offset) {
        m->count = m->names_size = 0;
        m->sorted_count = 0;
        m->offset = 0;
        m->device = st.st_dev;
        m->inode = st.st_ino;
    }
    size_t before = m->count;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    FILE *file = own < 0 ? NULL : fdopen(own, "r");
    if (!file) {
        int err = -errno;
        if (own >= 0)
            close(own);
        return err;
    }
    int rc = fseeko(file, m->offset, SEEK_SET) ? -errno : lines_take(m, file);
    fclose(file);
    return rc < 0 ? rc : (ssize_t)before;
}

size_t perf_map_count(const struct perf_map *m)
{
    return m->count;
}

static struct perf_map_entry entry_view(const struct perf_map *m, const struct entry *e)
{
    return (struct perf_map_entry){e->start, e->end, m->names + (size_t)e->name * 8};
}

struct perf_map_entry perf_map_at(const struct perf_map *m, size_t i)
{
    return entry_view(m, &m->entries[i]);
}

static int entry_compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static bool entries_sort(struct perf_map *m)
{
    if (m->sorted_count == m->count)
        return true;
    struct entry *sorted = reallocarray(m->sorted, m->count, sizeof(*sorted));
    if (!sorted)
        return false;
    memcpy(sorted, m->entries, m->count * sizeof(*sorted));
    qsort(sorted, m->count, sizeof(*sorted), entry_compare);
    uint64_t reach = 0;
    for (size_t i = 0; i < m->count; i++)
        sorted[i].reach = reach = sorted[i].end > reach ? sorted[i].end : reach;
    m->sorted = sorted;
    m->sorted_count = m->count;
    return true;
}

bool perf_map_find(struct perf_map *m, uint64_t pc, struct perf_map_entry *out)
{
    if (!m->count || !entries_sort(m))
        return false;
    const struct entry *best = NULL;
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->sorted[middle].start <= pc)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low > 0 && m->sorted[low - 1].reach > pc; low--) {
        const struct entry *e = &m->sorted[low - 1];
        if (pc < e->end && (!best || e->order > best->order))
            best = e;
    }
    if (best)
        *out = entry_view(m, best);
    return best != NULL;
}
