/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/images.h"

#include <elfutils/libdwfl.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/walks.h"

#define STACK_POINTER 7
#define PART_DISTANCE_MAX (UINT64_C(64) << 20) /* between two parts of an image: parts are aligned to 2 MiB at most */

struct mapping { /* of one file, all its parts */
    uint64_t start, end, first_end, offset;
    unsigned long inode;
    bool executable;
    char *path;
};

struct images {
    pid_t pid;
    Dwfl *dwfl;
    bool attached;
    struct mapping *mappings;
    size_t count, capacity;
    const struct images_thread *thread; /* being unwound */
    bool beyond;                        /* memory was asked for that was not copied */
    struct walks *walks;
};

/* ---- /proc/PID/maps ---- */

/* Files that hold code with call frame information. */
static bool path_is_image(const char *path)
{
    return path[0] == '/' && strncmp(path, "/dev/", 5) != 0 && strncmp(path, "/memfd:", 7) != 0 &&
           strncmp(path, "/SYSV", 5) != 0;
}

static int mapping_add(struct images *i, const struct mapping *m, const char *path)
{
    struct mapping *last = i->count ? &i->mappings[i->count - 1] : NULL;
    /* Parts of one image keep their distances; the same file may be mapped again elsewhere. */
    if (last && last->inode == m->inode && strcmp(last->path, path) == 0 && m->offset != 0 &&
        m->start - last->end <= PART_DISTANCE_MAX) {
        last->end = m->end;
        last->executable |= m->executable;
        return 0;
    }
    if (i->count == i->capacity) {
        size_t capacity = i->capacity ? 2 * i->capacity : 64;
        struct mapping *larger = reallocarray(i->mappings, capacity, sizeof(*larger));
        if (!larger)
            return -ENOMEM;
        i->mappings = larger;
        i->capacity = capacity;
    }
    i->mappings[i->count] = *m;
    i->mappings[i->count].path = strdup(path);
    return i->mappings[i->count++].path ? 0 : -ENOMEM;
}

static int line_take(struct images *i, char *line)
{
    struct mapping m = {0};
    char permissions[8];
    int path_at = 0;
    line[strcspn(line, "\n")] = '\0';
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %*s %lu %n", &m.start, &m.end, permissions, &m.offset,
               &m.inode, &path_at) < 5 ||
        !path_at || !path_is_image(line + path_at))
        return 0;
    m.first_end = m.end;
    m.executable = permissions[2] == 'x';
    return mapping_add(i, &m, line + path_at);
}

static void mappings_clear(struct mapping *mappings, size_t count)
{
    for (size_t k = 0; k < count; k++)
        free(mappings[k].path);
    free(mappings);
}

static bool mappings_equal(const struct images *i, const struct mapping *other, size_t count)
{
    if (i->count != count)
        return false;
    for (size_t k = 0; k < count; k++) {
        const struct mapping *a = &i->mappings[k], *b = &other[k];
        if (a->start != b->start || a->end != b->end || a->inode != b->inode || strcmp(a->path, b->path) != 0)
            return false;
    }
    return true;
}

/* Files mapped as data only are of no interest, however often that changes. */
static void data_drop(struct images *i)
{
    size_t kept = 0;
    for (size_t k = 0; k < i->count; k++) {
        if (i->mappings[k].executable)
            i->mappings[kept++] = i->mappings[k];
        else
            free(i->mappings[k].path);
    }
    i->count = kept;
}

static int maps_read(struct images *i)
{
    char name[64], *line = NULL;
    size_t size = 0;
    int rc = 0;
    snprintf(name, sizeof(name), "/proc/%d/maps", (int)i->pid);
    FILE *file = fopen(name, "re");
    if (!file)
        return -errno;
    while (rc == 0 && getline(&line, &size, file) > 0)
        rc = line_take(i, line);
    if (rc == 0 && ferror(file))
        rc = -ESRCH;
    free(line);
    fclose(file);
    data_drop(i);
    return rc == 0 && i->count == 0 ? -ESRCH : rc; /* a zombie has no mappings */
}

