/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elf_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_MAX 65536
#define SECTION_MAX 8

static const char SECTION_NAMES[] = "\0.text\0.more\0.symbols\0.strings\0.note.gnu.build-id\0.gnu_debuglink\0.shstrtab";

struct image {
    _Alignas(8) uint8_t bytes[IMAGE_MAX];
    size_t used;
    Elf64_Shdr sections[SECTION_MAX];
    unsigned section_count;
};

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "elf_builder: %s %s\n", what, path);
    exit(1);
}

/* Appends bytes on a multiple of 8; returns their offset. */
static size_t image_add(struct image *image, const void *data, size_t size)
{
    size_t offset = (image->used + 7) & ~(size_t)7;
    if (offset + size > IMAGE_MAX)
        fail("too large:", "image");
    memcpy(image->bytes + offset, data, size);
    image->used = offset + size;
    return offset;
}

static Elf64_Word name_offset(const char *name)
{
    size_t at = 1;
    while (strcmp(SECTION_NAMES + at, name) != 0)
        at += strlen(SECTION_NAMES + at) + 1;
    return (Elf64_Word)at;
}

static Elf64_Shdr *section_add(struct image *image, const char *name, Elf64_Word type, const void *data, size_t size)
{
    Elf64_Shdr *section = &image->sections[image->section_count++];
    *section = (Elf64_Shdr){.sh_name = name_offset(name), .sh_type = type, .sh_size = size, .sh_addralign = 8};
    section->sh_offset = data ? image_add(image, data, size) : image->used;
    return section;
}

static void code_add(struct image *image, const char *name, Elf64_Addr address)
{
    Elf64_Shdr *section = section_add(image, name, SHT_NOBITS, NULL, 0x1000);
    section->sh_addr = address;
    section->sh_flags = SHF_ALLOC | SHF_EXECINSTR;
}

static void symbols_add(struct image *image, const struct elf_builder *b)
{
    Elf64_Sym *symbols = calloc(b->symbol_count + 1, sizeof(*symbols));
    char *strings = calloc(1, IMAGE_MAX);
    size_t used = 1;
    if (!symbols || !strings)
        fail("no memory for", "symbols");
    for (size_t i = 0; i < b->symbol_count; i++) {
        const struct elf_builder_symbol *s = &b->symbols[i];
        symbols[i + 1] = (Elf64_Sym){.st_name = (Elf64_Word)used,
                                     .st_info = ELF64_ST_INFO(s->bind, s->type),
                                     .st_shndx = s->section,
                                     .st_value = s->value,
                                     .st_size = s->size};
        strcpy(strings + used, s->name);
        used += strlen(s->name) + 1;
    }
    size_t size = (b->symbol_count + 1) * sizeof(*symbols);
    Elf64_Shdr *section = section_add(image, ".symbols", b->full ? SHT_SYMTAB : SHT_DYNSYM, symbols, size);
    section->sh_entsize = sizeof(*symbols);
    section->sh_link = image->section_count;
    section->sh_info = 1;
    section_add(image, ".strings", SHT_STRTAB, strings, used);
    free(symbols);
    free(strings);
}

static void build_id_add(struct image *image, const struct elf_builder *b)
{
    struct {
        Elf64_Nhdr header;
        char name[4];
        uint8_t id[64];
    } note = {{4, (Elf64_Word)b->build_id_size, NT_GNU_BUILD_ID}, "GNU", {0}};
    if (b->build_id_size > sizeof(note.id))
        fail("too large:", "build-id");
    memcpy(note.id, b->build_id, b->build_id_size);
    size_t size = offsetof(__typeof__(note), id) + b->build_id_size;
    Elf64_Shdr *section = section_add(image, ".note.gnu.build-id", SHT_NOTE, &note, size);
    section->sh_flags = SHF_ALLOC;
    section->sh_addralign = 4;
    section->sh_addr = section->sh_offset;
}

/* The name, zeros up to a multiple of 4, the checksum. */
static void debuglink_add(struct image *image, const struct elf_builder *b)
{
    uint8_t link[256] = {0};
    size_t at = (strlen(b->debuglink) + 1 + 3) & ~(size_t)3;
    if (at + 4 > sizeof(link))
        fail("too long:", b->debuglink);
    memcpy(link, b->debuglink, strlen(b->debuglink));
    memcpy(link + at, &b->debuglink_crc, 4);
    section_add(image, ".gnu_debuglink", SHT_PROGBITS, link, at + 4)->sh_addralign = 4;
}

static void headers_add(struct image *image)
{
    Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_DYN,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 1,
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = (Elf64_Half)image->section_count,
        .e_shstrndx = (Elf64_Half)(image->section_count - 1),
    };
    Elf64_Phdr load = {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_memsz = 0x3000, .p_align = 0x1000};
    header.e_shoff = image_add(image, image->sections, image->section_count * sizeof(*image->sections));
    load.p_filesz = image->used;
    memcpy(image->bytes, &header, sizeof(header));
    memcpy(image->bytes + sizeof(header), &load, sizeof(load));
}

void elf_builder_write(const struct elf_builder *b, const char *path)
{
    struct image *image = calloc(1, sizeof(*image));
    if (!image)
        fail("no memory for", path);
    image->used = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
    image->section_count = 1; /* the null section */
    code_add(image, ".text", 0x1000);
    code_add(image, ".more", 0x2000);
    symbols_add(image, b);
    if (b->build_id_size)
        build_id_add(image, b);
    if (b->debuglink)
        debuglink_add(image, b);
    section_add(image, ".shstrtab", SHT_STRTAB, SECTION_NAMES, sizeof(SECTION_NAMES));
    headers_add(image);
    FILE *file = fopen(path, "w");
    if (!file || fwrite(image->bytes, 1, image->used, file) != image->used || fclose(file))
        fail("cannot write", path);
    free(image);
}
