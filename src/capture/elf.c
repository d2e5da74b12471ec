/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "capture/elf.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>

#define PAGE_MASK ((uintptr_t)4095)
#define HEADERS_MAX 128u       /* program headers; more is no object that a linker made */
#define VERSION_HIDDEN 0x8000u /* DT_VERSYM: not the default version of the symbol */
#define NOTE_ALIGN(n, align) (((n) + (align)-1) & ~((size_t)(align)-1))

struct symbol_tables {
    uintptr_t bias;
    const ElfW(Sym) * symbols;
    const char *strings;
    const uint32_t *gnu_hash;
    const uint32_t *hash;
    const ElfW(Half) * versions;
};

/* glibc adds the load bias to the addresses in the dynamic section of every object but the vdso, whose section is
   read-only; other loaders never do. An address below the bias has not been adjusted. */
static const void *table_address(const struct link_map *map, ElfW(Addr) address)
{
    return (const void *)(address < map->l_addr ? address + map->l_addr : address);
}

static bool symbol_tables_find(const struct link_map *map, struct symbol_tables *out)
{
    memset(out, 0, sizeof(*out));
    out->bias = map->l_addr;
    if (!map->l_ld)
        return false;
    for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
        switch (d->d_tag) {
        case DT_SYMTAB:
            out->symbols = table_address(map, d->d_un.d_ptr);
            break;
        case DT_STRTAB:
            out->strings = table_address(map, d->d_un.d_ptr);
            break;
        case DT_GNU_HASH:
            out->gnu_hash = table_address(map, d->d_un.d_ptr);
            break;
        case DT_HASH:
            out->hash = table_address(map, d->d_un.d_ptr);
            break;
        case DT_VERSYM:
            out->versions = table_address(map, d->d_un.d_ptr);
            break;
        default:
            break;
        }
    }
    return out->symbols && out->strings && (out->gnu_hash || out->hash);
}

static bool symbol_matches(const struct symbol_tables *t, uint32_t index, const char *name)
{
    const ElfW(Sym) *s = &t->symbols[index];
    unsigned type = ELF64_ST_TYPE(s->st_info);

    if (s->st_shndx == SHN_UNDEF || (type != STT_FUNC && type != STT_OBJECT && type != STT_NOTYPE))
        return false;
    return strcmp(t->strings + s->st_name, name) == 0;
}

static bool symbol_is_default(const struct symbol_tables *t, uint32_t index)
{
    return !t->versions || !(t->versions[index] & VERSION_HIDDEN);
}

static uint32_t gnu_hash_of(const char *name)
{
    uint32_t h = 5381;

    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        h = h * 33 + *c;
    return h;
}

static uint32_t sysv_hash_of(const char *name)
{
    uint32_t h = 0;

    for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
        h = (h << 4) + *c;
        h ^= (h & 0xf0000000u) >> 24;
        h &= 0x0fffffffu;
    }
    return h;
}

/* Table: bucket count, first hashed symbol, bloom words, bloom shift; bloom[]; buckets[]; chain[] with the hashes,
   whose lowest bit ends a chain. 0 (the null symbol): not found. */
static uint32_t gnu_hash_find(const struct symbol_tables *t, const char *name)
{
    const uint32_t *head = t->gnu_hash;
    const ElfW(Addr) *bloom = (const ElfW(Addr) *)(head + 4);
    const uint32_t *buckets = (const uint32_t *)(bloom + head[2]);
    const uint32_t *chain = buckets + head[0];
    uint32_t hash = gnu_hash_of(name), found = 0;

    if (!head[0] || !head[2])
        return 0;
    ElfW(Addr) word = bloom[(hash / 64) % head[2]];
    if (!((word >> (hash % 64)) & (word >> ((hash >> head[3]) % 64)) & 1))
        return 0;
    uint32_t i = buckets[hash % head[0]];
    if (i < head[1])
        return 0;
    for (;; i++) {
        uint32_t h = chain[i - head[1]];
        if ((h | 1) == (hash | 1) && symbol_matches(t, i, name)) {
            found = i;
            if (symbol_is_default(t, i))
                return i;
        }
        if (h & 1)
            return found;
    }
}

/* Table: bucket count, chain count; buckets[]; chain[], where each symbol names the next one. */
static uint32_t sysv_hash_find(const struct symbol_tables *t, const char *name)
{
    const uint32_t *buckets = t->hash + 2;
    const uint32_t *chain = buckets + t->hash[0];
    uint32_t found = 0;

    if (!t->hash[0])
        return 0;
    for (uint32_t i = buckets[sysv_hash_of(name) % t->hash[0]]; i && i < t->hash[1]; i = chain[i]) {
        if (!symbol_matches(t, i, name))
            continue;
        found = i;
        if (symbol_is_default(t, i))
            return i;
    }
    return found;
}

