/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/codemap.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/addresses.h"
#include "kernel/generated.h"
#include "kernel/here.h"
#include "kernel/list.h"
#include "kernel/target_header.h"
#include "trace/format.h"

#define REFRESH_NS UINT64_C(100000000)   /* mappings are read again at most this often */
#define GENERATED_NS UINT64_C(500000000) /* and the names of generated code */
#define SYMBOL_NAME_MAX 4096u

struct known_image {
    uint64_t start, end;
    char *path;
    bool there; /* in the latest look at the mappings */
    bool named; /* the reader will not have this file: its functions are named in the trace */
};

struct codemap {
    struct writer *writer;
    const struct ksyms *names;
    struct images *images;
    uint64_t refreshed_ns;
    uint32_t generation; /* of modules */
    struct known_image *known;
    size_t known_count, known_capacity;
    struct addresses needed, named;               /* of the process: in its stacks; functions that the trace has */
    struct addresses kernel_needed, kernel_named; /* the same of the kernel, where nothing changes */
    struct generated *generated;
    uint64_t generated_ns; /* when its names were read */
};

/* Addresses may mean something else from now on. */
static void needed_clear(struct codemap *c)
{
    addresses_clear(&c->needed);
    addresses_clear(&c->named);
}

/* ---- modules ---- */

static void unload_write(struct codemap *c, uint64_t start, uint64_t now_ns)
{
    struct event_unload *e = (void *)writer_log_reserve(c->writer, sizeof(*e), 0);
    if (!e)
        return;
    e->header.time_ns = now_ns;
    e->start = start;
    e->unloaded = c->generation;
    writer_log_commit(&e->header, EVENT_UNLOAD);
}

static void module_write(struct codemap *c, const struct image *image)
{
    uint32_t cursor = sizeof(struct event_module);
    size_t length = strlen(image->path);
    struct event_module *e = (void *)writer_log_reserve(c->writer, cursor, (uint32_t)(length + image->build_id_size));
    if (!e)
        return;
    e->header.time_ns = c->refreshed_ns;
    e->start = image->start;
    e->end = image->end;
    e->bias = image->bias;
    e->loaded = c->generation;
    e->path = writer_log_string(&e->header, &cursor, image->path, length);
    e->build_id = writer_log_string(&e->header, &cursor, image->build_id ? image->build_id : (const uint8_t *)"",
                                    image->build_id_size);
    writer_log_commit(&e->header, EVENT_MODULE);
}

static void image_take(void *context, const struct image *image)
{
    struct codemap *c = context;
    for (size_t i = 0; i < c->known_count; i++) {
        struct known_image *k = &c->known[i];
        if (k->start == image->start && k->end == image->end && strcmp(k->path, image->path) == 0) {
            k->there = true;
            return;
        }
    }
    char *path = strdup(image->path);
    struct known_image *k = path ? list_add(&c->known, &c->known_count, &c->known_capacity, sizeof(*k)) : NULL;
    if (!k) {
        free(path);
        return;
    }
    *k = (struct known_image){image->start, image->end, path, true, !here_has(image)};
    module_write(c, image);
}

bool codemap_refresh(struct codemap *c)
{
    c->refreshed_ns = kernel_now();
    if (images_refresh(c->images) != 1)
        return false;
    c->generation++;
    needed_clear(c);
    for (size_t i = 0; i < c->known_count; i++)
        c->known[i].there = false;
    images_each(c->images, image_take, c);
    size_t kept = 0;
    for (size_t i = 0; i < c->known_count; i++) {
        if (c->known[i].there) {
            c->known[kept++] = c->known[i];
            continue;
        }
        unload_write(c, c->known[i].start, c->refreshed_ns);
        free(c->known[i].path);
    }
    c->known_count = kept;
    return true;
}

/* A program counter in no known image: a library was loaded, or the program is new. */
bool codemap_refresh_for(struct codemap *c, const uint64_t *frames, size_t count)
{
    size_t known = 0;
    while (known < count && images_has(c->images, frames[known]))
        known++;
    return known < count && kernel_now() > c->refreshed_ns + REFRESH_NS && codemap_refresh(c);
}

/* ---- kernel symbols ---- */

