/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/sites.h"

#include <string.h>
#include <sys/mman.h>

#include "base/compiler.h"
#include "base/sys.h"
#include "capture/interned.h"
#include "capture/modules.h"
#include "capture/record.h"
#include "capture/recorder.h"
#include "capture/symtab.h"
#include "capture/watchlist.h"

#define OBJECTS 256u          /* objects that are looked into */
#define RANGES_MAX 65536u     /* functions of one object that match */
#define PLACES 8192u          /* return addresses that have been judged */
#define SITES_EVERY 3u        /* frames that tell sites apart where all are watched */
#define VARIABLES_MAX 1024u   /* watched, of all objects */
#define VARIABLE_SMALL 4u     /* bytes; what is smaller is a flag */
#define VARIABLE_LARGE 65536u /* bytes; what is larger is a buffer */

enum verdict { VERDICT_NONE = 0, VERDICT_BORING = 1, VERDICT_NAMED = 2, VERDICT_FOREIGN = 3 };

/* A function that is asked for, or one that a template of C++'s library was made into: not the program's own code. */
struct range {
    uint32_t start; /* relative to the object's start, as end */
    uint32_t end : 31;
    uint32_t template : 1;
};

struct object {
    const struct module *module; /* any: NULL: free */
    struct range *ranges;        /* sorted */
    uint32_t count;
    uint32_t foreign; /* not looked into */
    uint32_t ready;   /* stored last (release) */
};

static struct object objects[OBJECTS];
static uint64_t places[PLACES]; /* any: generation << 49 | address << 2 | enum verdict */
static const struct patterns *wanted;
static bool own_only;
static uint32_t variables; /* any */

void sites_init(const struct patterns *patterns, bool only)
{
    wanted = patterns;
    own_only = only;
}

/* ---- which objects ---- */

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

bool sites_runtime(const struct module *object)
{
    const char *path = object->link_map->l_name;
    const char *name = path ? strrchr(path, '/') : NULL;
    name = name ? name + 1 : path ? path : "";
    return strncmp(name, "libc.so", 7) == 0 || strncmp(name, "ld-linux", 8) == 0 ||
           strncmp(name, "libpthread", 10) == 0 || strncmp(name, "linux-vdso", 10) == 0 ||
           strncmp(name, "libstdc++", 9) == 0 || strncmp(name, "libgcc_s", 8) == 0;
}

static bool is_foreign(const struct module *m)
{
    const char *path = m->link_map->l_name;
    if (!path || !path[0])
        return false; /* the program itself, wherever it lies */
    if (modules_own(m->start) || sites_runtime(m))
        return true;
    return own_only && (begins_with(path, "/lib/") || begins_with(path, "/lib64/") || begins_with(path, "/usr/lib/") ||
                        begins_with(path, "/usr/lib64/"));
}

/* ---- reading one ---- */

/* `@`: a library's variable that was copied into the program. Names that begin with `_` are the compiler's and libc's,
   but for C++: of those _ZT… and _ZG… are the compiler's. */
static bool name_reserved(const char *name)
{
    return (name[0] == '_' && (name[1] != 'Z' || name[2] == 'T' || name[2] == 'G')) || strchr(name, '@') != NULL;
}

static void variable_add(const struct symtab_symbol *s)
{
    if (!s->writable || s->size < VARIABLE_SMALL || s->size > VARIABLE_LARGE || name_reserved(s->name) ||
        !patterns_variable(wanted, s->name) || add_relaxed(&variables, 1) >= VARIABLES_MAX)
        return;
    struct watch_range range;
    uint32_t number =
        watchlist_add(&(struct watch_new){.start = s->start, .size = s->size, .kind = WATCH_GLOBAL, .name = s->name});
    if (number && !writer_log_scarce(&recorder.writer) && watchlist_get(number, &range))
        watchlist_announce(&range);
}

/* Of namespace std, its abbreviations, and __gnu_cxx (Itanium C++ ABI, 5.1: mangling). */
static bool name_of_library(const char *name)
{
    static const char *const begins[] = {"_ZNSt", "_ZNKSt", "_ZSt",          "_ZNSa",
                                         "_ZNSs", "_ZNKSs", "_ZN9__gnu_cxx", "_ZNK9__gnu_cxx"};
    for (size_t i = 0; name[0] == '_' && i < ARRAY_SIZE(begins); i++)
        if (begins_with(name, begins[i]))
            return true;
    return false;
}

static void symbol_take(const struct symtab_symbol *s, void *context)
{
    struct object *o = context;
    if (!s->function) {
        variable_add(s);
        return;
    }
    uintptr_t start = s->start - o->module->start, end = start + s->size;
    if (!o->ranges || o->count == RANGES_MAX || end > INT32_MAX)
        return;
    bool named = patterns_function(wanted, s->name);
    if (named || name_of_library(s->name))
        o->ranges[o->count++] = (struct range){(uint32_t)start, (uint32_t)end, !named};
}

