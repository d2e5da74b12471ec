/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CPROBE_KERNEL_ELF_EXPORTS_H
#define CPROBE_KERNEL_ELF_EXPORTS_H

#include <libelf.h>
#include <stdbool.h>
#include <stdint.h>

/* The value of the dynamic symbol `name` if this file defines it, by its GNU hash table (without one there is no such
   symbol: all linkers write it since 2006). Stripped files have it too. */
bool elf_exports_find(Elf *elf, const char *name, uint64_t *value);

#endif