static void ksym_write(struct codemap *c, const struct ksym *symbol)
{
    uint32_t cursor = sizeof(struct event_ksym);
    size_t name = strlen(symbol->name), module = strlen(symbol->module);
    struct event_ksym *e = (void *)writer_log_reserve(c->writer, cursor, (uint32_t)(name + module));
    if (!e)
        return;
    e->header.time_ns = kernel_now();
    e->start = symbol->start;
    e->end = symbol->end;
    e->name = writer_log_string(&e->header, &cursor, symbol->name, name);
    e->module = writer_log_string(&e->header, &cursor, symbol->module, module);
    writer_log_commit(&e->header, EVENT_KSYM);
}

static void ksym_need(struct codemap *c, uint64_t pc)
{
    const struct ksym *symbol = ksyms_find(c->names, pc);
    if (symbol && addresses_add(&c->kernel_named, symbol->start))
        ksym_write(c, symbol);
}

/* ---- other functions ---- */

static void symbol_write(struct codemap *c, uint64_t start, uint64_t end, uint32_t loaded, const char *name)
{
    uint32_t cursor = sizeof(struct event_symbol);
    size_t length = strnlen(name, SYMBOL_NAME_MAX);
    struct event_symbol *e = (void *)writer_log_reserve(c->writer, cursor, (uint32_t)length);
    if (!e)
        return;
    e->header.time_ns = kernel_now();
    e->start = start;
    e->end = end;
    e->loaded = loaded;
    e->name = writer_log_string(&e->header, &cursor, name, length);
    writer_log_commit(&e->header, EVENT_SYMBOL);
}

static const struct known_image *known_find(const struct codemap *c, uint64_t pc)
{
    for (size_t i = 0; i < c->known_count; i++)
        if (pc >= c->known[i].start && pc < c->known[i].end)
            return &c->known[i];
    return NULL;
}

static void generated_write(void *context, const struct perf_map_entry *entry, bool replaces)
{
    struct codemap *c = context;
    symbol_write(c, entry->start, entry->end, replaces ? c->generation : 0, entry->name);
}

/* Code that took the place of other code has a name from the next module generation on: stacks from before keep theirs.
 */
static void generated_update(struct codemap *c, uint64_t now_ns)
{
    c->generated_ns = now_ns;
    if (generated_read(c->generated)) {
        c->generation++;
        needed_clear(c);
    }
    generated_each(c->generated, generated_write, c);
}

static void function_need(struct codemap *c, uint64_t pc)
{
    const struct known_image *k = known_find(c, pc);
    uint64_t start, end;
    const char *name = k && k->named ? images_symbol(c->images, pc, &start, &end) : NULL;
    if (name && addresses_add(&c->named, start))
        symbol_write(c, start, end, c->generation, name);
    if (!k && !images_has(c->images, pc))
        generated_want(c->generated, pc);
}

/* ---- the interface ---- */

struct codemap *codemap_new(pid_t pid, struct writer *writer, const struct ksyms *ksyms)
{
    struct codemap *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->writer = writer;
    c->names = ksyms;
    c->images = images_new(pid);
    c->generated = generated_new(pid);
    if (c->images && c->generated)
        return c;
    codemap_free(c);
    return NULL;
}

void codemap_free(struct codemap *c)
{
    if (!c)
        return;
    images_free(c->images);
    for (size_t i = 0; i < c->known_count; i++)
        free(c->known[i].path);
    free(c->known);
    addresses_free(&c->needed);
    addresses_free(&c->named);
    addresses_free(&c->kernel_needed);
    addresses_free(&c->kernel_named);
    generated_free(c->generated);
    free(c);
}

struct images *codemap_images(struct codemap *c)
{
    return c->images;
}

uint32_t codemap_generation(const struct codemap *c)
{
    return c->generation;
}

void codemap_need(struct codemap *c, const uint64_t *frames, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t pc = frames[i] - 1; /* a return address lies behind the call */
        if (pc >= TRACE_KERNEL_START && addresses_add(&c->kernel_needed, pc))
            ksym_need(c, pc);
        else if (pc < TRACE_KERNEL_START && addresses_add(&c->needed, pc))
            function_need(c, pc);
    }
    if (!generated_used(c->generated))
        return;
    uint64_t now = kernel_now();
    if (now > c->generated_ns + GENERATED_NS)
        generated_update(c, now);
}

void codemap_finish(struct codemap *c)
{
    if (generated_used(c->generated))
        generated_update(c, kernel_now());
}