/* ---- libdwfl ---- */

static int find_elf(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base, char **file_name,
                    Elf **elf)
{
    (void)module, (void)userdata, (void)name, (void)base, (void)file_name, (void)elf;
    return -1; /* reported with their files */
}

/* Call frame information is in the file itself (.eh_frame): looking for separate debug files would only cost time. */
static int find_debuginfo(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
                          const char *file_name, const char *link, GElf_Word crc, char **debug_file_name)
{
    (void)module, (void)userdata, (void)name, (void)base, (void)file_name, (void)link, (void)crc, (void)debug_file_name;
    return -1;
}

static const Dwfl_Callbacks dwfl_callbacks = {
    .find_elf = find_elf, .find_debuginfo = find_debuginfo, .section_address = dwfl_offline_section_address};

static pid_t next_thread(Dwfl *dwfl, void *context, void **thread)
{
    (void)dwfl;
    struct images *i = context;
    if (*thread)
        return 0;
    *thread = i;
    return i->thread->tid;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *context, void **thread)
{
    (void)dwfl, (void)tid;
    *thread = context;
    return true;
}

static bool memory_read(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *result, void *context)
{
    (void)dwfl;
    struct images *i = context;
    const struct images_thread *t = i->thread;
    uint64_t sp = t->registers[STACK_POINTER];
    if (address < sp || address - sp > t->size || t->size - (address - sp) < sizeof(*result)) {
        i->beyond = true;
        return false;
    }
    memcpy(result, t->bytes + (address - sp), sizeof(*result));
    walks_read(i->walks, address - sp);
    return true;
}

static bool set_registers(Dwfl_Thread *thread, void *context)
{
    const struct images_thread *t = ((struct images *)context)->thread;
    return dwfl_thread_state_registers(thread, 0, (unsigned)t->register_count, t->registers);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {.next_thread = next_thread,
                                                       .get_thread = get_thread,
                                                       .memory_read = memory_read,
                                                       .set_initial_registers = set_registers};

/* The mapping that this one repeats a part of; NULL: it is an image of its own, which begins at its file's beginning.
   V8 does so to have its built-in code near to what it generates. */
static const struct mapping *mapping_original(const struct images *i, const struct mapping *m)
{
    for (size_t k = 0; m->offset && k < i->count; k++)
        if (i->mappings[k].inode == m->inode && !i->mappings[k].offset && strcmp(i->mappings[k].path, m->path) == 0)
            return &i->mappings[k];
    return NULL;
}

static bool file_is_mapped(const char *file, const struct mapping *m)
{
    struct stat st;
    return stat(file, &st) == 0 && st.st_ino == m->inode;
}

/* What libdwfl keeps for its user with each module: here the file's number. */
static void **module_inode(Dwfl_Module *module)
{
    void **inode = NULL;
    dwfl_module_info(module, &inode, NULL, NULL, NULL, NULL, NULL, NULL);
    return inode;
}

static void mapping_report(struct images *i, const struct mapping *m)
{
    GElf_Addr base = m->start - m->offset;
    char file[PATH_MAX];
    snprintf(file, sizeof(file), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)i->pid, m->start, m->first_end);
    Dwfl_Module *module = dwfl_report_elf(i->dwfl, m->path, file, -1, base, false);
    if (!module) {
        int n = snprintf(file, sizeof(file), "/proc/%d/root%s", (int)i->pid, m->path);
        if (n > 0 && (size_t)n < sizeof(file) && file_is_mapped(file, m))
            module = dwfl_report_elf(i->dwfl, m->path, file, -1, base, false);
    }
    if (module)
        *module_inode(module) = (void *)(uintptr_t)m->inode;
}

