/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's functions by address: /proc/kallsyms, read once. */
#ifndef CPROBE_KERNEL_KSYMS_H
#define CPROBE_KERNEL_KSYMS_H

#include <stddef.h>
#include <stdint.h>

struct ksyms;

struct ksym {
    uint64_t start, end; /* end: start of the next symbol */
    const char *name;
    const char *module; /* "" for the kernel itself */
};

/* Reads `path` (/proc/kallsyms). Without permission it has no addresses: then nothing is ever found. NULL: no memory or
   not readable. */
struct ksyms *ksyms_read(const char *path);
void ksyms_free(struct ksyms *k);

/* The function at `pc`, valid until ksyms_free; NULL: unknown. k may be NULL. */
const struct ksym *ksyms_find(const struct ksyms *k, uint64_t pc);

#endif
