/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/clock.h"

#include <link.h>
#include <sys/auxv.h>

#include "capture/elf.h"

int (*clock_vdso)(clockid_t, struct timespec *);

/* The vDSO is an ELF object that the kernel maps; vdso(7) names its symbols. */
void clock_init(void)
{
    const ElfW(Ehdr) *vdso = (const void *)getauxval(AT_SYSINFO_EHDR); // NOLINT(performance-no-int-to-ptr)
    struct link_map map = {0};
    uintptr_t first = 0;
    if (!vdso)
        return;
    const ElfW(Phdr) *p = (const void *)((const char *)vdso + vdso->e_phoff);
    for (int i = 0; i < vdso->e_phnum; i++) {
        if (p[i].p_type == PT_LOAD && !map.l_addr)
            map.l_addr = (uintptr_t)vdso + p[i].p_offset - p[i].p_vaddr;
        else if (p[i].p_type == PT_DYNAMIC)
            first = p[i].p_offset;
    }
    if (!first)
        return;
    map.l_ld = (void *)((uintptr_t)vdso + first);
    clock_vdso = (int (*)(clockid_t, struct timespec *))elf_symbol(&map, "__vdso_clock_gettime");
}
