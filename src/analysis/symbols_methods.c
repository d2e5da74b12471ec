/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/symbols_methods.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS_MAX 0x3ffu /* METH_* of methodobject.h and room for more; never 0 */
#define NAME_MAX_LENGTH 64u
#define PCREL_SDATA4 0x1b /* encodings of .eh_frame_hdr, DWARF exception header (LSB 10.6) */
#define UDATA4 0x03
#define DATAREL_SDATA4 0x3b

struct method_def {
    uint64_t name, function, flags, documentation;
};

/* Of .eh_frame_hdr: sorted by where a function begins, relative to the section. */
struct function_entry {
    int32_t start, description;
};

struct methods {
    Elf *elf;
    uint64_t bias;
    const struct function_entry *entries;
    size_t entry_count;
    uint64_t entries_base;
    struct symbols_method *list;
    size_t count, capacity;
};

static Elf_Scn *section_named(Elf *elf, const char *name, GElf_Shdr *header)
{
    size_t names;
    if (elf_getshdrstrndx(elf, &names))
        return NULL;
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
        const char *found = gelf_getshdr(section, header) ? elf_strptr(elf, names, header->sh_name) : NULL;
        if (found && !strcmp(found, name) && header->sh_type != SHT_NOBITS)
            return section;
    }
    return NULL;
}

static bool entries_read(struct methods *m)
{
    GElf_Shdr header;
    Elf_Scn *section = section_named(m->elf, ".eh_frame_hdr", &header);
    const Elf_Data *data = section ? elf_rawdata(section, NULL) : NULL;
    const uint8_t *bytes = data ? data->d_buf : NULL;
    uint32_t count;
    if (!bytes || data->d_size < 12 || bytes[0] != 1 || bytes[1] != PCREL_SDATA4 || bytes[2] != UDATA4 ||
        bytes[3] != DATAREL_SDATA4)
        return false;
    memcpy(&count, bytes + 8, sizeof(count));
    m->entries = (const void *)(bytes + 12);
    m->entry_count = (data->d_size - 12) / sizeof(*m->entries);
    m->entry_count = count < m->entry_count ? count : m->entry_count;
    m->entries_base = header.sh_addr;
    return m->entry_count > 0;
}

/* The function that begins at `address`: where the next one does; 0: none begins there. */
static uint64_t function_end(const struct methods *m, uint64_t address)
{
    size_t low = 0, high = m->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t start = m->entries_base + (uint64_t)(int64_t)m->entries[middle].start;
        if (start == address && middle + 1 < m->entry_count)
            return m->entries_base + (uint64_t)(int64_t)m->entries[middle + 1].start;
        if (start < address)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

/* The identifier that stands at `address` in constant data; NULL: none does. */
static const char *name_at(const struct methods *m, uint64_t address)
{
    for (Elf_Scn *section = NULL; (section = elf_nextscn(m->elf, section));) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header) || header.sh_type != SHT_PROGBITS || address < header.sh_addr ||
            address - header.sh_addr >= header.sh_size || (header.sh_flags & (SHF_ALLOC | SHF_EXECINSTR)) != SHF_ALLOC)
            continue;
        const Elf_Data *data = elf_rawdata(section, NULL);
        if (!data || !data->d_buf || address - header.sh_addr >= data->d_size)
            return NULL;
        const char *name = (const char *)data->d_buf + (address - header.sh_addr);
        size_t room = data->d_size - (address - header.sh_addr), length = 0;
        while (length < room && length < NAME_MAX_LENGTH &&
               (isalnum((unsigned char)name[length]) || name[length] == '_'))
            length++;
        return length > 0 && length < room && !name[length] && !isdigit((unsigned char)*name) ? name : NULL;
    }
    return NULL;
}

static void method_add(struct methods *m, const struct method_def *def)
{
    uint64_t end = def->name && def->flags && def->flags <= FLAGS_MAX ? function_end(m, def->function) : 0;
    const char *name = end ? name_at(m, def->name) : NULL;
    if (!name)
        return;
    if (m->count == m->capacity) {
        size_t capacity = m->capacity ? 2 * m->capacity : 64;
        struct symbols_method *bigger = reallocarray(m->list, capacity, sizeof(*bigger));
        if (!bigger)
            return;
        m->list = bigger;
        m->capacity = capacity;
    }
    m->list[m->count++] = (struct symbols_method){def->function + m->bias, end + m->bias, name};
}

/* What the loader writes into position independent data: addresses of the file itself. */
static void relocate(const struct methods *m, const GElf_Shdr *header, uint8_t *bytes)
{
    GElf_Shdr table;
    Elf_Scn *section = section_named(m->elf, ".rela.dyn", &table);
    Elf_Data *data = section && table.sh_entsize ? elf_getdata(section, NULL) : NULL;
    size_t count = data ? table.sh_size / table.sh_entsize : 0;
    for (size_t i = 0; i < count; i++) {
        GElf_Rela rela;
        if (!gelf_getrela(data, (int)i, &rela) || GELF_R_TYPE(rela.r_info) != R_X86_64_RELATIVE ||
            rela.r_offset < header->sh_addr || header->sh_size < sizeof(uint64_t) ||
            rela.r_offset - header->sh_addr > header->sh_size - sizeof(uint64_t))
            continue;
        memcpy(bytes + (rela.r_offset - header->sh_addr), &rela.r_addend, sizeof(uint64_t));
    }
}

static void section_scan(struct methods *m, const char *name)
{
    GElf_Shdr header;
    Elf_Scn *section = section_named(m->elf, name, &header);
    const Elf_Data *data = section ? elf_rawdata(section, NULL) : NULL;
    uint8_t *bytes = data && data->d_buf && data->d_size == header.sh_size ? malloc(data->d_size) : NULL;
    if (!bytes)
        return;
    memcpy(bytes, data->d_buf, data->d_size);
    relocate(m, &header, bytes);
    for (size_t at = 0; at + sizeof(struct method_def) <= data->d_size; at += sizeof(uint64_t)) {
        struct method_def def;
        memcpy(&def, bytes + at, sizeof(def));
        method_add(m, &def);
    }
    free(bytes);
}

size_t symbols_methods_read(Dwfl_Module *module, struct symbols_method **out)
{
    GElf_Addr bias = 0;
    struct methods m = {.elf = dwfl_module_getelf(module, &bias)};
    m.bias = bias;
    if (m.elf && entries_read(&m)) {
        section_scan(&m, ".data");
        section_scan(&m, ".data.rel.ro");
    }
    *out = m.list;
    return m.count;
}
