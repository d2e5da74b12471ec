/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The compilation units' address ranges are collected once per file, the functions of a unit when an address falls into
 * it; both are searched by bisection. (.debug_aranges would save the first step, but clang does not write it.)
 */
#include "analysis/symbols_lines.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdlib.h>

/* Depth at which nested scopes of a damaged file are given up. */
#define NESTING_MAX 64

struct range {
    uint64_t start, end;
    uint64_t reach; /* greatest end of this and all earlier ranges */
    size_t item;
};

struct ranges {
    struct range *list;
    size_t count, capacity;
};

struct unit {
    Dwarf_Die die; /* the one with the functions: with split DWARF that of the .dwo file */
    bool loaded;
    struct ranges ranges; /* of functions */
    Dwarf_Die *functions;
    size_t count, capacity;
};

struct symbols_lines {
    Dwfl_Module *module;
    bool loaded;
    Dwarf_Addr bias;      /* DWARF address + bias = module address */
    struct ranges ranges; /* of units */
    struct unit *units;
    size_t count, capacity;
};

/* The list with room for one more element, perhaps moved; NULL: no memory, the old list stays. */
static void *list_room(void *list, size_t count, size_t *capacity, size_t element)
{
    if (count < *capacity)
        return list;
    size_t wanted = *capacity ? *capacity * 2 : 16;
    void *bigger = reallocarray(list, wanted, element);
    if (bigger)
        *capacity = wanted;
    return bigger;
}

static void ranges_add(struct ranges *ranges, Dwarf_Die *die, size_t item)
{
    Dwarf_Addr base, start, end;
    for (ptrdiff_t next = 0; (next = dwarf_ranges(die, next, &base, &start, &end)) > 0;) {
        /* start 0: code that the linker threw away */
        if (!start || start >= end)
            continue;
        struct range *list = list_room(ranges->list, ranges->count, &ranges->capacity, sizeof(*list));
        if (!list)
            return;
        ranges->list = list;
        list[ranges->count++] = (struct range){.start = start, .end = end, .item = item};
    }
}

static int range_order(const void *left, const void *right)
{
    const struct range *a = left, *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

static void ranges_sort(struct ranges *ranges)
{
    uint64_t reach = 0;
    if (ranges->count)
        qsort(ranges->list, ranges->count, sizeof(*ranges->list), range_order);
    for (size_t i = 0; i < ranges->count; i++) {
        reach = ranges->list[i].end > reach ? ranges->list[i].end : reach;
        ranges->list[i].reach = reach;
    }
}

/* The range around `address` that begins last, or NULL. */
static const struct range *ranges_find(const struct ranges *ranges, uint64_t address)
{
    size_t low = 0, high = ranges->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges->list[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t i = low; i > 0 && ranges->list[i - 1].reach > address; i--) {
        if (ranges->list[i - 1].end > address)
            return &ranges->list[i - 1];
    }
    return NULL;
}

static void lines_load(struct symbols_lines *lines)
{
    lines->loaded = true;
    Dwarf *dwarf = dwfl_module_getdwarf(lines->module, &lines->bias);
    if (!dwarf)
        return;
    Dwarf_CU *cu = NULL;
    Dwarf_Die die, split;
    while (!dwarf_get_units(dwarf, cu, &cu, NULL, NULL, &die, &split)) {
        struct unit *units = list_room(lines->units, lines->count, &lines->capacity, sizeof(*units));
        if (!units)
            break;
        lines->units = units;
        units[lines->count] = (struct unit){.die = split.addr ? split : die};
        ranges_add(&lines->ranges, &die, lines->count++);
    }
    ranges_sort(&lines->ranges);
}

/* Functions with code of their own, also in the namespaces and modules of C++, Rust and Fortran. */
static void functions_collect(struct unit *unit, Dwarf_Die *parent, int depth)
{
    Dwarf_Die child;
    if (depth > NESTING_MAX || dwarf_child(parent, &child))
        return;
    do {
        int tag = dwarf_tag(&child);
        if (tag == DW_TAG_subprogram) {
            Dwarf_Die *functions = list_room(unit->functions, unit->count, &unit->capacity, sizeof(*functions));
            if (!functions)
                return;
            unit->functions = functions;
            functions[unit->count] = child;
            ranges_add(&unit->ranges, &child, unit->count++);
        } else if (tag == DW_TAG_namespace || tag == DW_TAG_module) {
            functions_collect(unit, &child, depth + 1);
        }
    } while (!dwarf_siblingof(&child, &child));
}

/* The child scope of `parent` that holds `address`; lexical blocks included. */
static bool scope_enter(Dwarf_Die *parent, uint64_t address, Dwarf_Die *scope)
{
    if (dwarf_child(parent, scope))
        return false;
    do {
        int tag = dwarf_tag(scope);
        bool has_code = tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block || tag == DW_TAG_try_block ||
                        tag == DW_TAG_catch_block || tag == DW_TAG_with_stmt;
        if (has_code && dwarf_haspc(scope, address) > 0)
            return true;
    } while (!dwarf_siblingof(scope, scope));
    return false;
}

static const char *die_function(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
        dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute)) {
        const char *name = dwarf_formstring(&attribute);
        if (name)
            return name;
    }
    return dwarf_diename(die);
}

