/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/symbols_module.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/function_name.h"
#include "analysis/symbols_class.h"
#include "analysis/symbols_files.h"
#include "analysis/symbols_lines.h"
#include "analysis/symbols_table.h"
#include "analysis/symbols_variable.h"

/* More functions than this inlined into each other at one place are cut. */
#define INLINE_MAX 32

static const char DELETED[] = " (deleted)";

struct symbols_module {
    struct symbols_pool *pool;
    const char *path; /* without " (deleted)" */
    const char *name; /* base name, or "[anonymous]" */
    uint8_t build_id[20];
    size_t id_size;
    unsigned traits; /* MODULE_* */
    bool deleted, opened;
    struct symbols_file file;
    struct symbols_table *table; /* NULL: no names */
    struct symbols_lines *lines; /* NULL: no lines */
    const char *warning;
    struct symbols_map natives; /* struct symbols_native by address */
    struct symbols_map named;   /* struct symbols_native by the pool's copy of the symbol */
};

static void native_free(void *value)
{
    struct symbols_native *native = value;
    free(native->frames);
    free(native);
}

struct symbols_module *symbols_module_new(struct symbols_pool *pool, const char *path, const uint8_t *build_id,
                                          size_t id_size)
{
    struct symbols_module *module = calloc(1, sizeof(*module));
    if (!module)
        return NULL;
    size_t length = strlen(path), suffix = sizeof(DELETED) - 1;
    module->deleted = length > suffix && !strcmp(path + length - suffix, DELETED);
    if (module->deleted)
        length -= suffix;
    module->pool = pool;
    module->path = symbols_pool_bytes(pool, path, length);
    module->id_size = id_size <= sizeof(module->build_id) ? id_size : 0;
    if (module->id_size)
        memcpy(module->build_id, build_id, module->id_size);
    if (!module->path) {
        free(module);
        return NULL;
    }
    module->traits = symbols_class_module(module->path);
    module->name = *module->path ? symbols_class_base(module->path) : "[anonymous]";
    return module;
}

void symbols_module_free(struct symbols_module *module)
{
    if (!module)
        return;
    symbols_map_free(&module->natives, native_free);
    symbols_map_free(&module->named, native_free);
    symbols_lines_free(module->lines);
    symbols_table_free(module->table);
    symbols_file_close(&module->file);
    free(module);
}

static void warning_set(struct symbols_module *module, int err)
{
    char text[PATH_MAX + 256];
    const char *what = strerror(-err), *separator = ": ";
    if (err == -ESTALE)
        what = "is not the file that was recorded (its build-id differs)", separator = " ";
    else if (err == -ENOEXEC)
        what = "is not a readable ELF file", separator = " ";
    else if (err == -ENOENT && module->deleted)
        what = "was deleted while it was in use", separator = " ";
    snprintf(text, sizeof(text),
             "%s%s%s; its functions are shown as addresses. Read the recording where the same build is installed.",
             module->path, separator, what);
    module->warning = symbols_pool_string(module->pool, text);
}

/* Opens the module's file once. What cannot be had is reported by the warning and left out. */
static void module_open(struct symbols_module *module)
{
    if (module->opened || (module->traits & MODULE_VIRTUAL))
        return;
    module->opened = true;
    /* A relative path (dlopen("./driver.so")) names the right file here only if the build-id says so. */
    bool usable = *module->path == '/' || module->id_size;
    int err = usable ? symbols_file_open(module->path, module->build_id, module->id_size, &module->file) : -ENOENT;
    if (err) {
        warning_set(module, err);
        return;
    }
    if (symbols_table_new(module->file.module, &module->table))
        return;
    module->lines = symbols_lines_new(module->file.module);
}

/* Without version and clone suffix, demangled. */
static const char *source_name(struct symbols_module *module, const char *symbol)
{
    const char *name = symbols_pool_bytes(module->pool, symbol, symbols_name_length(symbol));
    char *demangled = name ? function_name_demangle(name) : NULL;
    if (demangled)
        name = symbols_pool_string(module->pool, demangled);
    free(demangled);
    return name;
}

/* The name for people: of the symbol, else of the debug information, else the address. NULL: no memory. */
static const char *function_name(struct symbols_module *module, const char *symbol, const char *source,
                                 uint64_t address)
{
    char text[32];
    if (!symbol)
        symbol = source;
    if (symbol && *symbol)
        return source_name(module, symbol);
    snprintf(text, sizeof(text), "0x%" PRIx64, address);
    return symbols_pool_string(module->pool, text);
}