void *elf_symbol(const struct link_map *map, const char *name)
{
    struct symbol_tables t;

    if (!symbol_tables_find(map, &t))
        return NULL;
    uint32_t index = t.gnu_hash ? gnu_hash_find(&t, name) : sysv_hash_find(&t, name);
    if (!index)
        return NULL;
    const ElfW(Sym) *s = &t.symbols[index];
    return (void *)(s->st_shndx == SHN_ABS ? s->st_value : t.bias + s->st_value);
}

/* The kernel tells the main program where its own headers are. Not the main program's where the loader was started as a
   command, hence the comparison. */
static bool main_headers_find(const struct link_map *map, struct elf_headers *out)
{
    const ElfW(Phdr) *first = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    size_t count = getauxval(AT_PHNUM);

    for (size_t i = 0; first && i < count && i < HEADERS_MAX; i++) {
        if (first[i].p_type == PT_DYNAMIC && map->l_addr + first[i].p_vaddr == (uintptr_t)map->l_ld) {
            *out = (struct elf_headers){first, count, map->l_addr};
            return true;
        }
    }
    return false;
}

/* Start of the object's mapping: what the loader says (lock-free and async-signal-safe, glibc 2.35), else the bias,
   which is the same for everything but prelinked libraries. 0: unknown. */
static uintptr_t map_start_find(const struct link_map *map)
{
    struct dl_find_object found;

    if (_dl_find_object(map->l_ld, &found) == 0 && found.dlfo_link_map == map)
        return (uintptr_t)found.dlfo_map_start;
    return map->l_addr & PAGE_MASK ? 0 : map->l_addr;
}

int elf_headers_find(const struct link_map *map, struct elf_headers *out)
{
    if (main_headers_find(map, out))
        return 0;
    const ElfW(Ehdr) *head = (const ElfW(Ehdr) *)map_start_find(map);
    if (!head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 || head->e_phentsize != sizeof(ElfW(Phdr)))
        return -ENOEXEC;
    /* The first page is mapped for certain, what follows it is not. */
    if (head->e_phnum > HEADERS_MAX || head->e_phoff > PAGE_MASK ||
        head->e_phoff + head->e_phnum * sizeof(ElfW(Phdr)) > PAGE_MASK + 1)
        return -ENOEXEC;
    *out = (struct elf_headers){(const ElfW(Phdr) *)((const char *)head + head->e_phoff), head->e_phnum, map->l_addr};
    return 0;
}

/* Notes: name size, content size, type; name; content; name and content padded to the segment's alignment. */
static size_t note_build_id(const uint8_t *at, size_t size, size_t align, uint8_t *out)
{
    ElfW(Nhdr) note;

    while (size >= sizeof(note)) {
        memcpy(&note, at, sizeof(note));
        size_t content = NOTE_ALIGN(sizeof(note) + (size_t)note.n_namesz, align);
        size_t next = NOTE_ALIGN(content + note.n_descsz, align);
        if (content + note.n_descsz > size)
            return 0;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof("GNU") &&
            memcmp(at + sizeof(note), "GNU", sizeof("GNU")) == 0) {
            size_t length = note.n_descsz < ELF_BUILD_ID_MAX ? note.n_descsz : ELF_BUILD_ID_MAX;
            memcpy(out, at + content, length);
            return length;
        }
        if (next > size)
            return 0;
        at += next;
        size -= next;
    }
    return 0;
}

/* A note that no segment loads has an address, but nothing of it is mapped there. */
static bool note_is_loaded(const struct elf_headers *headers, const ElfW(Phdr) * note)
{
    for (size_t i = 0; i < headers->count; i++) {
        const ElfW(Phdr) *p = &headers->first[i];
        if (p->p_type == PT_LOAD && note->p_vaddr >= p->p_vaddr && note->p_memsz <= p->p_memsz &&
            note->p_vaddr - p->p_vaddr <= p->p_memsz - note->p_memsz)
            return true;
    }
    return false;
}

size_t elf_build_id(const struct elf_headers *headers, uint8_t out[ELF_BUILD_ID_MAX])
{
    for (size_t i = 0; i < headers->count; i++) {
        const ElfW(Phdr) *p = &headers->first[i];
        if (p->p_type != PT_NOTE || !note_is_loaded(headers, p))
            continue;
        size_t length =
            note_build_id((const uint8_t *)(headers->bias + p->p_vaddr), p->p_memsz, p->p_align == 8 ? 8 : 4, out);
        if (length)
            return length;
    }
    return 0;
}

bool elf_load_range(const struct elf_headers *headers, uintptr_t *start, uintptr_t *end)
{
    *start = UINTPTR_MAX;
    *end = 0;
    for (size_t i = 0; i < headers->count; i++) {
        const ElfW(Phdr) *p = &headers->first[i];
        if (p->p_type != PT_LOAD || !p->p_memsz)
            continue;
        uintptr_t from = (headers->bias + p->p_vaddr) & ~PAGE_MASK;
        uintptr_t to = (headers->bias + p->p_vaddr + p->p_memsz + PAGE_MASK) & ~PAGE_MASK;
        *start = from < *start ? from : *start;
        *end = to > *end ? to : *end;
    }
    return *start < *end;
}
