/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE /* memrchr */
#include "analysis/symbols_table.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/symbols_methods.h"

struct function {
    uint64_t start, end;
    uint64_t reach; /* greatest end of this and all earlier functions: how far back a search must go */
    const char *name;
    uint64_t limit; /* end of the section */
    bool local;
};

struct symbols_table {
    struct function *functions;
    size_t count;
};

/* A function written in assembly may lack a size; further away than this it is taken for somebody else's code. */
#define UNSIZED_REACH 4096

/* Finds the symbol's section; false where that holds no code. */
static bool code_section(Elf *elf, GElf_Word shndx, GElf_Shdr *header)
{
    Elf_Scn *section = shndx ? elf_getscn(elf, shndx) : NULL;
    return section && gelf_getshdr(section, header) && (header->sh_flags & SHF_EXECINSTR);
}

static bool table_is_full(Elf *elf)
{
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) && header.sh_type == SHT_SYMTAB)
            return true;
    }
    return false;
}

/* Functions, and in a full symbol table the unsized labels of assembly code. */
static bool symbol_is_function(const GElf_Sym *symbol, const char *name, bool full)
{
    if (!name || !*name || *name == '.' || *name == '$' || symbol->st_shndx == SHN_UNDEF)
        return false;
    int type = GELF_ST_TYPE(symbol->st_info);
    if (type == STT_FUNC || type == STT_GNU_IFUNC)
        return symbol->st_size > 0 || full;
    return type == STT_NOTYPE && full;
}

static size_t underscores(const char *name)
{
    return strspn(name, "_");
}