static const char *file_name(struct symbols_module *module, const char *file)
{
    return file && *file ? symbols_pool_string(module->pool, file) : NULL;
}

/* Fills native->frames (room for `count`) from the places; only the outermost has a symbol. False: no memory. */
static bool native_fill(struct symbols_module *module, struct symbols_native *native, uint64_t address,
                        const struct symbols_place *places)
{
    const char *symbol = module->table ? symbols_table_find(module->table, address) : NULL;
    for (size_t i = 0; i < native->count; i++) {
        bool outermost = i + 1 == native->count;
        struct frame frame = {
            .kind = FRAME_NATIVE,
            .function = function_name(module, outermost ? symbol : NULL, places[i].function, address),
            .module = module->name,
            .file = file_name(module, places[i].file),
            .line = places[i].line,
            .inlined = !outermost,
            .system = module->traits & MODULE_SYSTEM,
        };
        if (!frame.function)
            return false;
        native->frames[i] = frame;
    }
    native->traits = module->traits;
    native->eval =
        (module->traits & MODULE_VIRTUAL) == 0 && symbols_class_eval(native->frames[native->count - 1].function);
    return true;
}

static struct symbols_native *native_new(struct symbols_module *module, uint64_t address)
{
    struct symbols_place places[INLINE_MAX] = {{0}};
    size_t count = module->lines ? symbols_lines_find(module->lines, address, places, INLINE_MAX) : 0;
    struct symbols_native *native = calloc(1, sizeof(*native));
    if (!native)
        return NULL;
    native->count = count ? count : 1;
    native->frames = calloc(native->count, sizeof(*native->frames));
    if (!native->frames || !native_fill(module, native, address, places)) {
        native_free(native);
        return NULL;
    }
    return native;
}

const struct symbols_native *symbols_module_resolve(struct symbols_module *module, uint64_t address)
{
    struct symbols_native *native = symbols_map_find(&module->natives, address, 0);
    if (native)
        return native;
    module_open(module);
    native = native_new(module, address);
    if (native && symbols_map_add(&module->natives, address, 0, native)) {
        native_free(native);
        return NULL;
    }
    return native;
}

static bool named_fill(struct symbols_module *module, struct symbols_native *native, const char *symbol)
{
    bool generated = module->traits & MODULE_VIRTUAL;
    struct frame frame = {
        .kind = FRAME_NATIVE,
        .function = generated ? symbol : source_name(module, symbol),
        .module = module->name,
        .system = generated ? !symbols_class_generated(symbol) : module->traits & MODULE_SYSTEM,
    };
    if (!frame.function)
        return false;
    native->frames[0] = frame;
    native->traits = module->traits;
    native->eval = !generated && symbols_class_eval(frame.function);
    return true;
}

const struct symbols_native *symbols_module_named(struct symbols_module *module, const char *symbol)
{
    const char *key = symbols_pool_string(module->pool, symbol);
    struct symbols_native *native = key ? symbols_map_find(&module->named, (uintptr_t)key, 0) : NULL;
    if (native || !key)
        return native;
    native = calloc(1, sizeof(*native));
    if (!native)
        return NULL;
    native->count = 1;
    native->frames = calloc(1, sizeof(*native->frames));
    if (!native->frames || !named_fill(module, native, key) ||
        symbols_map_add(&module->named, (uintptr_t)key, 0, native)) {
        native_free(native);
        return NULL;
    }
    return native;
}

const char *symbols_module_variable(struct symbols_module *module, uint64_t address)
{
    char text[PATH_MAX];
    uint64_t offset = 0;
    module_open(module);
    const char *symbol = module->file.module ? symbols_variable_find(module->file.module, address, &offset) : NULL;
    const char *name = symbol ? source_name(module, symbol) : NULL;
    if (!name || !offset)
        return name;
    snprintf(text, sizeof(text), "%s+%" PRIu64, name, offset);
    return symbols_pool_string(module->pool, text);
}

const char *symbols_module_name(const struct symbols_module *module)
{
    return module->name;
}

const char *symbols_module_warning(const struct symbols_module *module)
{
    return module->warning;
}
