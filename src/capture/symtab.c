/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/symtab.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "capture/elf.h"
#include "capture/record.h"

#define SECTIONS_MAX 8192u
#define HEADERS_MAX 64u
#define NOTES_MAX 1024u

struct table {
    const struct link_map *map;
    struct elf_headers loaded;
    int fd;
    ElfW(Ehdr) head;
    ElfW(Shdr) * sections;
    ElfW(Sym) * symbols;
    char *names; /* ends with a zero */
    uint64_t symbol_count, names_size;
};

static bool read_whole(int fd, void *out, uint64_t size, uint64_t offset)
{
    for (char *p = out; size;) {
        long n = sys_pread(fd, p, size, offset);
        if (n == -EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        size -= (uint64_t)n;
        offset += (uint64_t)n;
    }
    return true;
}

/* Zeroed by the kernel, with a zero byte more than asked for. */
static void *read_new(int fd, uint64_t size, uint64_t offset)
{
    void *p = record_memory(size + 1);
    if (p && !read_whole(fd, p, size, offset)) {
        sys_munmap(p, size + 1);
        return NULL;
    }
    return p;
}

/* The notes hold the build id, which no two links share. */
static bool notes_agree(const struct table *t, const ElfW(Phdr) * note)
{
    char bytes[NOTES_MAX];
    uint64_t size = note->p_filesz < NOTES_MAX ? note->p_filesz : NOTES_MAX;
    for (size_t i = 0; i < t->loaded.count; i++) { /* is it mapped at all? */
        const ElfW(Phdr) *p = &t->loaded.first[i];
        if (p->p_type == PT_LOAD && note->p_vaddr >= p->p_vaddr &&
            note->p_vaddr + note->p_filesz <= p->p_vaddr + p->p_filesz)
            return read_whole(t->fd, bytes, size, note->p_offset) &&
                   memcmp(bytes, (const void *)(t->loaded.bias + note->p_vaddr), size) == 0;
    }
    return true;
}

/* Whether the file is the one that was loaded: another build has other segments, or at least another build id. */
static bool file_agrees(const struct table *t)
{
    ElfW(Phdr) headers[HEADERS_MAX];
    size_t count = t->head.e_phnum;
    if (memcmp(t->head.e_ident, ELFMAG, SELFMAG) != 0 || t->head.e_phentsize != sizeof(headers[0]) ||
        t->head.e_shentsize != sizeof(ElfW(Shdr)) || count > HEADERS_MAX || count != t->loaded.count)
        return false;
    if (!read_whole(t->fd, headers, count * sizeof(headers[0]), t->head.e_phoff) ||
        memcmp(headers, t->loaded.first, count * sizeof(headers[0])) != 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (headers[i].p_type == PT_NOTE && !notes_agree(t, &headers[i]))
            return false;
    return true;
}

static const ElfW(Shdr) * section_find(const struct table *t, uint32_t type)
{
    for (size_t i = 0; i < t->head.e_shnum; i++)
        if (t->sections[i].sh_type == type)
            return &t->sections[i];
    return NULL;
}

static int table_read(struct table *t)
{
    uint64_t size = (uint64_t)t->head.e_shnum * sizeof(ElfW(Shdr));
    if (!t->head.e_shoff || !size || t->head.e_shnum > SECTIONS_MAX)
        return -ENOEXEC;
    t->sections = read_new(t->fd, size, t->head.e_shoff);
    if (!t->sections)
        return -EIO;
    const ElfW(Shdr) *symbols = section_find(t, SHT_SYMTAB);
    if (!symbols)
        symbols = section_find(t, SHT_DYNSYM);
    if (!symbols || symbols->sh_link >= t->head.e_shnum)
        return -ENOENT;
    const ElfW(Shdr) *names = &t->sections[symbols->sh_link];
    if (symbols->sh_size > SYMTAB_BYTES_MAX || names->sh_size > SYMTAB_BYTES_MAX - symbols->sh_size)
        return -EFBIG;
    t->symbol_count = symbols->sh_size / sizeof(ElfW(Sym));
    t->names_size = names->sh_size;
    t->symbols = read_new(t->fd, t->symbol_count * sizeof(ElfW(Sym)), symbols->sh_offset);
    t->names = read_new(t->fd, t->names_size, names->sh_offset);
    return t->symbols && t->names ? 0 : -EIO;
}

/* Relocated by the loader, then protected: constant from then on. */
static bool relro(const struct table *t, uint64_t address)
{
    for (size_t i = 0; i < t->loaded.count; i++) {
        const ElfW(Phdr) *p = &t->loaded.first[i];
        if (p->p_type == PT_GNU_RELRO && address - p->p_vaddr < p->p_memsz)
            return true;
    }
    return false;
}

static bool symbol_make(const struct table *t, const ElfW(Sym) * s, struct symtab_symbol *out)
{
    unsigned type = ELF64_ST_TYPE(s->st_info);
    if ((type != STT_FUNC && type != STT_OBJECT) || s->st_shndx == SHN_UNDEF || s->st_shndx >= t->head.e_shnum ||
        !s->st_size || s->st_name >= t->names_size)
        return false;
    const ElfW(Shdr) *section = &t->sections[s->st_shndx];
    *out = (struct symtab_symbol){.name = t->names + s->st_name,
                                  .start = t->loaded.bias + s->st_value,
                                  .size = s->st_size,
                                  .function = type == STT_FUNC,
                                  .writable = section->sh_flags & SHF_WRITE && !relro(t, s->st_value)};
    return !(section->sh_flags & SHF_TLS);
}

static void table_free(struct table *t)
{
    if (t->sections)
        sys_munmap(t->sections, (uint64_t)t->head.e_shnum * sizeof(ElfW(Shdr)) + 1);
    if (t->symbols)
        sys_munmap(t->symbols, t->symbol_count * sizeof(ElfW(Sym)) + 1);
    if (t->names)
        sys_munmap(t->names, t->names_size + 1);
    if (t->fd >= 0)
        sys_close(t->fd);
}

int symtab_read(const struct link_map *map, void (*each)(const struct symtab_symbol *symbol, void *context),
                void *context)
{
    struct table t = {.map = map, .fd = -1};
    struct symtab_symbol symbol;
    int r = elf_headers_find(map, &t.loaded), count = 0;
    if (r < 0)
        return r;
    /* the program's own path may lead to another file by now, this one cannot */
    t.fd =
        sys_open(map->l_name && map->l_name[0] ? map->l_name : "/proc/self/exe", O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (t.fd < 0)
        return t.fd;
    r = !read_whole(t.fd, &t.head, sizeof(t.head), 0) ? -EIO : !file_agrees(&t) ? -ESTALE : table_read(&t);
    for (uint64_t i = 0; r == 0 && i < t.symbol_count; i++) {
        if (!symbol_make(&t, &t.symbols[i], &symbol))
            continue;
        each(&symbol, context);
        count++;
    }
    table_free(&t);
    return r < 0 ? r : count;
}