/* A module that was there before: libdwfl forgets one whose file it has read when that is reported once more. */
struct kept_module {
    char *name;
    Dwarf_Addr low, high;
};

static void kept_find(struct images *i, const struct mapping *m, struct kept_module *kept)
{
    Dwfl_Module *module = i->dwfl ? dwfl_addrmodule(i->dwfl, m->start) : NULL;
    const char *name = module ? dwfl_module_info(module, NULL, &kept->low, &kept->high, NULL, NULL, NULL, NULL) : NULL;
    if (name && strcmp(name, m->path) == 0 && (uintptr_t)*module_inode(module) == m->inode)
        kept->name = strdup(name);
}

/* Modules that are reported again the same stay as they are, with what was read of them. */
static int modules_report(struct images *i)
{
    struct kept_module *kept = calloc(i->count + 1, sizeof(*kept));
    for (size_t k = 0; kept && k < i->count; k++)
        kept_find(i, &i->mappings[k], &kept[k]);
    if (!i->dwfl)
        i->dwfl = dwfl_begin(&dwfl_callbacks);
    if (!i->dwfl) {
        free(kept);
        return -ENOMEM;
    }
    dwfl_report_begin(i->dwfl);
    for (size_t k = 0; k < i->count; k++) {
        bool there = kept && kept[k].name && dwfl_report_module(i->dwfl, kept[k].name, kept[k].low, kept[k].high);
        if (!there && !mapping_original(i, &i->mappings[k]))
            mapping_report(i, &i->mappings[k]);
        if (kept)
            free(kept[k].name);
    }
    free(kept);
    if (dwfl_report_end(i->dwfl, NULL, NULL) != 0)
        return -ENOMEM;
    if (!i->attached)
        i->attached = dwfl_attach_state(i->dwfl, NULL, i->pid, &thread_callbacks, i);
    return 1;
}

/* ---- the interface ---- */

struct images *images_new(pid_t pid)
{
    struct images *i = calloc(1, sizeof(*i));
    if (!i)
        return NULL;
    i->pid = pid;
    i->walks = walks_new();
    return i;
}

void images_free(struct images *i)
{
    if (!i)
        return;
    dwfl_end(i->dwfl);
    walks_free(i->walks);
    mappings_clear(i->mappings, i->count);
    free(i);
}

int images_refresh(struct images *i)
{
    struct mapping *before = i->mappings;
    size_t before_count = i->count, before_capacity = i->capacity;
    i->mappings = NULL;
    i->count = i->capacity = 0;
    int rc = maps_read(i);
    if (rc < 0) {
        mappings_clear(i->mappings, i->count);
        i->mappings = before;
        i->count = before_count;
        i->capacity = before_capacity;
        return rc;
    }
    bool same = mappings_equal(i, before, before_count);
    mappings_clear(before, before_count);
    if (same)
        return 0;
    walks_forget(i->walks);
    return modules_report(i);
}

static const struct mapping *mapping_find(const struct images *i, uint64_t pc)
{
    for (size_t k = 0; k < i->count; k++)
        if (pc >= i->mappings[k].start && pc < i->mappings[k].end)
            return &i->mappings[k];
    return NULL;
}

struct each {
    const struct images *images;
    images_take *take;
    void *context;
};

static bool image_fill(Dwfl_Module *module, struct image *image)
{
    GElf_Addr build_id_at;
    const unsigned char *build_id = NULL;
    Dwarf_Addr low = 0, high = 0, bias = 0;
    dwfl_module_info(module, NULL, &low, &high, NULL, NULL, NULL, NULL);
    image->elf = dwfl_module_getelf(module, &bias);
    if (!image->elf)
        return false;
    int size = dwfl_module_build_id(module, &build_id, &build_id_at);
    image->start = low;
    image->end = high;
    image->bias = bias;
    image->build_id = build_id;
    image->build_id_size = size > 0 ? (size_t)size : 0;
    return true;
}

