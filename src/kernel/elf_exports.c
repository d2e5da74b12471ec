/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The GNU hash table: https://sourceware.org/gnu-gabi/program-loading-and-dynamic-linking.txt */
#include "kernel/elf_exports.h"

#include <gelf.h>
#include <string.h>

struct table {
    const uint32_t *words; /* header, bloom filter, buckets, chains */
    size_t count;          /* of words */
    Elf_Data *symbols;
    size_t names; /* section with the names */
};

static Elf_Scn *section_of_type(Elf *elf, GElf_Word type, GElf_Shdr *header)
{
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(elf, section)))
        if (gelf_getshdr(section, header) && header->sh_type == type)
            return section;
    return NULL;
}

static bool table_find(Elf *elf, struct table *t)
{
    GElf_Shdr header;
    Elf_Scn *hash = section_of_type(elf, SHT_GNU_HASH, &header);
    Elf_Data *data = hash ? elf_rawdata(hash, NULL) : NULL;
    Elf_Scn *symbols = data ? section_of_type(elf, SHT_DYNSYM, &header) : NULL;
    if (!symbols || !data->d_buf || data->d_size < 4 * sizeof(uint32_t))
        return false;
    t->words = data->d_buf;
    t->count = data->d_size / sizeof(uint32_t);
    t->symbols = elf_getdata(symbols, NULL);
    t->names = header.sh_link;
    return t->symbols != NULL;
}

static uint32_t name_hash(const char *name)
{
    uint32_t h = 5381;
    for (; *name; name++)
        h = h * 33 + (uint8_t)*name;
    return h;
}

static bool symbol_matches(Elf *elf, const struct table *t, size_t i, const char *name, uint64_t *value)
{
    GElf_Sym symbol;
    if (i > INT32_MAX || !gelf_getsym(t->symbols, (int)i, &symbol) || symbol.st_shndx == SHN_UNDEF)
        return false;
    const char *found = elf_strptr(elf, t->names, symbol.st_name);
    if (!found || strcmp(found, name) != 0)
        return false;
    *value = symbol.st_value;
    return true;
}

bool elf_exports_find(Elf *elf, const char *name, uint64_t *value)
{
    struct table t;
    if (!table_find(elf, &t))
        return false;
    uint32_t buckets = t.words[0], first = t.words[1], bloom = t.words[2];
    size_t bucket_at = 4 + 2 * (size_t)bloom, chain_at = bucket_at + buckets;
    if (!buckets || chain_at > t.count)
        return false;
    uint32_t hash = name_hash(name), i = t.words[bucket_at + hash % buckets];
    if (i < first)
        return false;
    for (;; i++) {
        size_t at = chain_at + (i - first);
        if (at >= t.count)
            return false;
        if ((t.words[at] | 1) == (hash | 1) && symbol_matches(elf, &t, i, name, value))
            return true;
        if (t.words[at] & 1)
            return false;
    }
}