/* From where the inlined function `die` was called. */
static void call_site(Dwarf_Die *unit, Dwarf_Die *die, struct symbols_place *caller)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value;
    Dwarf_Files *files;
    size_t count;
    if (dwarf_attr(die, DW_AT_call_line, &attribute) && !dwarf_formudata(&attribute, &value) && value <= INT32_MAX)
        caller->line = (uint32_t)value;
    if (dwarf_attr(die, DW_AT_call_file, &attribute) && !dwarf_formudata(&attribute, &value) &&
        !dwarf_getsrcfiles(unit, &files, &count) && value < count)
        caller->file = dwarf_filesrc(files, (size_t)value, NULL, NULL);
}

static struct symbols_place place_line(Dwarf_Die *unit, uint64_t address)
{
    struct symbols_place place = {0};
    int number;
    Dwarf_Line *line = dwarf_getsrc_die(unit, address);
    if (line) {
        place.file = dwarf_linesrc(line, NULL, NULL);
        if (!dwarf_lineno(line, &number) && number > 0)
            place.line = (uint32_t)number;
    }
    return place;
}

/* Function and the functions inlined into it around `address`, outermost first. */
static size_t scopes_find(struct unit *unit, uint64_t address, Dwarf_Die *scopes, size_t max)
{
    if (!unit->loaded) {
        unit->loaded = true;
        functions_collect(unit, &unit->die, 0);
        ranges_sort(&unit->ranges);
    }
    const struct range *range = ranges_find(&unit->ranges, address);
    if (!range || !max)
        return 0;
    size_t count = 0;
    Dwarf_Die scope = unit->functions[range->item], inner;
    scopes[count++] = scope;
    for (int depth = 0; depth < NESTING_MAX && count < max && scope_enter(&scope, address, &inner); depth++) {
        scope = inner;
        if (dwarf_tag(&scope) == DW_TAG_inlined_subroutine)
            scopes[count++] = scope;
    }
    return count;
}

size_t symbols_lines_find(struct symbols_lines *lines, uint64_t address, struct symbols_place *places, size_t max)
{
    if (!lines->loaded)
        lines_load(lines);
    uint64_t own = address - lines->bias;
    const struct range *range = ranges_find(&lines->ranges, own);
    if (!range || !max)
        return 0;
    struct unit *unit = &lines->units[range->item];
    Dwarf_Die scopes[NESTING_MAX];
    size_t count = scopes_find(unit, own, scopes, max < NESTING_MAX ? max : NESTING_MAX);
    places[0] = place_line(&unit->die, own);
    for (size_t i = 0; i < count; i++) {
        Dwarf_Die *scope = &scopes[count - 1 - i];
        places[i].function = die_function(scope);
        if (i + 1 < count) {
            places[i + 1] = (struct symbols_place){0};
            call_site(&unit->die, scope, &places[i + 1]);
        }
    }
    if (!count && !places[0].file)
        return 0;
    return count ? count : 1;
}

struct symbols_lines *symbols_lines_new(Dwfl_Module *module)
{
    struct symbols_lines *lines = calloc(1, sizeof(*lines));
    if (lines)
        lines->module = module;
    return lines;
}

void symbols_lines_free(struct symbols_lines *lines)
{
    if (!lines)
        return;
    for (size_t i = 0; i < lines->count; i++) {
        free(lines->units[i].functions);
        free(lines->units[i].ranges.list);
    }
    free(lines->units);
    free(lines->ranges.list);
    free(lines);
}