/* Which of two names of one address is better known to people: exported, without underscores, short. */
static int name_order(const struct function *a, const struct function *b)
{
    if (a->local != b->local)
        return a->local ? 1 : -1;
    if (underscores(a->name) != underscores(b->name))
        return underscores(a->name) < underscores(b->name) ? -1 : 1;
    size_t length_a = symbols_name_length(a->name), length_b = symbols_name_length(b->name);
    if (length_a != length_b)
        return length_a < length_b ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int function_order(const void *left, const void *right)
{
    const struct function *a = left, *b = right;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    if ((a->end == a->start) != (b->end == b->start))
        return a->end == a->start ? 1 : -1;
    return name_order(a, b);
}

static void table_sort(struct symbols_table *table)
{
    qsort(table->functions, table->count, sizeof(*table->functions), function_order);
    size_t kept = 0;
    for (size_t i = 0; i < table->count; i++) {
        if (kept && table->functions[kept - 1].start == table->functions[i].start)
            continue;
        table->functions[kept++] = table->functions[i];
    }
    table->count = kept;
    uint64_t reach = 0;
    for (size_t i = 0; i < kept; i++) {
        reach = table->functions[i].end > reach ? table->functions[i].end : reach;
        table->functions[i].reach = reach;
    }
}

static struct function function_of(const char *name, const GElf_Sym *symbol, GElf_Addr address,
                                   const GElf_Shdr *section)
{
    uint64_t bias = address - symbol->st_value;
    uint64_t limit = section->sh_addr + section->sh_size + bias;
    uint64_t room = limit > address ? limit - address : 0;
    return (struct function){
        .start = address,
        .end = address + (symbol->st_size < room ? symbol->st_size : room),
        .limit = limit,
        .name = name,
        .local = GELF_ST_BIND(symbol->st_info) == STB_LOCAL,
    };
}

static void table_fill(struct symbols_table *table, Dwfl_Module *module, int symbols)
{
    Elf *checked = NULL;
    bool full = false;
    for (int i = 0; i < symbols; i++) {
        GElf_Sym symbol;
        GElf_Addr address;
        GElf_Word shndx;
        GElf_Shdr section;
        Elf *elf = NULL;
        const char *name = dwfl_module_getsym_info(module, i, &symbol, &address, &shndx, &elf, NULL);
        if (!elf)
            continue;
        if (elf != checked) {
            checked = elf;
            full = table_is_full(elf);
        }
        if (symbol_is_function(&symbol, name, full) && code_section(elf, shndx, &section))
            table->functions[table->count++] = function_of(name, &symbol, address, &section);
    }
}

/* Whether the file is CPython, or made to be called by it. */
static bool names_python(Dwfl_Module *module, int symbols)
{
    for (int i = 0; i < symbols; i++) {
        GElf_Sym symbol;
        const char *name = dwfl_module_getsym(module, i, &symbol, NULL);
        if (name && (!strncmp(name, "PyModule", 8) || !strncmp(name, "PyInit_", 7)))
            return true;
    }
    return false;
}

/* Functions that no symbol covers but that Python knows by name. */
static void table_add_methods(struct symbols_table *table, Dwfl_Module *module)
{
    struct symbols_method *methods;
    size_t count = symbols_methods_read(module, &methods), first = table->count;
    struct function *bigger = count ? reallocarray(table->functions, first + count, sizeof(*bigger)) : NULL;
    if (bigger) {
        size_t end = first;
        table->functions = bigger;
        for (size_t i = 0; i < count; i++) {
            const struct symbols_method *method = &methods[i];
            if (!symbols_table_find(table, method->start))
                bigger[end++] = (struct function){
                    .start = method->start, .end = method->end, .limit = method->end, .name = method->name};
        }
        table->count = end;
        table_sort(table);
    }
    free(methods);
}

int symbols_table_new(Dwfl_Module *module, struct symbols_table **out)
{
    struct symbols_table *table = calloc(1, sizeof(*table));
    if (!table)
        return -ENOMEM;
    int symbols = dwfl_module_getsymtab(module);
    if (symbols > 0) {
        table->functions = calloc((size_t)symbols, sizeof(*table->functions));
        if (!table->functions) {
            free(table);
            return -ENOMEM;
        }
        table_fill(table, module, symbols);
        table_sort(table);
        if (names_python(module, symbols))
            table_add_methods(table, module);
    }
    *out = table;
    return 0;
}

void symbols_table_free(struct symbols_table *table)
{
    if (!table)
        return;
    free(table->functions);
    free(table);
}

/* Index of the last function that starts at or before `address`; count if none. */
static size_t nearest_index(const struct symbols_table *table, uint64_t address)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->functions[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? low - 1 : table->count;
}

const char *symbols_table_find(const struct symbols_table *table, uint64_t address)
{
    size_t nearest = nearest_index(table, address);
    if (nearest == table->count)
        return NULL;
    for (size_t i = nearest; table->functions[i].reach > address; i--) {
        if (table->functions[i].end > address)
            return table->functions[i].name;
        if (!i)
            break;
    }
    const struct function *f = &table->functions[nearest];
    bool label = f->reach > f->start; /* inside a function that ended before the address */
    bool near = address < f->limit && address - f->start < UNSIZED_REACH;
    return f->end == f->start && near && !label ? f->name : NULL;
}

static bool digits_only(const char *text, const char *end)
{
    while (text < end && isdigit((unsigned char)*text))
        text++;
    return text == end;
}

/* True if the `length` bytes at `part`, which begin with a dot, are what a compiler appends to the name of a clone. */
static bool is_clone_suffix(const char *part, size_t length)
{
    static const char *const SUFFIXES[] = {".part",     ".isra", ".constprop", ".cold",
                                           ".lto_priv", ".llvm", ".localalias"};
    for (size_t i = 0; i < sizeof(SUFFIXES) / sizeof(*SUFFIXES); i++) {
        if (length == strlen(SUFFIXES[i]) && !strncmp(part, SUFFIXES[i], length))
            return true;
    }
    return false;
}

size_t symbols_name_length(const char *name)
{
    const char *at = strchr(name + (*name != 0), '@');
    size_t length = at ? (size_t)(at - name) : strlen(name);
    for (;;) {
        const char *end = name + length;
        const char *dot = memrchr(name, '.', length);
        if (!dot || dot == name)
            return length;
        const char *number = dot + 1;
        if (end > number && digits_only(number, end)) {
            const char *before = memrchr(name, '.', (size_t)(dot - name));
            if (!before || before == name || !is_clone_suffix(before, (size_t)(dot - before)))
                return length;
            length = (size_t)(before - name);
        } else if (is_clone_suffix(dot, (size_t)(end - dot))) {
            length = (size_t)(dot - name);
        } else {
            return length;
        }
    }
}
