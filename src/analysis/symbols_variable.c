/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/symbols_variable.h"

#include <stdbool.h>

static bool symbol_is_variable(const GElf_Sym *symbol, const char *name)
{
    int type = GELF_ST_TYPE(symbol->st_info);
    return name && *name && symbol->st_shndx != SHN_UNDEF && symbol->st_size > 0 &&
           (type == STT_OBJECT || type == STT_COMMON);
}

const char *symbols_variable_find(Dwfl_Module *module, uint64_t address, uint64_t *offset)
{
    const char *best = NULL;
    uint64_t best_size = UINT64_MAX;
    int symbols = dwfl_module_getsymtab(module);
    for (int i = 0; i < symbols; i++) {
        GElf_Sym symbol;
        GElf_Addr start;
        const char *name = dwfl_module_getsym_info(module, i, &symbol, &start, NULL, NULL, NULL);
        if (!name || !symbol_is_variable(&symbol, name) || address < start || address - start >= symbol.st_size)
            continue;
        if (symbol.st_size >= best_size) /* the smallest one: not the struct that a linker script draws around it */
            continue;
        best = name;
        best_size = symbol.st_size;
        *offset = address - start;
    }
    return best;
}