static int module_take(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr start, void *context)
{
    (void)userdata, (void)start;
    const struct each *each = context;
    struct image image = {.path = name};
    if (!image_fill(module, &image))
        return DWARF_CB_OK;
    const struct mapping *m = mapping_find(each->images, image.start);
    image.inode = m ? m->inode : 0;
    each->take(each->context, &image);
    return DWARF_CB_OK;
}

/* The same place in the file, where it is mapped first. */
static uint64_t address_original(const struct mapping *copy, const struct mapping *original, uint64_t pc)
{
    return pc - copy->start + copy->offset + original->start - original->offset;
}

static void copy_take(const struct images *i, const struct mapping *copy, const struct each *each)
{
    struct image image = {.path = copy->path, .inode = copy->inode};
    const struct mapping *original = mapping_original(i, copy);
    Dwfl_Module *module = original ? dwfl_addrmodule(i->dwfl, original->start) : NULL;
    if (!module || !image_fill(module, &image))
        return;
    image.start = copy->start;
    image.end = copy->end;
    image.bias += copy->start - address_original(copy, original, copy->start);
    each->take(each->context, &image);
}

void images_each(struct images *i, images_take *take, void *context)
{
    struct each each = {i, take, context};
    if (i->dwfl)
        dwfl_getmodules(i->dwfl, module_take, &each, 0);
    for (size_t k = 0; i->dwfl && k < i->count; k++)
        copy_take(i, &i->mappings[k], &each);
}

bool images_has(const struct images *i, uint64_t pc)
{
    return mapping_find(i, pc) != NULL;
}

const char *images_symbol(const struct images *i, uint64_t pc, uint64_t *start, uint64_t *end)
{
    GElf_Sym symbol;
    GElf_Off offset;
    const struct mapping *m = mapping_find(i, pc), *original = m ? mapping_original(i, m) : NULL;
    uint64_t there = original ? address_original(m, original, pc) : pc;
    Dwfl_Module *module = i->dwfl ? dwfl_addrmodule(i->dwfl, there) : NULL;
    const char *name = module ? dwfl_module_addrinfo(module, there, &offset, &symbol, NULL, NULL, NULL) : NULL;
    /* An address between two symbols belongs to neither, but libdwfl names the one before it. */
    if (!name || offset >= symbol.st_size)
        return NULL;
    *start = pc - offset;
    *end = *start + symbol.st_size;
    return name;
}

struct frames {
    uint64_t *list;
    size_t count, room;
};

static int frame_take(Dwfl_Frame *frame, void *context)
{
    struct frames *f = context;
    Dwarf_Addr pc;
    if (f->count == f->room)
        return DWARF_CB_ABORT;
    if (!dwfl_frame_pc(frame, &pc, NULL))
        return DWARF_CB_ABORT;
    f->list[f->count++] = pc;
    return DWARF_CB_OK;
}

size_t images_unwind(struct images *i, const struct images_thread *thread, uint64_t *frames, size_t room,
                     bool *complete, bool *truncated)
{
    struct frames f = {frames, 0, room};
    const uint64_t *known;
    *complete = *truncated = false;
    if (!i->attached || room == 0)
        return 0;
    size_t count = walks_find(i->walks, thread, &known);
    *complete = count > 0 && count <= room;
    if (*complete) {
        memcpy(frames, known, count * sizeof(*frames));
        return count;
    }
    i->thread = thread;
    i->beyond = false;
    walks_begin(i->walks);
    int rc = dwfl_getthread_frames(i->dwfl, thread->tid, frame_take, &f);
    i->thread = NULL;
    *truncated = rc > 0 && f.count == room;
    /* libdwfl takes a return address that it cannot read for one that does not exist, as at a thread's start. */
    *complete = rc == 0 && f.count > 0 && !i->beyond;
    if (*complete)
        walks_keep(i->walks, thread, frames, f.count);
    return f.count;
}