/* Shell's sort with Ciura's gaps; symbols come in any order. */
static void ranges_sort(struct range *r, uint32_t count)
{
    static const uint32_t gaps[] = {1750, 701, 301, 132, 57, 23, 10, 4, 1};
    for (size_t g = 0; g < ARRAY_SIZE(gaps); g++) {
        for (uint32_t i = gaps[g]; i < count; i++) {
            struct range moving = r[i];
            uint32_t to = i;
            for (; to >= gaps[g] && r[to - gaps[g]].start > moving.start; to -= gaps[g])
                r[to] = r[to - gaps[g]];
            r[to] = moving;
        }
    }
}

static void object_read(struct object *o)
{
    const size_t size = RANGES_MAX * sizeof(*o->ranges);
    o->foreign = is_foreign(o->module);
    if (!o->ranges && !o->foreign && !wanted->every)
        o->ranges = record_memory(size);
    if (!o->foreign && (o->ranges || wanted->every))
        symtab_read(o->module->link_map, symbol_take, o);
    if (o->ranges && !o->count) {
        sys_munmap(o->ranges, size);
        o->ranges = NULL;
    }
    ranges_sort(o->ranges, o->count);
    store_release(&o->ready, 1);
}

/* The place of an object that was unloaded; NULL: there is none. */
static struct object *object_replace(const struct module *m)
{
    for (struct object *o = objects; o < objects + OBJECTS; o++) {
        const struct module *found = load_acquire(&o->module);
        uint32_t ready = 1;
        if (!found || load_relaxed(&found->unloaded) == UINT32_MAX || !cas_acq_rel(&o->ready, &ready, 0))
            continue;
        o->count = 0;
        store_release(&o->module, m);
        object_read(o);
        return o;
    }
    return NULL;
}

/* NULL: no room, or another thread is just reading it. */
static struct object *object_find(const struct module *m)
{
    uint32_t at = (uint32_t)(((uintptr_t)m / sizeof(*m)) % OBJECTS);
    for (uint32_t i = 0; i < OBJECTS; i++, at = (at + 1) % OBJECTS) {
        struct object *o = &objects[at];
        const struct module *found = load_acquire(&o->module);
        if (!found && cas_acq_rel(&o->module, &found, m)) {
            object_read(o);
            return o;
        }
        if (found == m)
            return load_acquire(&o->ready) ? o : NULL;
    }
    return object_replace(m);
}

void sites_forked(void)
{
    for (struct object *o = objects; o < objects + OBJECTS; o++) {
        if (!o->module || o->ready)
            continue;
        o->count = 0;
        o->module = NULL;
    }
}

void sites_threads_begin(void)
{
    const struct module *m;
    for (uint32_t i = 0; (m = modules_at(i)) != NULL; i++)
        if (load_relaxed(&m->unloaded) == UINT32_MAX)
            object_find(m);
}

/* ---- judging ---- */

static enum verdict range_judge(const struct object *o, uint32_t at)
{
    uint32_t low = 0, high = o->count; /* the first that begins behind `at` */
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (o->ranges[middle].start <= at)
            low = middle + 1;
        else
            high = middle;
    }
    for (uint32_t i = low; i > 0 && low - i < 4; i--) /* functions may lie in one another, hardly ever deeper */
        if (at < o->ranges[i - 1].end)
            return o->ranges[i - 1].template ? VERDICT_FOREIGN : VERDICT_NAMED;
    return VERDICT_BORING;
}

static enum verdict pc_judge(uintptr_t pc)
{
    const struct module *m = modules_find(pc);
    if (!m)
        return VERDICT_FOREIGN; /* generated code has no name here */
    const struct object *o = object_find(m);
    if (!o)
        return VERDICT_NONE;
    if (o->foreign)
        return VERDICT_FOREIGN;
    return wanted->every ? VERDICT_NAMED : range_judge(o, (uint32_t)(pc - m->start));
}

/* pc: a return address, which may already belong to the next function. */
static enum verdict place_judge(uintptr_t pc)
{
    uint64_t tag = (uint64_t)modules_generation() << 49 | (pc & ((UINT64_C(1) << 47) - 1)) << 2;
    uint64_t *place = &places[(hash_word(0, pc) >> 32) % PLACES];
    uint64_t found = load_relaxed(place);
    if (likely((found & ~UINT64_C(3)) == tag))
        return (enum verdict)(found & 3);
    enum verdict verdict = pc_judge(pc - 1);
    if (verdict != VERDICT_NONE)
        store_relaxed(place, tag | verdict);
    return verdict;
}

uint64_t sites_judge(const uint64_t *frames, size_t count)
{
    uint64_t h = modules_generation();
    size_t enough = wanted->every ? SITES_EVERY : 1, named = 0;
    for (size_t i = 0, near = 0; i < count && near < SITES_NEAR && named < enough; i++) {
        enum verdict verdict = place_judge(frames[i]);
        h = hash_word(h, frames[i]);
        named += verdict == VERDICT_NAMED;
        near += verdict != VERDICT_FOREIGN;
    }
    return named ? hash_end(h) : 0;
}
