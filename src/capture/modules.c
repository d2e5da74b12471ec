/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/modules.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

#include "base/compiler.h"
#include "base/sys.h"
#include "capture/elf.h"
#include "capture/python.h"
#include "capture/recorder.h"

#define MODULES_MAX 4096

static struct {
    uint32_t count; /* any: slots taken */
    uint32_t generation;
    uintptr_t own_start, own_end;
    int (*find_object)(void *, struct dl_find_object *); /* glibc 2.35+: lock-free; NULL before */
    char exe[1024];
    struct module table[MODULES_MAX];
} modules;

uint32_t modules_generation(void)
{
    return load_relaxed(&modules.generation);
}

bool modules_own(uintptr_t pc)
{
    return pc >= modules.own_start && pc < modules.own_end;
}

/* ---- finding the loaded object: _dl_find_object where glibc has it, else dl_iterate_phdr ---- */

struct search {
    uintptr_t pc;
    struct dl_find_object *found;
    struct link_map map;
};

static int search_object(struct dl_phdr_info *info, size_t size, void *data)
{
    struct search *s = data;
    uintptr_t low = UINTPTR_MAX, high = 0;
    const void *eh_frame = NULL;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD) {
            low = start < low ? start : low;
            high = start + p->p_memsz > high ? start + p->p_memsz : high;
        } else if (p->p_type == PT_GNU_EH_FRAME) {
            eh_frame = (const void *)start;
        }
    }
    if (s->pc < low || s->pc >= high)
        return 0;
    s->found->dlfo_map_start = (void *)(low & ~(uintptr_t)(TRACE_PAGE - 1));
    s->found->dlfo_map_end = (void *)high;
    s->found->dlfo_eh_frame = (void *)eh_frame;
    for (struct link_map *m = _r_debug.r_map; m; m = m->l_next)
        if (m->l_addr == info->dlpi_addr)
            s->found->dlfo_link_map = m;
    return s->found->dlfo_link_map ? 1 : 0;
}

static bool find_object(uintptr_t pc, struct dl_find_object *found)
{
    memset(found, 0, sizeof(*found));
    if (likely(modules.find_object != NULL))
        return modules.find_object((void *)pc, found) == 0;
    struct search s = {.pc = pc, .found = found};
    return dl_iterate_phdr(search_object, &s) == 1;
}

/* ---- the table ---- */

static const char *map_path(const struct link_map *map)
{
    return map->l_name && map->l_name[0] ? map->l_name : modules.exe;
}

static void write_event(const struct module *m, const char *path)
{
    struct elf_headers headers;
    uint8_t build_id[ELF_BUILD_ID_MAX];
    size_t build_id_size = elf_headers_find(m->link_map, &headers) == 0 ? elf_build_id(&headers, build_id) : 0;
    size_t length = strlen(path);
    uint32_t cursor = sizeof(struct event_module);
    struct event_module *e = (void *)writer_log_reserve(&recorder.writer, cursor, (uint32_t)(length + build_id_size));
    if (!e)
        return;
    e->header.time_ns = clock_now();
    e->start = m->start;
    e->end = m->end;
    e->bias = m->bias;
    e->loaded = m->loaded;
    e->path = writer_log_string(&e->header, &cursor, path, length);
    e->build_id = writer_log_string(&e->header, &cursor, build_id, build_id_size);
    writer_log_commit(&e->header, EVENT_MODULE);
}

static const struct module *module_enter(const struct dl_find_object *found)
{
    uint32_t i = add_relaxed(&modules.count, 1);
    if (i >= MODULES_MAX) {
        store_relaxed(&modules.count, MODULES_MAX);
        return NULL;
    }
    const struct link_map *map = found->dlfo_link_map;
    struct module *m = &modules.table[i];
    m->start = (uintptr_t)found->dlfo_map_start;
    m->end = (uintptr_t)found->dlfo_map_end;
    m->bias = map->l_addr;
    m->eh_frame_hdr = found->dlfo_eh_frame;
    m->link_map = map;
    m->loaded = modules_generation();
    m->unloaded = UINT32_MAX;
    store_release(&m->ready, 1);
    write_event(m, map_path(map));
    python_module_loaded(map, map_path(map));
    uint32_t open = GATE_OPEN;
    if (python_active()) /* unless the gate is shut, or shuts just now */
        cas_acq_rel(&recorder_gate.open, &open, GATE_OPEN | GATE_PYTHON);
    return m;
}

static struct module *table_find(uintptr_t pc)
{
    uint32_t count = load_relaxed(&modules.count);
    for (uint32_t i = count < MODULES_MAX ? count : MODULES_MAX; i-- > 0;) {
        struct module *m = &modules.table[i];
        if (load_acquire(&m->ready) && pc >= m->start && pc < m->end && load_relaxed(&m->unloaded) == UINT32_MAX)
            return m;
    }
    return NULL;
}

static void write_unload(const struct module *m)
{
    struct event_unload *e = (void *)writer_log_reserve(&recorder.writer, sizeof(*e), 0);
    if (!e)
        return;
    e->header.time_ns = clock_now();
    e->start = m->start;
    e->unloaded = m->unloaded;
    writer_log_commit(&e->header, EVENT_UNLOAD);
}

void modules_check(void)
{
    uint32_t count = load_relaxed(&modules.count);
    uint32_t next = modules_generation() + 1;
    bool gone = false;
    for (uint32_t i = 0; i < count && i < MODULES_MAX; i++) {
        struct module *m = &modules.table[i];
        struct dl_find_object found;
        if (!load_acquire(&m->ready) || load_relaxed(&m->unloaded) != UINT32_MAX)
            continue;
        if (find_object(m->start, &found) && found.dlfo_link_map == m->link_map &&
            (uintptr_t)found.dlfo_map_start == m->start)
            continue;
        store_relaxed(&m->unloaded, next);
        write_unload(m);
        python_module_unloaded(m->start, m->end);
        gone = true;
    }
    if (gone)
        store_release(&modules.generation, next); /* invalidates cached unwind rules and stack hashes */
}

/* The loader is asked first, because the table cannot know of an object that went without dlclose (libc unloads its own
   plug-ins): its unwind tables would be read where nothing is mapped. Callers keep what they found, so this is rare. */
const struct module *modules_find(uintptr_t pc)
{
    struct dl_find_object found;
    const struct module *m = modules.find_object ? NULL : table_find(pc); /* dl_iterate_phdr locks: only if need be */
    if (m)
        return m;
    if (!find_object(pc, &found))
        return NULL;
    m = table_find(pc);
    if (m && m->link_map == found.dlfo_link_map && m->start == (uintptr_t)found.dlfo_map_start)
        return m;
    if (m) /* another object has its place now */
        modules_check();
    return module_enter(&found);
}

void modules_init(void)
{
    long length = sys_readlink("/proc/self/exe", modules.exe, sizeof(modules.exe) - 1);
    modules.exe[length > 0 ? length : 0] = '\0';
    modules.find_object = dlsym(RTLD_DEFAULT, "_dl_find_object");
    const struct module *own = modules_find((uintptr_t)modules_init);
    if (own) {
        modules.own_start = own->start;
        modules.own_end = own->end;
    }
    for (const struct link_map *m = _r_debug.r_map; m; m = m->l_next)
        if (m->l_ld)
            modules_find((uintptr_t)m->l_ld);
}
