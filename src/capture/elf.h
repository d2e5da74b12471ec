/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks into objects that the dynamic loader has already mapped, through the tables that the loader itself uses (System
 * V ABI, chapter 5; GNU hash as in https://sourceware.org/legacy-ml/binutils/2006-10/msg00377.html). Unlike dlsym and
 * dl_iterate_phdr nothing here takes a lock, allocates or changes state, so all of it may run in any hook and in a
 * signal handler. The object must stay loaded during the call.
 */
#ifndef CPROBE_CAPTURE_ELF_H
#define CPROBE_CAPTURE_ELF_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_BUILD_ID_MAX 20u /* bytes: SHA-1, the longest that linkers produce by default */

/* Program headers as they lie in memory; bias is added to their addresses. Points into the object. */
struct elf_headers {
    const ElfW(Phdr) * first;
    size_t count;
    uintptr_t bias;
};

/*
 * Address of the function or variable `name` that this one object itself defines and exports, or NULL: names that it
 * only imports, thread-local variables and indirect functions are not found. Where `name` has several versions, the
 * default one, else any.
 */
void *elf_symbol(const struct link_map *map, const char *name);

/* Finds an object's program headers. 0, or -ENOEXEC where they are not mapped at a known place. */
int elf_headers_find(const struct link_map *map, struct elf_headers *out);

/* Copies the GNU build id (cut to ELF_BUILD_ID_MAX bytes) to `out`; returns its length in bytes, 0: it has none. */
size_t elf_build_id(const struct elf_headers *headers, uint8_t out[ELF_BUILD_ID_MAX]);

/* Page-aligned range [start, end) that the object's segments cover, gaps included. false: it has no loadable segment.
 */
bool elf_load_range(const struct elf_headers *headers, uintptr_t *start, uintptr_t *end);

#endif
