/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes small ELF files with the symbols that a test wants. Code: section .text at 0x1000 to 0x1fff and section .more
 * at 0x2000 to 0x2fff, without bytes; the file is position independent, its load segment begins at 0.
 */
#ifndef CPROBE_ELF_BUILDER_H
#define CPROBE_ELF_BUILDER_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_BUILDER_TEXT 1 /* section index of .text */
#define ELF_BUILDER_MORE 2 /* of .more */

struct elf_builder_symbol {
    const char *name;
    uint64_t value, size;
    unsigned char type, bind; /* STT_*, STB_* */
    uint16_t section;
};

struct elf_builder {
    const struct elf_builder_symbol *symbols;
    size_t symbol_count;
    bool full; /* .symtab, else .dynsym: what is left in a stripped library */
    const uint8_t *build_id;
    size_t build_id_size;  /* 0: none; multiple of 4 */
    const char *debuglink; /* NULL: none */
    uint32_t debuglink_crc;
};

/* Writes the file; ends the test program with a message when that fails. */
void elf_builder_write(const struct elf_builder *b, const char *path);

#endif
