/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/libraries.h"

#include <string.h>

#include "capture/elf.h"
#include "capture/modules.h"

#define PLACES 256u
#define OBJECTS_MAX 64 /* dependencies that are looked through */

/* One place. `pc` is stored last (release) and cleared first; two places of the same slot take turns. */
struct place {
    uintptr_t pc;
    uint32_t generation; /* of the modules, then */
    struct library_call call;
};
static struct place places[PLACES];

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static const ElfW(Dyn) * dynamic_find(const struct link_map *map, ElfW(Sxword) tag)
{
    for (const ElfW(Dyn) *d = map->l_ld; d && d->d_tag != DT_NULL; d++)
        if (d->d_tag == tag)
            return d;
    return NULL;
}

/* ld.so has made the addresses in most objects' dynamic sections absolute, not the vDSO's. */
static const char *strings_of(const struct link_map *map)
{
    const ElfW(Dyn) *d = dynamic_find(map, DT_STRTAB);
    if (!d)
        return NULL;
    uintptr_t address = (uintptr_t)d->d_un.d_ptr;
    return (const char *)(address < map->l_addr ? address + map->l_addr : address);
}

static const struct link_map *object_find(const char *name)
{
    for (const struct link_map *m = _r_debug.r_map; m; m = m->l_next)
        if (m->l_name && strcmp(base_name(m->l_name), base_name(name)) == 0)
            return m;
    return NULL;
}

/* Breadth first through what `map` needs, as the linker does. NULL: none of them defines `name`. */
static const struct link_map *needed_find(const struct link_map *map, const char *name)
{
    const struct link_map *queue[OBJECTS_MAX] = {map};
    size_t count = 1;
    for (size_t i = 0; i < count; i++) {
        const char *strings = strings_of(queue[i]);
        for (const ElfW(Dyn) *d = queue[i]->l_ld; strings && d->d_tag != DT_NULL; d++) {
            if (d->d_tag != DT_NEEDED || count == OBJECTS_MAX)
                continue;
            const struct link_map *object = object_find(strings + d->d_un.d_val);
            size_t known = 0;
            while (known < count && queue[known] != object)
                known++;
            if (!object || known < count)
                continue;
            if (elf_symbol(object, name))
                return object;
            queue[count++] = object;
        }
    }
    return NULL;
}

static const struct link_map *anywhere_find(const char *name)
{
    for (const struct link_map *m = _r_debug.r_map; m; m = m->l_next)
        if (m->l_ld && !modules_own((uintptr_t)m->l_ld) && elf_symbol(m, name))
            return m;
    return NULL;
}

static const struct link_map *map_of(uintptr_t address)
{
    const struct module *m = modules_find(address);
    return m ? m->link_map : NULL;
}

static COLD struct library_call resolve(enum real_index index, const char *name, uintptr_t pc)
{
    const struct link_map *caller = map_of(pc);
    const struct link_map *needed = caller ? needed_find(caller, name) : NULL;
    void **known = (void **)&real_table + index;
    void *global = load_relaxed(known) ? load_relaxed(known) : real_resolve(index);
    const struct link_map *global_map = global ? map_of((uintptr_t)global) : NULL;
    bool same = needed && global_map && strcmp(base_name(needed->l_name), base_name(global_map->l_name)) == 0;
    if (global && (same || !needed))
        return (struct library_call){global, global_map};
    if (!needed)
        needed = anywhere_find(name);
    return (struct library_call){needed ? elf_symbol(needed, name) : NULL, needed};
}

struct library_call library_call(enum real_index index, const char *name, uintptr_t pc)
{
    struct place *p = &places[(pc ^ pc >> 8) % PLACES];
    uint32_t generation = modules_generation();
    if (likely(load_acquire(&p->pc) == pc && p->generation == generation)) {
        struct library_call found = p->call;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (likely(load_relaxed(&p->pc) == pc))
            return found;
    }
    struct library_call found = resolve(index, name, pc);
    uintptr_t old = load_relaxed(&p->pc);
    /* Whoever gets the slot at 1 fills it in; the others do without. */
    if (old != 1 && cas_acq_rel(&p->pc, &old, (uintptr_t)1)) {
        p->generation = generation;
        p->call = found;
        store_release(&p->pc, pc);
    }
    return found;
}
